package gen

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// The core is the same for every API. It is formatted and checked as it stands.
//
//go:embed typescript/core/*.ts
var typeScriptCore embed.FS

// TypeScriptNames are the names of a generated TypeScript package, for whoever
// writes of it. Codes and conditions are namespaces, so that their names clash
// neither with each other nor with the classes of the API's document.
type TypeScriptNames struct {
	// Package is what is installed and imported.
	Package string
	// Root is the class of all errors.
	Root string
	// Codes maps names of the catalogue to classes of the namespace codes.
	Codes map[string]string
	// Conditions maps conditions to classes of the namespace conditions.
	Conditions map[condition.Condition]string
}

// NamesInTypeScript names what [TypeScript] makes.
func NamesInTypeScript(c *contract.Contract, opts Options) TypeScriptNames {
	n := TypeScriptNames{Package: opts.Package, Root: Pascal(c.API) + "Error", Codes: map[string]string{}, Conditions: map[condition.Condition]string{}}
	if n.Package == "" {
		n.Package = strings.Join(append(words(c.API), "client"), "-") // many an API's own client has the bare name
	}
	for _, x := range classesFor(c, "typescript", "javascript") {
		if x.Base == "" && len(x.Statuses) > 0 {
			n.Root = x.Name
			break
		}
	}
	taken := map[string]bool{n.Root: true, "CallError": true}
	for _, code := range c.Codes {
		n.Codes[code.Name] = free(Pascal(code.Name), taken)
	}
	taken = map[string]bool{n.Root: true, "CallError": true}
	for _, e := range condition.All() {
		n.Conditions[e.Condition] = free(Pascal(string(e.Condition)), taken)
	}
	return n
}

