package client

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/failwell/failwell/conform"
)

// python is the tests' own environment, with the packages that programs use.
func python(t *testing.T) string {
	t.Helper()
	name, err := filepath.Abs(filepath.Join("..", "..", ".tools", "venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Fatalf("%v\nhint: make test installs it; scripts/ensure.sh e2e does so alone", err)
	}
	return name
}

// checked plays scenarios, all when none are named.
func checked(t *testing.T, command []string, scenarios ...string) *conform.Report {
	t.Helper()
	report, err := Check(t.Context(), Config{Contract: swift(t), Command: command, Scenarios: scenarios, Parallel: 4, Patience: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Retry loops as documents and guides print them have flaws that are known from
// reading them. Each is found.
func TestPrintedLoops(t *testing.T) {
	few := []string{"down", "reset", "hint-retry-after", "hint-retry-after-date", "refused", "stop-unauthorized", "stop-spent", "created"}
	for _, x := range []struct {
		name    string
		command []string
		broken  []string // among others
	}{
		{"only 200 is a success", []string{python(t), "testdata/only_200.py", "{url}"}, []string{"hint", "key-sent", "request-id", "reuse", "stops", "success-once", "unsafe"}},
		{"caught by itself", []string{"node", "testdata/caught.mjs", "{url}"}, []string{"hint", "key-sent", "stops", "unsafe"}},
		{"an error without a status", []string{"node", "testdata/no_status.mjs", "{url}"}, []string{"attempts", "ends", "hint", "stops"}},
		{"hints are whole numbers", []string{python(t), "testdata/whole_seconds.py", "{url}"}, []string{"repeats", "request-id", "reuse", "success-once"}},
		{"urllib3", []string{python(t), "testdata/urllib3_retry.py", "{url}"}, []string{"request-id", "stops", "unsafe"}},
		{"curl", []string{"curl", "-sS", "--fail", "--retry", "2", "-H", "X-Api-Key: {key}", "{url}/notes"}, []string{"request-id", "stops"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			report := checked(t, x.command, few...)
			found := brokenBy(report)
			for _, id := range x.broken {
				if !slices.Contains(found, id) {
					show(t, report)
					t.Errorf("%s is not found, only %v", id, found)
				}
			}
		})
	}
}
