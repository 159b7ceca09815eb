package builtin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
)

func get(t testing.TB, name string) *contract.Contract {
	t.Helper()
	c, err := builtin.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNames(t *testing.T) {
	t.Parallel()
	names := builtin.Names()
	if want := []string{"hume", "jobs", "heppu", "aionvision", "hebbrix", "problem"}; !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	names[0] = "changed"
	if builtin.Names()[0] != "hume" {
		t.Error("the list of names can be changed from outside")
	}
	for _, name := range builtin.Names() {
		c := get(t, name)
		if c.API != name || c != get(t, name) {
			t.Errorf("%s: api %q, or parsed twice", name, c.API)
		}
		source, err := builtin.Source(name)
		if err != nil || !strings.Contains(string(source), "\napi: "+name+"\n") {
			t.Errorf("source of %s: %v", name, err)
		}
	}
	for _, name := range []string{"", "nobody", "../builtin", "heppu.yaml"} {
		if _, err := builtin.Get(name); err == nil || !strings.Contains(err.Error(), "known are hume") {
			t.Errorf("Get(%q): %v", name, err)
		}
		if _, err := builtin.Source(name); err == nil || !strings.Contains(err.Error(), "known are hume") {
			t.Errorf("Source(%q): %v", name, err)
		}
	}
}

// A gateway must be able to tell everything that can go wrong in each contract,
// by a code that says so and not by a neighbour.
func TestEveryConditionHasACode(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		c := get(t, name)
		for _, e := range condition.All() {
			code, status := c.For(e.Condition)
			switch {
			case !code.Means(e.Condition):
				t.Errorf("%s: %s only stands in for %s", name, code.Name, e.Condition)
			case !code.Allows(status):
				t.Errorf("%s: %s is not sent under %d", name, code.Name, status)
			case status/100 != e.Status/100 && status != code.Status:
				t.Errorf("%s: %s is told as %d", name, e.Condition, status)
			}
			if _, ok := c.Status(status); !ok {
				t.Errorf("%s: no row for status %d of %s", name, status, e.Condition)
			}
		}
	}
}

// What a gateway says on its own has the status that HTTP has for it, whatever
// the API's document lists.
func TestGatewayStatuses(t *testing.T) {
	t.Parallel()
	statuses := map[condition.Condition]int{
		condition.KeyMissing: 401, condition.KeyMalformed: 401, condition.KeyUnknown: 401, condition.KeyExpired: 401,
		condition.KeyRevoked: 401, condition.KeyDeactivated: 401, condition.PaymentRequired: 402, condition.AccountSuspended: 403,
		condition.PermissionDenied: 403, condition.FeatureUnavailable: 403, condition.RouteUnknown: 404, condition.MethodNotAllowed: 405,
		condition.ClientTimeout: 408, condition.BodyTooLarge: 413, condition.MediaUnsupported: 415, condition.ValidationFailed: 422,
		condition.RateLimited: 429, condition.Internal: 500, condition.UpstreamUnreachable: 502, condition.Unavailable: 503,
		condition.Overloaded: 503, condition.UpstreamTimeout: 504,
	}
	// The document of jobs has a code for a wrong Content-Type, under 400.
	documented := map[string]map[condition.Condition]int{"jobs": {condition.MediaUnsupported: http.StatusBadRequest}}
	for _, name := range builtin.Names() {
		c := get(t, name)
		for of, want := range statuses {
			if status, ok := documented[name][of]; ok {
				want = status
			}
			if _, status := c.For(of); status != want {
				t.Errorf("%s: %s is told as %d, want %d", name, of, status, want)
			}
		}
	}
}