// npmName is what npm takes for a new package.
var npmName = regexp.MustCompile(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$`)

// TypeScript is a client as an npm package without dependencies, for Node 18 and
// browsers.
func TypeScript(c *contract.Contract, opts Options) ([]File, error) {
	names := NamesInTypeScript(c, opts)
	if !npmName.MatchString(names.Package) || len(names.Package) > 214 {
		return nil, fmt.Errorf("%w: npm does not take %q", ErrPackageName, names.Package)
	}
	data, err := typeScriptData(c)
	if err != nil {
		return nil, err
	}
	manifest, err := typeScriptManifest(c, names, opts)
	if err != nil {
		return nil, err
	}
	files := []File{
		{"package.json", manifest},
		{"tsconfig.json", []byte(typeScriptConfig)},
		{"README.md", typeScriptReadme(c, names)},
		{"src/contract.ts", data},
		{"src/errors.ts", typeScriptErrors(c, names)},
		{"src/codes.ts", typeScriptCodes(c, names)},
		{"src/conditions.ts", typeScriptConditions(names)},
		{"src/choose.ts", typeScriptChoose(c, names)},
		{"src/client.ts", typeScriptClient(c, names)},
		{"src/index.ts", typeScriptIndex(c, names)},
	}
	err = fs.WalkDir(typeScriptCore, "typescript/core", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := typeScriptCore.ReadFile(name)
		files = append(files, File{"src/core/" + path.Base(name), text})
		return err //nolint:wrapcheck // wrapped below
	})
	if err != nil {
		return nil, fmt.Errorf("reading the core: %w", err)
	}
	return sortedFiles(files), nil
}

type npmManifest struct {
	Name            string            `json:"name"`
	Version         string            `json:"version"`
	Description     string            `json:"description"`
	Type            string            `json:"type"`
	SideEffects     bool              `json:"sideEffects"`
	Exports         map[string]any    `json:"exports"`
	Types           string            `json:"types"`
	Files           []string          `json:"files"`
	Engines         map[string]string `json:"engines"`
	Scripts         map[string]string `json:"scripts"`
	DevDependencies map[string]string `json:"devDependencies"`
}

func typeScriptManifest(c *contract.Contract, n TypeScriptNames, opts Options) ([]byte, error) {
	const types = "./dist/index.d.ts"
	return marshal(npmManifest{
		Name: n.Package, Version: opts.version(), Description: "A client for " + titleOf(c) + " that copes with its failures.", Type: "module",
		Exports: map[string]any{".": struct {
			Types   string `json:"types"`
			Default string `json:"default"`
		}{types, "./dist/index.js"}},
		Types: types, Files: []string{"dist", "src"}, Engines: map[string]string{"node": ">=18"},
		Scripts:         map[string]string{"build": "tsc", "prepack": "tsc"},
		DevDependencies: map[string]string{"typescript": ">=5.4"},
	}, "  ")
}

const typeScriptConfig = `{
  "compilerOptions": {
    "target": "ES2022",
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "lib": ["ES2022", "DOM", "DOM.Iterable"],
    "types": [],
    "rootDir": "src",
    "outDir": "dist",
    "declaration": true,
    "sourceMap": true,
    "strict": true,
    "exactOptionalPropertyTypes": true,
    "noImplicitOverride": true,
    "noPropertyAccessFromIndexSignature": true,
    "noUncheckedIndexedAccess": true,
    "noUnusedLocals": true,
    "noUnusedParameters": true,
    "verbatimModuleSyntax": true
  },
  "include": ["src"]
}
`

func titleOf(c *contract.Contract) string {
	if c.Title != "" {
		return c.Title
	}
	return c.API
}

func typeScriptClient(c *contract.Contract, n TypeScriptNames) []byte {
	return []byte(`import { ApiClient } from "./core/client.js";
import type { ClientOptions } from "./core/options.js";
import { contract } from "./contract.js";
import { errorOf } from "./choose.js";

` + tsDoc("Calls "+titleOf(c)+" and copes with its failures: repeats what may be repeated, waits as long as it is told to, and throws a "+n.Root+" for the rest.") +
		`export class Client extends ApiClient {
  constructor(options: ClientOptions = {}) {
    super(contract, errorOf, options);
  }
}
`)
}

func typeScriptIndex(c *contract.Contract, n TypeScriptNames) []byte {
	classes := []string{n.Root}
	for _, x := range classesFor(c, "typescript", "javascript") {
		if x.Name != n.Root {
			classes = append(classes, x.Name)
		}
	}
	return []byte(`export { Client } from "./client.js";
` + tsList("export { ", classes, ` } from "./errors.js";`) + `export * as codes from "./codes.js";
export * as conditions from "./conditions.js";
export { CallError, type Attempt, type Item } from "./core/error.js";
export type { CallInit, CallOptions, ClientOptions } from "./core/options.js";
export type { FieldError, Retry } from "./core/data.js";
export type { Budget, Stop } from "./core/retry.js";
export type { ServerEvent } from "./core/stream.js";
`)
}

func typeScriptReadme(c *contract.Contract, n TypeScriptNames) []byte {
	example := n.Root
	for _, code := range c.Codes {
		if code.Means(condition.RateLimited) {
			example = "codes." + n.Codes[code.Name]
			break
		}
	}
	return []byte("# " + n.Package + `

A client for ` + titleOf(c) + ` in TypeScript, without dependencies. It runs in Node 18 and later, and in browsers.

` + "```ts" + `
import { Client, codes, ` + n.Root + ` } from "` + n.Package + `";

const client = new Client({ apiKey: process.env.API_KEY ?? "" });
try {
  const answer = await client.json<{ id: string }>("POST", "/things", { a: 1 });
  console.log(answer.id);
} catch (error) {
  if (error instanceof ` + example + `) {
    console.log("wait", error.retryAfter, "ms");
  } else if (error instanceof ` + n.Root + `) {
    console.error(error.friendlyMessage, error.requestId);
  }
}
` + "```" + `

- A call is repeated when that can help and is safe. Writes get an idempotency
  key, the same on each attempt, where the API honours one.
- A wait that the server names is obeyed. One that outlasts the call's ` + "`timeout`" + `
  ends the call at once, with what the server said.
- Where the API tells how its limit stands, calls that it would refuse wait until
  there is room, and processes that share a key learn which part of it is theirs;
  ` + "`noPacing`" + ` sends them at once.
- All calls of a client share a budget of repetitions, so that a server in
  trouble is not buried.
- ` + "`client.fetch`" + ` is ` + "`fetch`" + ` with these habits; ` + "`signal`" + ` is obeyed while waiting, too.
- ` + "`client.events(response)` and `client.lines(response)`" + ` read streams; an event that
  tells of a failure is thrown.
- ` + "`error instanceof conditions.RateLimited`" + ` holds for whatever the API calls it.

The sources are generated from the contract of the API. Change the contract
instead of them.
`)
}
