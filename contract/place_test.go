package contract_test

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	c, err := contract.Parse("x.yaml", []byte(`failwell: 1
api: x
headers:
  rate_limit: {on: all,
    reset: X-Reset}
envelopes: {standard: {body: {code: $code}}}
client:
  hints: [{header: A}]
errors:
  bad: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing, rate_limited]}
  broken: {status: 500, is: [internal, unavailable]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		line int
		ok   bool
	}{
		"headers":                  {3, true},
		"headers.rate_limit":       {4, true},
		"headers.rate_limit.reset": {5, true},
		"headers.rate_limit.limit": {4, false},
		"headers.request_id.name":  {3, false},
		"client.hints":             {8, true},
		"client.hints.header":      {8, false},
		"client.hints.0.header":    {8, true},
		"errors.bad.status":        {10, true},
		"errors.bad.retry":         {10, false},
		"errors":                   {9, true},
		"errors.status":            {9, false},
		"idempotency.header":       {1, false},
		"":                         {1, false},
	} {
		at, ok := c.Place(strings.Split(path, ".")...)
		if at.Line != want.line || ok != want.ok || at.File != "x.yaml" {
			t.Errorf("%s stands at %v, %v, want %v", path, at, ok, want)
		}
	}
	for _, name := range builtin.Names() {
		c, err := builtin.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := c.Place("headers", "request_id"); !ok || at.Line < 2 {
			t.Errorf("%s: headers.request_id stands at %v, %v", name, at, ok)
		}
	}
}
