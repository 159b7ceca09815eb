package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
)

// swift is the contract of the programs here, with what a test needs otherwise.
func swift(t *testing.T, replace ...string) *contract.Contract {
	t.Helper()
	data, err := os.ReadFile("testdata/swift.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Parse("testdata/swift.yaml", []byte(strings.NewReplacer(replace...).Replace(string(data))))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// brokenBy lists the rules that a report found broken.
func brokenBy(r *conform.Report) []string {
	var ids []string
	for _, c := range r.Broken() {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

func show(t *testing.T, r *conform.Report) {
	t.Helper()
	for _, c := range r.Broken() {
		for _, f := range c.Findings {
			t.Logf("%s: %s: %s", c.ID, f.Subject, f.Seen)
			for _, e := range f.Evidence {
				t.Logf("    %6.2f s  %s", e.At.Seconds(), e.What)
			}
		}
	}
}

// A program with one flaw breaks the rules about it, and no other.
func TestFlaws(t *testing.T) {
	for _, x := range []struct {
		flaw, method string
		broken       []string
	}{
		{"", "POST", nil},
		{"", "GET", nil},
		{"never tries again", "GET", []string{"odd-body", "repeats"}},
		{"tries everything again", "POST", []string{"hint", "hint-too-long", "stops"}},
		{"wants 200", "POST", []string{"success-once"}},
		{"tries without end", "POST", []string{"attempts", "dead-server"}},
		{"storms a dead server", "POST", []string{"dead-server"}},
		{"does not look at hints", "POST", []string{"hint", "hint-too-long"}},
		{"does not look at X-Reset", "POST", []string{"hint"}},
		{"reads no dates", "POST", []string{"repeats"}},
		{"takes milliseconds for seconds", "POST", []string{"repeats"}},
		{"sleeps for a day", "POST", []string{"hint-too-long"}},
		{"hardly waits the second time", "POST", []string{"backoff", "dead-server"}},
		{"no jitter", "POST", []string{"jitter"}},
		{"waits after the last try", "POST", []string{"last-wait"}},
		{"no key, and careful", "POST", []string{"key-sent"}},
		{"no key, and repeats", "POST", []string{"key-sent", "unsafe"}},
		{"no key, and gives up at refusals", "POST", []string{"key-sent"}},
		{"a key for each try", "POST", []string{"same-key"}},
		{"loses the body", "POST", []string{"same-request"}},
		{"reads only JSON", "POST", []string{"odd-body"}},
		{"says nothing", "POST", []string{"request-id", "told"}},
		{"hides the id", "POST", []string{"request-id"}},
		{"hangs", "POST", []string{"ends", "hint-too-long"}},
		{"follows with the key", "POST", []string{"key-at-home"}},
		{"a connection for each try", "POST", []string{"reuse"}},
	} {
		t.Run(x.method+" "+x.flaw, func(t *testing.T) {
			t.Parallel()
			c := swift(t)
			if x.flaw == "no jitter" { // a busy machine spreads short waits by itself
				c = swift(t, "0s..400ms", "0s..2s")
			}
			report, err := Check(t.Context(), Config{
				Contract: c, Command: []string{os.Args[0]}, Env: []string{"CHECKED_PROGRAM=" + x.flaw, "CHECKED_METHOD=" + x.method}, Patience: 8 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.broken, brokenBy(report)); diff != "" {
				show(t, report)
				t.Errorf("broken rules:\n%s", diff)
			}
			for _, c := range report.Checks {
				for _, f := range c.Findings {
					if f.Reproduce == "" || len(f.Evidence) < 2 || c.Promise == "" || f.At(c.Rule).Line < 1 {
						t.Errorf("%s: the finding lacks something: %+v", c.ID, f)
					}
				}
			}
		})
	}
}

// What was seen before a check was stopped is reported; what was cut short is not.
func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	config := Config{
		Contract: swift(t), Command: []string{os.Args[0]}, Env: []string{"CHECKED_PROGRAM=tries everything again", "CHECKED_METHOD=POST"}, Parallel: 1, Patience: 8 * time.Second,
		Scenarios: []string{"created", "stop-bad"},
	}
	config.Ended = func(_, _ int, scenario string) {
		if scenario == "stop-bad" {
			stop()
		}
	}
	report, err := Check(ctx, config)
	if !errors.Is(err, context.Canceled) || report == nil || !report.Stopped || report.Kept() {
		t.Fatalf("%+v, %v", report, err)
	}
	if report.Done < 2 || report.Done >= report.All || report.StoppedAfter() != fmt.Sprintf("stopped after %d of %d runs", report.Done, report.All) {
		t.Errorf("%d of %d, %s", report.Done, report.All, report.StoppedAfter())
	}
	if diff := cmp.Diff([]string{"stops"}, brokenBy(report)); diff != "" {
		show(t, report)
		t.Errorf("broken rules:\n%s", diff)
	}
	stopped := 0
	for _, c := range report.Checks {
		if c.Skipped == "the check was stopped before" {
			stopped++
		}
	}
	if stopped == 0 {
		t.Error("no rule says that it was stopped")
	}
}

// Whatever keeps a check from being one is said, and is no report.
func TestNoCheck(t *testing.T) {
	t.Parallel()
	c := swift(t)
	for name, x := range map[string]struct {
		config Config
		want   error
		text   string
	}{
		"no contract":      {Config{Command: []string{"true"}}, ErrConfig, "no contract"},
		"no command":       {Config{Contract: c}, ErrConfig, "no command"},
		"no such program":  {Config{Contract: c, Command: []string{"./nowhere"}}, ErrProgram, "nowhere"},
		"no call":          {Config{Contract: c, Command: []string{"sh", "-c", "echo idle"}}, ErrProgram, "called nothing"},
		"no such scenario": {Config{Contract: c, Command: []string{"true"}, Scenarios: []string{"hint-retry-aftr"}}, ErrConfig, `did you mean "hint-retry-after"`},
		"fails anyway": {Config{Contract: c, Command: []string{"sh", "-c", "curl -sS -o out {url}/; echo broken by itself; exit 3"}, Dir: t.TempDir()},
			ErrProgram, "status 3 although every answer was a success; it wrote: broken by itself"},
		"never ends": {Config{Contract: c, Command: []string{"sh", "-c", "curl -sS {url}/; sleep 60"}, Patience: time.Second}, ErrProgram, "did not end within 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := Check(t.Context(), x.config)
			if !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.text) {
				t.Errorf("got %v, want %q", err, x.text)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
