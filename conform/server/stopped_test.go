package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

var errEnough = errors.New("enough")

// Wherever a check of a good server is stopped, it has nothing to say against
// it: a call that was cut short proves nothing.
func TestStoppedAnywhere(t *testing.T) {
	t.Parallel()
	s := startShop(t)
	run := func(after int) (requests int) {
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		config := s.config(s.front(t, func(*http.Request, *answer) {}, nil))
		config.Sent = func(n int, _ string) {
			if n == after {
				stop(errEnough) // while it is under way
			}
		}
		report, err := Check(ctx, config)
		switch {
		case after == 1:
			if report != nil || !errors.Is(err, errEnough) {
				t.Errorf("stopped at once: %v, %v", report, err)
			}
			return 0
		case after > 0 && (!errors.Is(err, errEnough) || report == nil || !report.Stopped || report.Done >= report.All || report.Requests < after):
			t.Fatalf("stopped at request %d: %+v, %v", after, report, err)
		case after == 0 && (err != nil || report.Stopped):
			t.Fatalf("not stopped: %+v, %v", report, err)
		}
		if report.Found() > 0 || report.Kept() == report.Stopped {
			t.Errorf("stopped at request %d: %v are broken, kept: %v", after, broken(report), report.Kept())
			for i := range report.Checks {
				show(t, &report.Checks[i])
			}
		}
		for _, c := range report.Checks {
			if c.Skipped == "nothing to try it on" && report.Stopped {
				t.Errorf("stopped at request %d: %s is said to have had no occasion", after, c.ID)
			}
		}
		return report.Requests
	}
	all := run(0)
	for after := 1; after <= all; after += 17 {
		run(after)
	}
}

// What was found before a check was stopped is in its report.
func TestStoppedWithFindings(t *testing.T) {
	t.Parallel()
	s := startShop(t)
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	config := s.config(s.front(t, func(_ *http.Request, a *answer) { a.header.Del("X-Request-ID") }, nil))
	config.Sent = func(n int, _ string) {
		if n == 5 {
			stop(errEnough)
		}
	}
	report, err := Check(ctx, config)
	if !errors.Is(err, errEnough) || report == nil || !strings.Contains(strings.Join(broken(report), " "), "request-id") {
		t.Fatalf("%v, %+v", err, report)
	}
	if got, want := report.StoppedAfter(), "stopped after 4 of "; !strings.HasPrefix(got, want) {
		t.Errorf("%q does not begin with %q", got, want)
	}
}
