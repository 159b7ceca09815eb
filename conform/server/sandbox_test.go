package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/conform/server"
	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
)

// against is a check of a sandbox, in the sandbox's time.
func against(s *sandboxtest.Server) server.Config {
	return server.Config{
		Contract: s.Contract(), URL: s.URL, Keys: s.Keys(), Writes: true, Limits: true, Thorough: true, Pause: -1, Clock: s.Now,
		Sleep: func(_ context.Context, d time.Duration) error {
			s.Forward(d)
			return nil
		},
	}
}

// Sandboxes keep their contracts, in every rule that can be tried on them.
func TestSandboxesAreClean(t *testing.T) {
	t.Parallel()
	for _, api := range sandbox.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			began := time.Now() // what Date says
			s := sandboxtest.Start(t, api, sandbox.Options{Clock: func() time.Time { return began }})
			report, err := server.Check(t.Context(), against(s))
			if err != nil {
				t.Fatal(err)
			}
			tell(t, report)
		})
	}
}

func tell(t *testing.T, r *conform.Report) {
	t.Helper()
	for _, c := range r.Checks {
		switch c.State() {
		case "skipped":
			t.Logf("%s: not checked: %s", c.ID, c.Skipped)
		default:
			t.Logf("%s: %d tried: %s", c.ID, c.Tried, c.Promise)
		}
		for _, f := range c.Findings {
			t.Errorf("%s: %s\n  promised %s\n  seen %s\n  %s\n  %v", c.ID, f.Subject, f.Promised(c.Rule), f.Seen, f.Reproduce, f.Evidence)
		}
	}
}
