package failwell_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
)

// TestBuiltinRules asks the client what the APIs' own documents say of clients:
// when to repeat, how often, and how long to wait (with no jitter drawn).
func TestBuiltinRules(t *testing.T) {
	t.Parallel()
	coded := func(status int, body string, header ...string) step {
		x := coded(status, "", header...)
		x.body = body
		return x
	}
	const post = http.MethodPost
	for _, x := range []struct {
		api, method, path string
		step              step
		waits             []time.Duration
		stopped           failwell.Stop
	}{
		{"heppu", "", "/api/v1/agents", coded(500, `{"error":{"message":"m","status":500,"code":"internal_error","timestamp":"2000-01-01T00:00:00Z"}}`), []time.Duration{s, 2 * s, 4 * s}, failwell.StopAttempts},
		{"heppu", "", "/api/v1/agents", coded(429, `{}`, "Retry-After", "3"), []time.Duration{3 * s, 3 * s, 3 * s}, failwell.StopAttempts},
		{"heppu", "", "/api/v1/agents", coded(429, `{}`), []time.Duration{60 * s, 60 * s, 60 * s}, failwell.StopAttempts},
		{"heppu", "", "/api/v1/agents", coded(429, `{}`, "X-RateLimit-Reset", "946684812"), []time.Duration{12 * s, s * 60, s * 60}, failwell.StopAttempts},
		{"heppu", "", "/api/v1/agents", step{status: 200, takes: 31 * s}, []time.Duration{s, 2 * s, 4 * s}, failwell.StopAttempts},
		{"heppu", post, "/api/v1/agents", coded(502, `{}`), nil, failwell.StopUnsafe},
		{"heppu", "", "/api/v1/agents", coded(404, `{}`), nil, failwell.StopAdvice},
		{"hume", "", "/v0/batch/jobs", coded(409, `{"message":"m"}`), []time.Duration{900 * time.Millisecond, 1800 * time.Millisecond}, failwell.StopAttempts},
		{"hume", "", "/v0/batch/jobs", coded(429, `{"message":"m"}`, "Retry-After", "61"), nil, failwell.StopMaxWait},
		{"hume", "", "/v0/batch/jobs", coded(501, ""), []time.Duration{900 * time.Millisecond, 1800 * time.Millisecond}, failwell.StopAttempts},
		{"hume", "", "/v0/batch/jobs", reset(), nil, failwell.StopAdvice},
		{"jobs", "", "/v1/jobs/1", coded(503, `{"success":false,"error":{"code":"SERVICE_UNAVAILABLE","message":"m"}}`), []time.Duration{s, 2 * s}, failwell.StopAttempts},
		{"jobs", "", "/v1/jobs/1", coded(500, `{"success":false,"error":{"code":"PROCESSING_FAILED","message":"m"}}`), nil, failwell.StopAdvice},
		{"jobs", "", "/v1/jobs/1", reset(), []time.Duration{s, 2 * s}, failwell.StopAttempts},
		{"aionvision", "", "/api/v2/user-files", coded(429, `{}`), []time.Duration{5 * s, 5 * s}, failwell.StopAttempts},
		{"aionvision", "", "/api/v2/user-files", coded(503, `{}`), []time.Duration{s, 2 * s}, failwell.StopAttempts},
		{"aionvision", "", "/api/v2/user-files", coded(402, `{}`), nil, failwell.StopAdvice},
		{"hebbrix", post, "/v1/memories", coded(500, `{"error":{"code":"internal_error","message":"m","type":"api_error"}}`), []time.Duration{s, 2 * s, 4 * s, 8 * s}, failwell.StopAttempts},
		{"hebbrix", post, "/v1/memories", reset(), []time.Duration{s, 2 * s, 4 * s, 8 * s}, failwell.StopAttempts},
		{"hebbrix", "", "/v1/memories", reset(), []time.Duration{s, 2 * s, 4 * s, 8 * s}, failwell.StopAttempts},
		{"hebbrix", post, "/v1/memories", coded(403, `{}`), nil, failwell.StopAdvice},
		{"problem", post, "/things", coded(503, `{}`, "Content-Type", "application/problem+json"), []time.Duration{s / 4, s / 2, s}, failwell.StopAttempts},
	} {
		t.Run(fmt.Sprint(x.api, " ", x.method, " ", x.step.status, " ", x.step.body, x.step.header), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, err := builtin.Get(x.api)
				if err != nil {
					t.Fatal(err)
				}
				base := &script{steps: []step{x.step}}
				tr := &failwell.Transport{Contract: c, Base: base, Random: func() float64 { return 0 }}
				method := x.method
				if method == "" {
					method = http.MethodGet
				}
				req, err := http.NewRequestWithContext(t.Context(), method, "https://api.example"+x.path, bodyOf("x"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := tr.RoundTrip(req)
				e := wanted(t, failwell.Check(resp, err))
				var waits []time.Duration
				for _, a := range e.Attempts[:len(e.Attempts)-1] {
					waits = append(waits, a.Wait)
				}
				if fmt.Sprint(waits) != fmt.Sprint(x.waits) || e.Stopped != x.stopped {
					t.Errorf("waited %v and stopped by %q, want %v and %q: %v", waits, e.Stopped, x.waits, x.stopped, e)
				}
			})
		})
	}
}
