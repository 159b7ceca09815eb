package server

import (
	"os"
	"strings"
	"testing"

	"github.com/failwell/failwell/conform"
)

// The table of docs/check.md has a row for each rule, in its words.
func TestRulesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/check.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rules() {
		row := "| `" + r.id + "` | " + r.title
		if r.severity == conform.Warning {
			row += " (warning)"
		}
		if !strings.Contains(string(text), row+" |\n") {
			t.Errorf("no row %s |", row)
		}
		if seen[r.id] {
			t.Errorf("two rules are called %s", r.id)
		}
		seen[r.id] = true
	}
}