// Each file is what the published schema of the format describes.
func TestSourcesFitThePublishedSchema(t *testing.T) {
	t.Parallel()
	schema := compile(t, contract.Schema())
	for _, name := range builtin.Names() {
		source, err := builtin.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(fromYAML(t, source)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// fromYAML reads YAML as the same value in JSON.
func fromYAML(t *testing.T, source []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(source, &v); err != nil {
		t.Fatal(err)
	}
	return asJSON(t, stringKeys(v))
}

func asJSON(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Operations with a body show one that works, and their schemas compile.
func TestSamplesOfOperationsFitTheirSchemas(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		for _, o := range get(t, name).Operations {
			for _, x := range o.Parameters {
				if x.Schema != nil {
					compile(t, marshal(t, x.Schema))
				}
			}
			if o.Body == nil {
				continue
			}
			schema := compile(t, marshal(t, o.Body))
			if o.Sample == nil {
				if o.BodyRequired {
					t.Errorf("%s: %s shows no body that works", name, o.ID)
				}
				continue
			}
			if err := schema.Validate(asJSON(t, o.Sample)); err != nil {
				t.Errorf("%s: the sample of %s does not work: %v", name, o.ID, err)
			}
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The faults that the documents show are faults of the schemas.
func TestSchemasRefuse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ api, operation, body string }{
		{"heppu", "agents.create", `{}`},
		{"heppu", "agents.create", `{"name":""}`},
		{"heppu", "agents.create", `{"name":"a","temperature":2.5}`},
		{"heppu", "agents.create", `{"name":"a","type":"fax"}`},
		{"heppu", "agents.create", `{"name":"a","type":"voice","config":{"speed":3}}`},
		{"heppu", "agents.create", `{"name":"a","config":{"theme":"blue"}}`},
		{"heppu", "agents.update", `{}`},
		{"heppu", "agents.update", `{"status":"gone"}`},
		{"heppu", "calls.create", `{"agentId":"agent_1","phoneNumber":"0123"}`},
		{"heppu", "keys.create", `{"name":"k","permissions":["everything"]}`},
		{"jobs", "translate", `{"sourceLanguage":"en-US","targetLanguage":"es-ES"}`},
		{"jobs", "translate", `{"sourceLanguage":"en-US","targetLanguage":"es-ES","srtContent":"1","srtUrl":"https://a.example/a.srt"}`},
		{"jobs", "balance.top_up", `{"amountUsd":0}`},
		{"aionvision", "videos.chunk_confirm", `{"media_id":"m","upload_id":"u","chunk_number":0,"etag":"e","size_bytes":1}`},
		{"hebbrix", "search", `{"limit":5}`},
		{"hebbrix", "memories.create", `{"content":7}`},
		{"hume", "jobs.start", `{"models":{"astrology":{}}}`},
	} {
		c := get(t, tc.api)
		i := slices.IndexFunc(c.Operations, func(o *contract.Operation) bool { return o.ID == tc.operation })
		if i < 0 {
			t.Errorf("%s has no operation %s", tc.api, tc.operation)
			continue
		}
		body, err := jsonschema.UnmarshalJSON(strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		if err := compile(t, marshal(t, c.Operations[i].Body)).Validate(body); err == nil {
			t.Errorf("%s: %s takes %s", tc.api, tc.operation, tc.body)
		}
	}
}

// The page on the built-in contracts tells every contradiction that they note.
func TestPageTellsEveryNote(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/apis.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(page), "\n## ")
	for _, name := range builtin.Names() {
		c := get(t, name)
		i := slices.IndexFunc(sections, func(s string) bool { return strings.HasPrefix(s, name+"\n") })
		if i < 0 {
			t.Errorf("no section on %s", name)
			continue
		}
		for _, note := range c.Notes {
			if !strings.Contains(strings.ToLower(sections[i]), strings.ToLower(note.About)) {
				t.Errorf("%s: nothing about %s", name, note.About)
			}
		}
		own := slices.DeleteFunc(slices.Clone(c.Codes), func(code *contract.Code) bool { return code.Beyond || code.Wire == "" })
		if count := fmt.Sprintf("%d codes", len(own)); !strings.Contains(sections[i], count) {
			t.Errorf("%s: the page does not say %s", name, count)
		}
		for _, e := range c.Envelopes {
			if !strings.Contains(sections[i], "`"+e.Name+"`") {
				t.Errorf("%s: nothing about the envelope %s", name, e.Name)
			}
		}
	}
}

// stringKeys turns mappings with other keys, such as statuses, into JSON's.
func stringKeys(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = stringKeys(x[k])
		}
		return x
	case map[any]any:
		out := make(map[string]any, len(x))
		for k, value := range x {
			out[fmt.Sprint(k)] = stringKeys(value)
		}
		return out
	case []any:
		for i := range x {
			x[i] = stringKeys(x[i])
		}
	}
	return v
}
