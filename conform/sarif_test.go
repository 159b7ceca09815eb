package conform_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/failwell/failwell/conform"
)

// TestSARIFSchema holds reports against the standard's own schema, which comes
// with a package of npm.
func TestSARIFSchema(t *testing.T) {
	t.Parallel()
	text, err := os.Open(filepath.FromSlash("../.tools/node/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"))
	if err != nil {
		t.Fatalf("is it installed? run make test once: %v", err)
	}
	defer text.Close()
	source, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	const name = "https://example.com/sarif.json"
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(name, source); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	stopped := report()
	stopped.Stopped, stopped.Done, stopped.All = true, 3, 9
	for what, r := range map[string]*conform.Report{"full": report(), "empty": {Kind: "server", API: "shop"}, "stopped": stopped} {
		var b bytes.Buffer
		if err := r.WriteSARIF(&b); err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		log, _ := value.(map[string]any)
		log["version"] = "2.0.0"
		if schema.Validate(log) == nil {
			t.Error("the schema takes anything")
		}
	}
}
