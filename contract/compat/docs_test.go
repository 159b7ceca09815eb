package compat

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the documentation")

// The tables of the documentation are those of the program.
func TestRulesAreDocumented(t *testing.T) {
	const name = "../../docs/compatibility.md"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("\n| Rule | Class | Why | What to do |\n|---|---|---|---|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", r.ID, r.Class, r.Why, r.Do)
	}
	text := replaced(t, string(data), "rules", table.String()+"\n")
	table.Reset()
	table.WriteString("\n| Field | Why |\n|---|---|\n")
	reasons := Unpromised()
	for _, field := range keysOf(reasons) {
		fmt.Fprintf(&table, "| `%s` | %s |\n", field, reasons[field])
	}
	text = replaced(t, text, "unpromised", table.String()+"\n")
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != string(data) {
		t.Errorf("%s is out of step with the rules: run go test ./contract/compat -run %s -update", name, t.Name())
	}
}

// replaced puts a text between two marks.
func replaced(t *testing.T, text, mark, with string) string {
	t.Helper()
	head, rest, ok := strings.Cut(text, "<!-- "+mark+":")
	line, rest, ok2 := strings.Cut(rest, "\n")
	_, tail, ok3 := strings.Cut(rest, "<!-- end of "+mark+" -->")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("the marks of %s are gone", mark)
	}
	return head + "<!-- " + mark + ":" + line + "\n" + with + "<!-- end of " + mark + " -->" + tail
}
