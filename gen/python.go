package gen

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/failwell/failwell/contract"
)

// pythonCore holds the modules that are the same in every package, and the
// templates of its other files.
//
//go:embed python/*.py python/*.tmpl
var pythonCore embed.FS

// ErrPackageName is about a name that a language does not take for a package.
var ErrPackageName = errors.New("is no package name")

var importable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var pythonKeywords = map[string]bool{
	"False": true, "None": true, "True": true, "and": true, "as": true, "assert": true, "async": true, "await": true, "break": true, "class": true,
	"continue": true, "def": true, "del": true, "elif": true, "else": true, "except": true, "finally": true, "for": true, "from": true,
	"global": true, "if": true, "import": true, "in": true, "is": true, "lambda": true, "nonlocal": true, "not": true, "or": true, "pass": true,
	"raise": true, "return": true, "try": true, "while": true, "with": true, "yield": true,
}

const pythonHeader = "# Made by failwell generate from a contract. Change the contract, not this file.\n"

// Python makes a package for Python 3.10 and later: a client for threads and one
// for asyncio, which need nothing but the standard library, and a class for each
// code and condition.
func Python(c *contract.Contract, opts Options) ([]File, error) {
	names := NamesInPython(c, opts)
	if !importable.MatchString(names.Package) || pythonKeywords[names.Package] {
		return nil, fmt.Errorf("%q %w of Python: letters, digits and underscores, no digit first", names.Package, ErrPackageName)
	}
	data, err := json.Marshal(Compile(c))
	if err != nil {
		return nil, fmt.Errorf("compiling the contract: %w", err)
	}
	literal, err := pythonLiteral(data)
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return path.Join(names.Package, name) }
	module := func(name, text string) File { return File{in(name), []byte(pythonHeader + text)} }
	files := []File{
		{in("py.typed"), nil},
		module("_contract.py", "\"\"\"The contract, as data.\"\"\"\n\nfrom typing import Any, Final\n\nCONTRACT: Final[dict[str, Any]] = "+literal+"\n"),
		module("errors.py", pythonErrors(c, names)),
		module("codes.py", pythonCodes(c, names)),
		module("conditions.py", pythonConditionModule(names)),
		module("__init__.py", pythonInit(c, names)),
	}
	core, err := fs.Glob(pythonCore, "python/*.py")
	if err != nil {
		return nil, fmt.Errorf("the core of the client: %w", err)
	}
	for _, name := range core {
		text, err := pythonCore.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("the core of the client: %w", err)
		}
		files = append(files, module(path.Base(name), string(text)))
	}
	for _, name := range []string{"pyproject.toml", "README.md"} {
		text, err := pythonTemplate(name, c, names, opts)
		if err != nil {
			return nil, err
		}
		files = append(files, File{name, text})
	}
	return sortedFiles(files), nil
}

// pythonSample is what the templates may speak of.
type pythonSample struct {
	PythonNames

	API, Title, BaseURL, Document, Version string
	// Code is an entry that makes a good example, Class its class.
	Code, Class string
	// Documented are the classes of the API's document.
	Documented []string
	// Header and Prefix say where the key stands; "" for an API without keys.
	Header, Prefix string
	Keyed          bool
}

func pythonTemplate(name string, c *contract.Contract, names PythonNames, opts Options) ([]byte, error) {
	t, err := template.New(name+".tmpl").Funcs(template.FuncMap{"json": func(s string) (string, error) {
		text, err := json.Marshal(s)
		return string(text), err
	}}).ParseFS(pythonCore, "python/"+name+".tmpl")
	if err != nil {
		return nil, fmt.Errorf("the template of %s: %w", name, err)
	}
	x := pythonSample{
		PythonNames: names, API: c.API, Title: c.Title, BaseURL: c.BaseURL, Document: c.Document, Version: opts.version(),
		Code: c.Codes[0].Name, Keyed: c.Idempotency.Header != "",
	}
	if x.Title == "" {
		x.Title = c.API
	}
	if x.BaseURL == "" {
		x.BaseURL = "https://api.example.com"
	}
	if code, _ := c.For("resource_missing"); code != nil {
		x.Code = code.Name
	}
	x.Class = names.Codes[x.Code]
	for _, s := range c.Auth.Schemes {
		if s.In == "header" {
			x.Header, x.Prefix = s.Name, s.Prefix
			break
		}
	}
	if x.Prefix != "" {
		x.Prefix = strings.TrimSpace(x.Prefix) + " "
	}
	for _, class := range classesFor(c, "python") {
		x.Documented = append(x.Documented, class.Name)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, x); err != nil {
		return nil, fmt.Errorf("the template of %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// pythonInit is what the package offers.
func pythonInit(c *contract.Contract, n PythonNames) string {
	modules := []struct {
		name string
		what []string
	}{
		{"", []string{"codes", "conditions"}},
		{"_async", []string{"AsyncTransport", "ThreadTransport"}},
		{"_async_client", []string{"AsyncClient", "AsyncStream"}},
		{"_base", []string{"CallOptions", "Response"}},
		{"_budget", []string{"Budget"}},
		{"_call", []string{"Runtime"}},
		{"_client", []string{"Client", "Stream", "ThreadOptions"}},
		{"_errors", []string{"CallError"}},
		{"_failure", []string{"Attempt", "FieldError", "Headers", "ItemFailure", "Origin", "Retry", "Stop"}},
		{"_http", []string{"HTTPTransport", "Request", "Transport", "TransportError"}},
		{"_stream", []string{"Event"}},
		{"codes", []string{"Code"}},
		{"conditions", []string{"Condition"}},
		{"errors", []string{n.Root}},
	}
	last := &modules[len(modules)-1]
	for _, x := range classesFor(c, "python") {
		if x.Name != n.Root {
			last.what = append(last.what, x.Name)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nfrom __future__ import annotations\n\n", pythonDoc(0, "Calls "+either(c.Title, c.API)+", and copes with its failures as its contract says."))
	var all []string
	for _, m := range modules {
		slices.Sort(m.what)
		all = append(all, m.what...)
		line := "from ." + m.name + " import " + strings.Join(m.what, ", ")
		if len(line) > pythonWidth {
			line = "from ." + m.name + " import (\n    " + strings.Join(m.what, ",\n    ") + ",\n)"
		}
		b.WriteString(line + "\n")
	}
	slices.Sort(all)
	for i, name := range all {
		all[i] = pythonString(name)
	}
	b.WriteString("\n__all__ = [\n    " + strings.Join(all, ",\n    ") + ",\n]\n")
	return b.String()
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
