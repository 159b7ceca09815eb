package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
)

// Each sandbox describes itself: every operation, and every error as it is sent.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	for _, api := range sandbox.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.Start(t, api, sandbox.Options{})
			r := s.Call("", "GET", "/openapi.json", "")
			if r.Status != 200 || r.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%d %v", r.Status, r.Header)
			}
			document, err := openapi3.NewLoader().LoadFromData([]byte(r.Body))
			if err != nil {
				t.Fatal(err)
			}
			var raw struct {
				Paths map[string]map[string]struct {
					Responses map[string]struct {
						Content map[string]struct {
							Schema any `json:"schema"`
						} `json:"content"`
					} `json:"responses"`
				} `json:"paths"`
			}
			if err := json.Unmarshal([]byte(r.Body), &raw); err != nil {
				t.Fatal(err)
			}
			for _, o := range s.Contract().Operations {
				if item := document.Paths.Value(o.Path); item == nil || item.GetOperation(o.Method) == nil || item.GetOperation(o.Method).OperationID != o.ID {
					t.Errorf("%s %s is not there", o.Method, o.Path)
				}
			}
			o := s.Contract().Operations[0]
			for _, candidate := range s.Contract().Operations {
				if candidate.Method == http.MethodGet && !required(candidate) {
					o = candidate
					break
				}
			}
			for _, code := range s.Contract().Codes {
				if len(code.Operations) > 0 {
					continue
				}
				got := s.Call("valid", "GET", o.Path, "", fault.Header, code.Name)
				described := raw.Paths[o.Path]["get"].Responses[strconv.Itoa(got.Status)].Content[got.Header.Get("Content-Type")].Schema
				if described == nil {
					t.Errorf("%s: %d as %s is not described", code.Name, got.Status, got.Header.Get("Content-Type"))
					continue
				}
				check(t, code.Name, described, got.Body)
			}
		})
	}
}

func check(t *testing.T, name string, schema any, body string) {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("error.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("error.json")
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal([]byte(body), &value); err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%s: %v in %s", name, err, body)
	}
	if compiled.Validate(map[string]any{"nothing": "of the kind"}) == nil {
		t.Errorf("%s: anything fits", name)
	}
}
