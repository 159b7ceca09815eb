package builtin_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

// errorSchema compiles the schema of the bodies in an envelope.
func errorSchema(t *testing.T, c *contract.Contract, e *contract.Envelope, codes ...*contract.Code) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("error.json", parsed(t, c.ErrorSchema(e, codes...))); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("error.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func parsed(t rapid.TB, text []byte) any {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// A schema that takes anything proves nothing: each code's refuses what other
// codes and other envelopes look like, and bodies that lack a promised member.
func TestErrorSchemasTellErrorsApart(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		c := get(t, name)
		for _, code := range c.Codes {
			schema := errorSchema(t, c, code.Envelope, code)
			if err := schema.Validate(parsed(t, c.Sample(code).Body)); err != nil {
				t.Errorf("%s/%s: its own sample: %v", name, code.Name, err)
			}
			if schema.Validate(map[string]any{"nothing": "of the kind"}) == nil {
				t.Errorf("%s/%s: anything fits", name, code.Name)
			}
			for _, other := range c.Codes {
				apart := other.Envelope != code.Envelope || other.Wire != code.Wire && code.Envelope.Carries("code")
				if body := c.Sample(other).Body; apart && schema.Validate(parsed(t, body)) == nil {
					t.Errorf("%s/%s: takes %s of %s", name, code.Name, body, other.Name)
				}
			}
		}
		for _, e := range c.Envelopes {
			var shape struct {
				Type string `json:"type"`
			}
			if err := json.Unmarshal(c.ErrorSchema(e), &shape); err != nil || shape.Type == "" {
				t.Errorf("%s/%s: %v, %+v", name, e.Name, err, shape)
			}
		}
	}
}
