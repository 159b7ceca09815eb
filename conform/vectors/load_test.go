package vectors_test

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/conform/vectors"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const fine = "- name: x\n  contract: parcels\n  call: {path: /p}\n  script: [{status: 200}]\n  expect: {ok: 200}\n"
	if _, err := vectors.Parse("fine.yaml", []byte(fine)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown member":      {"call:", "dial:", "x.yaml:1:"},
		"call and calls":      {"call:", "calls: [{path: /p}]\n  call:", "one of call and calls"},
		"unknown stream":      {"path: /p", "path: /p, stream: sse", "events and lines"},
		"unknown contract":    {"parcels", "parcel", `no contract "parcel"`},
		"no script":           {"[{status: 200}]", "[]", "a script"},
		"unknown fault":       {"status: 200", "fault: explode", "explode"},
		"two in one step":     {"status: 200", "status: 200, fault: refuse", "one of"},
		"path without a root": {"/p", "p", "root"},
		"nothing expected":    {"ok: 200", "requests: 1", "one of ok and error"},
		"vague error":         {"ok: 200", "error: {status: 500}", "names code"},
		"unknown condition":   {"ok: 200", "error: {code: x, condition: bad_luck, status: 500, stopped: advice}", "bad_luck"},
		"bad duration":        {"path: /p", "path: /p, deadline: 5", "duration"},
		"bad repetition":      {"ok: 200", "ok: 200, waits: [5s*0]", "5s*0"},
		"waits are no list":   {"ok: 200", "ok: 200, waits: 5s", "list of durations"},
		"bad request line":    {"ok: 200", "ok: 200, requests: [post /p]", "method and path"},
		"no list":             {"- name: x\n  ", "", "list of cases"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(fine, c.old, c.new, 1)
			if name == "no list" {
				text = "name: x\n"
			}
			_, err := vectors.Parse("x.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a fault with %q", err, c.want)
			}
		})
	}
}
