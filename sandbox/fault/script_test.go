package fault_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/sandbox/fault"
)

func heppu(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := builtin.Get("heppu")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a script cannot mean is refused, all of it, with the line.
func TestParse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ script, want string }{
		"empty":              {"", ""},
		"JSON":               {`{"seed": 7, "rules": [{"nth": "1..2", "fault": {"reset": "before"}}]}`, ""},
		"unknown key":        {"seed: 1\nruels: []\n", "line 2"},
		"unknown fault":      {"rules:\n  - nth: 1\n    fault:\n      latency: 1s\n", "line 4"},
		"operation":          {"rules:\n  - operation: agents.lst\n", `faults.yaml:2: rule 1: operation "agents.lst" is not in the contract: did you mean "agents.list"`},
		"code":               {"rules:\n  - {}\n  - fault: {error: not_fuond}\n", "faults.yaml:3: rule 2: the contract heppu has no code"},
		"percent":            {"rules: [{percent: 101}]", "percent is 0 to 100"},
		"every":              {"rules: [{every: -1}]", "every 0 or more"},
		"nth of zero":        {"rules: [{nth: 0}]", `nth cannot be "0"`},
		"nth backwards":      {"rules: [{nth: 3..2}]", `nth cannot be "3..2"`},
		"nth in words":       {"rules: [{nth: second}]", `nth cannot be "second"`},
		"delay":              {"rules: [{fault: {delay: soon}}]", `delay cannot be "soon"`},
		"too long a delay":   {"rules: [{fault: {delay: 11m}}]", "up to 10m0s"},
		"lognormal":          {"rules: [{fault: {delay: lognormal 40ms}}]", "lognormal 40ms 0.6"},
		"reset":              {"rules: [{fault: {reset: after}}]", `reset cannot be "after"`},
		"stall":              {"rules: [{fault: {stall: -1}}]", `stall cannot be "-1"`},
		"drip":               {"rules: [{fault: {drip: 16}}]", "16 every 100ms"},
		"body":               {"rules: [{fault: {body: xml}}]", "choose one of malformed, html"},
		"status":             {"rules: [{fault: {status: 99}}]", "choose 200 to 599"},
		"date":               {"rules: [{fault: {retry_after: date tomorrow}}]", "date 30s"},
		"two at once, one":   {"rules:\n  - {nth: x}\n  - {fault: {body: xml}}\n", "faults.yaml:2: rule 1"},
		"two at once, other": {"rules:\n  - {nth: x}\n  - {fault: {body: xml}}\n", "faults.yaml:3: rule 2"},
	} {
		_, err := fault.Parse("faults.yaml", []byte(tc.script), heppu(t))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// The scripts that a sandbox runs by itself fit every contract.
func TestOwnScripts(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		c, err := builtin.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for kind, script := range map[string]*fault.Script{"mild": fault.Mild(c, 1), "hostile": fault.Hostile(c, 1)} {
			if _, err := fault.New(c, script); err != nil {
				t.Errorf("%s for %s: %v", kind, name, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("seed: 1\nrules:\n  - {nth: 1..2, percent: 5, fault: {delay: lognormal 8ms 0.6, drip: 16 every 1ms}}\n"))
	f.Add([]byte("rules: [{fault: {retry_after: date -9h, missing: [Date], headers: {a: b}}}]"))
	c, err := builtin.Get("heppu")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := fault.Parse("faults", text, c)
		if err != nil {
			return
		}
		if _, err := fault.New(c, s); err != nil {
			t.Fatalf("what was read is refused: %v", err)
		}
	})
}

// What the reference shows can be run.
func TestReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts := 0
	for part := range strings.SplitSeq(string(text), "```yaml\n") {
		script, _, ok := strings.Cut(part, "```")
		if !ok || !strings.HasPrefix(script, "seed:") {
			continue
		}
		scripts++
		if _, err := fault.Parse("docs/sandbox.md", []byte(script), heppu(t)); err != nil {
			t.Error(err)
		}
	}
	if scripts == 0 {
		t.Error("docs/sandbox.md has no script")
	}
	of := reflect.TypeFor[fault.Fault]()
	for field := range of.Fields() {
		if name := field.Tag.Get("yaml"); !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/sandbox.md does not tell of %s", name)
		}
	}
}
