package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/sandbox"
)

var examples = flag.Int("examples", 3, "calls that schemathesis makes up for each operation; make schemathesis uses 200")

// What a stand-in says of itself at /openapi.json is true: schemathesis makes up
// calls from it, right ones and wrong ones, and finds nothing that it would
// report with the checks that it makes by default.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	bin, err := filepath.Abs("../.tools/schemathesis/bin/schemathesis")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("schemathesis is not installed, run scripts/ensure.sh e2e: %v", err)
	}
	for api, key := range map[string]string{
		"aionvision": "plan_enterprise", "hebbrix": "plan_enterprise", "heppu": "plan_plus", "hume": "valid", "jobs": "valid",
	} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s, err := sandbox.New(t.Context(), sandbox.Options{API: api, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(unhurried(t.Context(), s))
			t.Cleanup(func() {
				server.Close()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "schemathesis.toml"), []byte(settings(s, s.Keys()[key])), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), bin, "run", server.URL+"/openapi.json",
				"--max-examples", strconv.Itoa(*examples), "--seed", "1", "--generation-database", "none", "--no-color")
			cmd.Dir, cmd.Env = folder, append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, 10*time.Second
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			if !tried.Match(out.Bytes()) {
				t.Errorf("it did not go from call to call:\n%s", &out)
			}
			t.Logf("%s", summary.Find(out.Bytes()))
		})
	}
}

var (
	tried   = regexp.MustCompile(`✅ Stateful`)
	summary = regexp.MustCompile(`(?s)Test Phases:.*`)
)

// unhurried serves a stand-in whose clock goes on two minutes every fifty calls,
// so that no limit of a minute keeps them from what is behind it.
func unhurried(ctx context.Context, s *sandbox.Sandbox) http.Handler {
	var calls atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%50 == 0 {
			if err := s.Advance(ctx, 2*time.Minute); err != nil && !errors.Is(err, context.Canceled) {
				panic(err)
			}
		}
		s.Handler().ServeHTTP(w, r)
	})
}

// settings give schemathesis a key.
func settings(s *sandbox.Sandbox, key string) string {
	kind := "api_key"
	if s.Contract().Auth.Schemes[0].Prefix != "" {
		kind = "bearer"
	}
	out := fmt.Sprintf("[auth.openapi.key1]\n%s = %q\n", kind, key)
	if s.Contract().API == "jobs" {
		out += promised
	}
	return out
}

// promised is a 500 that jobs' document promises: the result of a job that
// failed. Any other is a fault.
const promised = `
[[operations]]
include-name = "GET /v1/jobs/{jobId}/result"
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "500"]
`
