package server

import (
	"encoding/json"
	"testing"

	"github.com/failwell/failwell/contract"
)

// Bodies are made from schemas, and broken in one place.
func TestBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema, sample            string
		value, without, bad, next string
	}{
		"required": {
			schema: `{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":8}}}`,
			value:  `{"name":"checkkkk"}`, without: `{}`, bad: `{"name":{"failwell":"check"}}`, next: `{"name":"checkkkk (changed)"}`,
		},
		"sample": {
			schema: `{"type":"object","required":["n"],"properties":{"n":{"type":"integer","maximum":5},"s":{"type":"string","enum":["a","b"]}}}`,
			sample: `{"n":5,"s":"a"}`,
			value:  `{"n":5,"s":"a"}`, without: `{"s":"a"}`, bad: `{"n":{"failwell":"check"},"s":"a"}`, next: `{"n":4,"s":"a"}`,
		},
		"formats": {
			schema:  `{"type":"object","required":["id","at","to"],"properties":{"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},"to":{"type":"string","format":"email"}}}`,
			value:   `{"at":"2026-01-31T09:15:00Z","id":"00000000-0000-4000-8000-000000000000","to":"check@example.com"}`,
			without: `{"at":"2026-01-31T09:15:00Z","to":"check@example.com"}`,
			bad:     `{"at":{"failwell":"check"},"id":"00000000-0000-4000-8000-000000000000","to":"check@example.com"}`,
			next:    `{"at":"2026-01-31T09:15:00Z","id":"00000000-0000-4000-8000-000000000000","to":"check@example.comx"}`,
		},
		"unclear": {schema: `{"type":"object","required":["p"],"properties":{"p":{"type":"string","pattern":"^[A-Z]{40}$"}}}`},
		"nested": {
			schema: `{"type":"object","required":["list"],"properties":{"list":{"type":"array","minItems":2,"items":{"type":"object","required":["n"],"properties":{"n":{"type":"number","minimum":3}}}}}}`,
			value:  `{"list":[{"n":3},{"n":3}]}`, without: `{}`, bad: `{"list":{"failwell":"check"}}`,
		},
		"anything": {schema: `{"type":"object"}`, value: `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &contract.Operation{ID: name}
			if err := json.Unmarshal([]byte(c.schema), &o.Body); err != nil {
				t.Fatal(err)
			}
			if c.sample != "" {
				if err := json.Unmarshal([]byte(c.sample), &o.Sample); err != nil {
					t.Fatal(err)
				}
			}
			s, err := compileSchemas(&contract.Contract{Operations: []*contract.Operation{o}})
			if err != nil {
				t.Fatal(err)
			}
			value, _ := s.sample(o)
			without, _, _ := s.without(o)
			bad, _, _ := s.broken(o)
			next, _ := s.changed(o)
			for what, x := range map[string][2]string{"value": {value, c.value}, "without": {without, c.without}, "broken": {bad, c.bad}, "changed": {next, c.next}} {
				if x[0] != x[1] {
					t.Errorf("%s: got %s, want %s", what, x[0], x[1])
				}
			}
		})
	}
}
