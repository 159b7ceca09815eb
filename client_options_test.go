package failwell_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
)

// TestOptionsOfACall holds each option against the transport's own settings.
func TestOptionsOfACall(t *testing.T) {
	t.Parallel()
	slow := step{status: 200, takes: 6 * s}
	for name, x := range map[string]struct {
		options   failwell.CallOptions
		transport *failwell.Transport
		method    string
		steps     []step
		attempts  int
		took      time.Duration
		stopped   failwell.Stop
	}{
		"none":                         {steps: []step{coded(503, "down")}, attempts: 4, took: 7 * s, stopped: failwell.StopAttempts},
		"two attempts":                 {options: failwell.CallOptions{MaxAttempts: 2}, steps: []step{coded(503, "down")}, attempts: 2, took: s, stopped: failwell.StopAttempts},
		"no repetition":                {options: failwell.CallOptions{MaxAttempts: 1}, steps: []step{coded(503, "down")}, attempts: 1, stopped: failwell.StopAttempts},
		"more than the transport":      {options: failwell.CallOptions{MaxAttempts: 3}, transport: &failwell.Transport{MaxAttempts: 1}, steps: []step{coded(503, "down")}, attempts: 3, took: 3 * s, stopped: failwell.StopAttempts},
		"shorter waits":                {options: failwell.CallOptions{MaxWait: s}, steps: []step{coded(429, "slow_down", "Retry-After", "2")}, attempts: 1, stopped: failwell.StopMaxWait},
		"longer waits":                 {options: failwell.CallOptions{MaxWait: -1}, transport: &failwell.Transport{MaxWait: s}, steps: []step{coded(429, "slow_down", "Retry-After", "2"), ok()}, attempts: 2, took: 2 * s},
		"attempt timeout":              {options: failwell.CallOptions{AttemptTimeout: 5 * s}, steps: []step{slow, ok()}, attempts: 2, took: 6 * s},
		"no attempt timeout":           {options: failwell.CallOptions{AttemptTimeout: -1}, transport: &failwell.Transport{AttemptTimeout: s}, steps: []step{slow}, attempts: 1, took: 6 * s},
		"total: wait too long":         {options: failwell.CallOptions{Timeout: 3 * s}, steps: []step{coded(503, "down")}, attempts: 2, took: s, stopped: failwell.StopDeadline},
		"total: during an attempt":     {options: failwell.CallOptions{Timeout: 3 * s}, steps: []step{slow}, attempts: 1, took: 3 * s, stopped: failwell.StopDeadline},
		"total: during the second":     {options: failwell.CallOptions{Timeout: 3 * s}, steps: []step{coded(503, "down"), slow}, attempts: 2, took: 3 * s, stopped: failwell.StopDeadline},
		"total: nearer than attempt's": {options: failwell.CallOptions{Timeout: 3 * s, AttemptTimeout: 5 * s}, steps: []step{slow}, attempts: 1, took: 3 * s, stopped: failwell.StopDeadline},
		"total: enough":                {options: failwell.CallOptions{Timeout: 8 * s}, steps: []step{slow}, attempts: 1, took: 6 * s},
		"no keys":                      {options: failwell.CallOptions{NoKeys: true}, method: "POST", steps: []step{coded(500, "broken")}, attempts: 1, stopped: failwell.StopUnsafe},
		"key":                          {options: failwell.CallOptions{IdempotencyKey: "k"}, transport: &failwell.Transport{NoKeys: true}, method: "POST", steps: []step{coded(500, "broken"), ok()}, attempts: 2, took: s},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				base := &script{steps: x.steps}
				tr := x.transport
				if tr == nil {
					tr = &failwell.Transport{}
				}
				tr.Contract, tr.Base, tr.Random = parcels(), base, func() float64 { return 0 }
				req := get(failwell.WithOptions(t.Context(), x.options), t)
				req.Method = x.method
				resp, err := tr.RoundTrip(req)
				err = failwell.Check(resp, err)
				var stopped failwell.Stop
				if e, ok := errors.AsType[*failwell.Error](err); ok {
					stopped = e.Stopped
				}
				if len(base.seen) != x.attempts || time.Since(epoch) != x.took || stopped != x.stopped {
					t.Errorf("%d attempts in %v, stopped by %q; want %d in %v, %q: %v", len(base.seen), time.Since(epoch), stopped, x.attempts, x.took, x.stopped, err)
				}
				for _, sent := range base.seen {
					if sent.key != x.options.IdempotencyKey && x.method == "POST" {
						t.Errorf("sent the key %q", sent.key)
					}
				}
				if err == nil {
					_ = resp.Body.Close()
				}
			})
		})
	}
}

func TestOptionsAddUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		base := &script{steps: []step{coded(503, "down")}}
		tr := &failwell.Transport{Contract: parcels(), Base: base, Random: func() float64 { return 0 }}
		ctx := failwell.WithOptions(t.Context(), failwell.CallOptions{MaxAttempts: 1, IdempotencyKey: "outer"})
		ctx = failwell.WithOptions(ctx, failwell.CallOptions{MaxAttempts: 2})
		req := post(ctx, t, "/parcels")
		resp, err := tr.RoundTrip(req)
		if e := wanted(t, failwell.Check(resp, err)); e.IdempotencyKey != "outer" || len(e.Attempts) != 2 {
			t.Errorf("key %q, %d attempts", e.IdempotencyKey, len(e.Attempts))
		}
		// A header is nearer to the request than its context.
		req = post(ctx, t, "/parcels")
		req.Header.Set("Idempotency-Key", "header")
		resp, err = tr.RoundTrip(req)
		if e := wanted(t, failwell.Check(resp, err)); e.IdempotencyKey != "header" {
			t.Errorf("key %q", e.IdempotencyKey)
		}
		if len(req.Header) != 1 {
			t.Errorf("the request was changed: %v", req.Header)
		}
	})
}

// The whole call's time does not end the reading of a success.
func TestTimeoutSparesTheBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "drip ")
				_ = http.NewResponseController(w).Flush()
				<-time.After(time.Minute)
			}
		})
		resp, err := client.Do(get(failwell.WithOptions(t.Context(), failwell.CallOptions{Timeout: s}), t))
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != strings.Repeat("drip ", 3) {
			t.Errorf("read %q: %v", got, err)
		}
		_ = resp.Body.Close()
	})
}

func TestAttemptsOfASuccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		base := &script{steps: []step{coded(503, "down"), refused(), ok()}}
		tr := &failwell.Transport{Contract: parcels(), Base: base, Random: func() float64 { return 0 }}
		for _, want := range []string{"503 down 1s|0 upstream_unreachable 2s|200  0s|", ""} {
			resp, err := tr.RoundTrip(get(t.Context(), t))
			if err := failwell.Check(resp, err); err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			got := ""
			for _, a := range failwell.Attempts(resp) {
				got += strings.Join([]string{itoa(a.Status), a.Code, a.Wait.String()}, " ") + "|"
			}
			if got != want {
				t.Errorf("attempts %q, want %q", got, want)
			}
		}
	})
}

func TestHooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var heard []string
		base := &script{steps: []step{coded(503, "down"), coded(403, "denied"), ok()}}
		hear := func(name string) failwell.Hooks {
			return failwell.Hooks{
				OnAttempt: func(_ *http.Request, a failwell.Attempt) {
					heard = append(heard, name+" attempt "+itoa(a.Status)+" "+string(a.Stopped))
				},
				OnWait: func(r *http.Request, w failwell.Wait) {
					heard = append(heard, name+" wait "+w.For.String()+" "+r.Context().Value(nameOf{}).(string))
				},
				OnGiveUp: func(_ *http.Request, e *failwell.Error) { heard = append(heard, name+" gives up: "+e.Name()) },
			}
		}
		tr := &failwell.Transport{Contract: parcels(), Base: base, Random: func() float64 { return 0 }, Hooks: []failwell.Hooks{hear("a"), {}, hear("b")}}
		ctx := context.WithValue(t.Context(), nameOf{}, "mine")
		for range 2 {
			resp, err := tr.RoundTrip(get(ctx, t))
			if failwell.Check(resp, err) == nil {
				_ = resp.Body.Close()
			}
		}
		want := "a attempt 503 |b attempt 503 |a wait 1s mine|b wait 1s mine|a attempt 403 advice|b attempt 403 advice|a gives up: denied|b gives up: denied|a attempt 200 |b attempt 200 "
		if got := strings.Join(heard, "|"); got != want {
			t.Errorf("heard\n%s\nwant\n%s", got, want)
		}
	})
}

type nameOf struct{}

func itoa(n int) string { return strconv.Itoa(n) }
