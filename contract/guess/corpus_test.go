package guess_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/guess"
)

// now is the instant that the corpus counts from: epoch 1772712000.
var now = time.Date(2026, time.March, 5, 12, 0, 0, 0, time.UTC)

// expectation is what a case of the corpus wants, written as lines of
// "key: value". What is not written is wanted absent; retry defaults to the
// condition's own advice and status to the last status line.
type expectation struct {
	name, raw string
	lines     []string
}

func corpus(t testing.TB) []expectation {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	var cases []expectation
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq("\n"+string(data), "\n=== ") {
			name, rest, _ := strings.Cut(part, "\n")
			raw, want, ok := strings.Cut(rest, "\n--- want\n")
			if !ok {
				if strings.TrimSpace(part) != "" {
					t.Fatalf("%s: case %q has no want", file, name)
				}
				continue
			}
			base := strings.TrimSuffix(filepath.Base(file), ".txt")
			cases = append(cases, expectation{base + "/" + name, raw, strings.Split(strings.TrimSpace(want), "\n")})
		}
	}
	return cases
}

// outcome renders a result in the corpus's own lines, sorted.
func outcome(r guess.Result) []string {
	if !r.Failed {
		return []string{"failed: no"}
	}
	var out []string
	add := func(key, value string) {
		if value != "" {
			out = append(out, key+": "+value)
		}
	}
	add("condition", string(r.Condition))
	add("code", r.Code)
	if r.Status != 0 {
		add("status", strconv.Itoa(r.Status))
	}
	add("message", r.Message)
	add("request_id", r.RequestID)
	add("param", r.Param)
	for _, f := range r.Fields {
		add("field", strings.TrimSpace(f.Name+" | "+f.Message))
	}
	if r.HasRetryAfter {
		add("wait", r.RetryAfter.String())
	}
	add("retry", string(r.Retry))
	if r.Certain {
		add("certain", "yes")
	}
	return out
}

// wanted completes a case's lines with their defaults.
func wanted(e expectation) []string {
	if slices.Contains(e.lines, "failed: no") {
		return e.lines
	}
	has := map[string]string{}
	var out []string
	for _, line := range e.lines {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if key == "wait" {
			if d, err := time.ParseDuration(value); err == nil {
				value = d.String()
			}
		}
		has[key] = value
		if value != "" {
			out = append(out, key+": "+value)
		}
	}
	if has["status"] == "" {
		status := ""
		for line := range strings.Lines(e.raw) {
			if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "HTTP/") {
				status = f[1]
				break
			}
		}
		if status != "" {
			out = append(out, "status: "+status)
		}
	}
	if entry, ok := condition.Lookup(condition.Condition(has["condition"])); ok && has["retry"] == "" {
		out = append(out, "retry: "+string(entry.Retry))
	}
	return out
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, e := range corpus(t) {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			r, err := guess.ParseRaw([]byte(e.raw))
			if err != nil {
				t.Fatal(err)
			}
			res := guess.Read(r, now)
			got, want := outcome(res), wanted(e)
			slices.Sort(got)
			slices.Sort(want)
			for _, line := range want {
				if !slices.Contains(got, line) {
					t.Errorf("missing  %s", line)
				}
			}
			for _, line := range got {
				if !slices.Contains(want, line) {
					t.Errorf("got      %s", line)
				}
			}
			if t.Failed() {
				t.Logf("why: %q", res.Why)
			}
		})
	}
}
