package failwell_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"pgregory.net/rapid"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

// limited is a guard whose callers have a rate, a key to it, and its clock, which
// reads of the store ask in the background.
type limited struct {
	handler http.Handler
	key     string
	now     atomic.Int64 // Unix nanoseconds
}

func (l *limited) pass(d time.Duration) { l.now.Add(int64(d)) }

func newLimited(t rapid.TB, rate, headers string) *limited {
	t.Helper()
	const at = "  process_time: {name: X-Process-Time}\n"
	source := strings.Replace(guardContract, at, at+"  rate_limit: "+headers+"\nplans: {only: {rate: "+rate+"}}\n", 1)
	c, err := contract.Parse("limited.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	l := &limited{}
	l.now.Store(time.Date(2026, 11, 22, 9, 0, 0, 123_456_789, time.UTC).UnixNano())
	clock := func() time.Time { return time.Unix(0, l.now.Load()).UTC() }
	controller := &admission.Controller{Contract: c, Store: &store.Memory{Clock: clock}, Clock: clock, StoreTimeout: time.Minute}
	l.key, _, err = controller.Keys().Create(context.Background(), admission.NewKey{Account: "a"})
	if err != nil {
		t.Fatal(err)
	}
	g := &failwell.Guard{Contract: c, Admission: controller, Clock: clock, Logger: slog.New(slog.DiscardHandler)}
	l.handler = g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	return l
}

func (l *limited) call() *http.Response {
	rec := httptest.NewRecorder()
	l.handler.ServeHTTP(rec, request("GET", "/notes", "", "Authorization", "Bearer "+l.key))
	return rec.Result()
}

// Laws 3 and 4 as a caller sees them, in whole seconds: who waits Retry-After is
// let in, who comes a second earlier is not; where Remaining says that a call is
// left, it is; and Reset does not move without traffic.
func TestLimitHeadersAreTrue(t *testing.T) {
	for _, algorithm := range []string{"gcra", "window"} {
		t.Run(algorithm, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				limit := rapid.IntRange(1, 20).Draw(t, "limit")
				per := rapid.IntRange(1, 90).Draw(t, "seconds")
				l := newLimited(t, "{limit: "+strconv.Itoa(limit)+", per: "+strconv.Itoa(per)+"s, algorithm: "+algorithm+"}",
					"{on: all, limit: X-Limit, remaining: X-Remaining, reset: X-Reset}")
				remaining := limit
				reset := ""
				for range rapid.IntRange(1, 60).Draw(t, "calls") {
					pause := time.Duration(rapid.IntRange(0, per*500).Draw(t, "pause")) * time.Millisecond
					l.pass(pause)
					resp := l.call()
					if resp.Header.Get("X-Limit") != strconv.Itoa(limit) {
						t.Fatalf("limit %q", resp.Header.Get("X-Limit"))
					}
					if resp.StatusCode == http.StatusTooManyRequests {
						if remaining >= 1 {
							t.Fatalf("%d were left, and the next call was refused", remaining)
						}
						if reset != "" && resp.Header.Get("X-Reset") != reset {
							t.Fatalf("reset moved from %s to %s by a refused call", reset, resp.Header.Get("X-Reset"))
						}
						l.obey(t, resp)
						resp = l.call()
						if resp.StatusCode != http.StatusNoContent {
							t.Fatalf("refused after the wait: %v", resp.Header)
						}
					}
					var err error
					if remaining, err = strconv.Atoi(resp.Header.Get("X-Remaining")); err != nil {
						t.Fatal(err)
					}
					reset = resp.Header.Get("X-Reset")
				}
			})
		})
	}
}

// obey comes too early first, then in time.
func (l *limited) obey(t *rapid.T, refused *http.Response) {
	wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	if err != nil || wait < 1 {
		t.Fatalf("Retry-After %q", refused.Header.Get("Retry-After"))
	}
	l.pass(time.Duration(wait-1) * time.Second)
	if early := l.call(); early.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("let in a second early: %d, Retry-After was %d", early.StatusCode, wait)
	}
	l.pass(time.Second)
}

// Law 5: of many at once exactly the limit gets in.
func TestLimitUnderConcurrency(t *testing.T) {
	l := newLimited(t, "{limit: 50, per: 60s}", "{on: [429]}")
	var wg sync.WaitGroup
	codes := make(chan int, 400)
	for range cap(codes) {
		wg.Go(func() { codes <- l.call().StatusCode })
	}
	wg.Wait()
	close(codes)
	count := map[int]int{}
	for code := range codes {
		count[code]++
	}
	if count[204] != 50 || count[429] != 350 {
		t.Fatalf("%v", count)
	}
}

// The RateLimit fields are structured fields (RFC 9651), and say the same.
func TestRateLimitFields(t *testing.T) {
	l := newLimited(t, "{name: per minute, limit: 3, per: 60s, algorithm: window}", "{on: all, ietf: true}")
	var remaining []int64
	for range 4 {
		resp := l.call()
		policy, err := httpsfv.UnmarshalList(resp.Header["Ratelimit-Policy"])
		if err != nil || len(policy) != 1 {
			t.Fatalf("%q: %v", resp.Header["Ratelimit-Policy"], err)
		}
		state, err := httpsfv.UnmarshalList(resp.Header["Ratelimit"])
		if err != nil || len(state) != 1 {
			t.Fatalf("%q: %v", resp.Header["Ratelimit"], err)
		}
		p, _ := policy[0].(httpsfv.Item)
		s, _ := state[0].(httpsfv.Item)
		q, _ := p.Params.Get("q")
		w, _ := p.Params.Get("w")
		reset, _ := s.Params.Get("t")
		if p.Value != "per minute" || s.Value != p.Value || q != int64(3) || w != int64(60) || reset != int64(60) {
			t.Errorf("%q %q", resp.Header["Ratelimit-Policy"], resp.Header["Ratelimit"])
		}
		r, _ := s.Params.Get("r")
		left, _ := r.(int64)
		remaining = append(remaining, left)
	}
	if remaining[0] != 2 || remaining[1] != 1 || remaining[2] != 0 || remaining[3] != 0 {
		t.Errorf("remaining %v", remaining)
	}
}

func TestResetFormats(t *testing.T) {
	// The window ends a minute after 09:00:00.123: told rounded up, never early.
	for format, want := range map[string]string{
		"epoch_s": "1795338061", "epoch_ms": "1795338060124", "delta_s": "60",
		"http_date": "Sun, 22 Nov 2026 09:01:01 GMT", "rfc3339": "2026-11-22T09:01:01Z",
	} {
		l := newLimited(t, "{limit: 3, per: 60s, algorithm: window}", "{on: all, reset: X-Reset, reset_format: "+format+"}")
		if got := l.call().Header.Get("X-Reset"); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}

// All limits of a call are told, each in its own unit, and under a name of its own.
func TestRateLimitFieldsOfAllKinds(t *testing.T) {
	clock := func() time.Time { return time.Date(2026, 2, 10, 12, 0, 0, 0, time.UTC) }
	const at = "  process_time: {name: X-Process-Time}\n"
	source := strings.Replace(guardContract, at, at+`  rate_limit: {on: all, ietf: true}
balances: {funds: {title: Funds}}
plans: {only: {rate: [60/min, {limit: 500, per: 1h}], quota: {"b\"est größe": 100/month, jobs: 10/day}, storage: 1KB, concurrency: 3}}
`, 1)
	source = strings.Replace(source, "  GET /notes: {}", `  POST /all: {charge: {"b\"est größe": 2, jobs: 1, funds: 5}, slot: true, stores: true}
  GET /notes: {}`, 1)
	c, err := contract.Parse("all.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	controller := &admission.Controller{Contract: c, Store: &store.Memory{Clock: clock}, Clock: clock, StoreTimeout: time.Minute}
	key, _, err := controller.Keys().Create(t.Context(), admission.NewKey{Account: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := controller.Credit(t.Context(), "a", "funds", 100, ""); err != nil {
		t.Fatal(err)
	}
	g := &failwell.Guard{Contract: c, Admission: controller, Clock: clock, Logger: slog.New(slog.DiscardHandler)}
	rec := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).
		ServeHTTP(rec, request("POST", "/all", "12345", "Authorization", "Bearer "+key))
	if rec.Code != http.StatusNoContent {
		t.Fatal(rec.Code, rec.Body)
	}
	policies, states := items(t, rec.Header()["Ratelimit-Policy"]), items(t, rec.Header()["Ratelimit"])
	for i, want := range []struct {
		name          string
		quota, window any
		unit          any
		left, reset   any
	}{
		{"default", int64(60), int64(60), nil, int64(59), int64(1)},
		{"default-2", int64(500), int64(3600), nil, int64(499), int64(8)},
		{`b"est gr__e`, int64(100), int64(28 * 86400), `b"est gr__e`, int64(98), int64(18*86400 + 43200)},
		{"jobs", int64(10), int64(86400), "jobs", int64(9), int64(43200)},
		{"storage", int64(1000), nil, "content-bytes", int64(995), nil},
		{"concurrency", int64(3), nil, "concurrent-requests", int64(2), nil},
	} {
		if len(policies) <= i || len(states) <= i {
			t.Fatalf("%d policies and %d states", len(policies), len(states))
		}
		p, s := policies[i], states[i]
		got := []any{p.Value, s.Value, value(p, "q"), value(p, "w"), value(p, "qu"), value(s, "r"), value(s, "t")}
		if wanted := []any{want.name, want.name, want.quota, want.window, want.unit, want.left, want.reset}; !slices.Equal(got, wanted) {
			t.Errorf("%v, want %v", got, wanted)
		}
	}
	if len(policies) != 6 || len(states) != 6 {
		t.Errorf("%q %q", rec.Header()["Ratelimit-Policy"], rec.Header()["Ratelimit"])
	}
}

func items(t *testing.T, field []string) (out []httpsfv.Item) {
	t.Helper()
	list, err := httpsfv.UnmarshalList(field)
	if err != nil {
		t.Fatalf("%q: %v", field, err)
	}
	for _, member := range list {
		item, _ := member.(httpsfv.Item)
		out = append(out, item)
	}
	return out
}

func value(i httpsfv.Item, name string) any {
	v, _ := i.Params.Get(name)
	return v
}

// Callers of one key who are refused together are told different instants; one
// who tries again keeps its own. A trace id tells them apart.
func TestGuardTellsCallersApart(t *testing.T) {
	l := newLimited(t, "{limit: 60, per: 1h, burst: 1}", "{on: all, limit: X-Limit, remaining: X-Left, reset: X-Reset}")
	ask := func(trace string) string {
		r := request("GET", "/notes", "", "Authorization", "Bearer "+l.key)
		if trace != "" {
			r.Header.Set("Traceparent", "00-"+strings.Repeat(trace, 32)+"-00f067aa0ba902b7-01")
		}
		rec := httptest.NewRecorder()
		l.handler.ServeHTTP(rec, r)
		return rec.Header().Get("Retry-After")
	}
	var told []string
	for _, trace := range []string{"1", "1", "2", "3", "2", "", ""} {
		told = append(told, ask(trace))
	}
	if got := strings.Join(told, " "); got != " 60 120 180 120 240 240" {
		t.Errorf("they were told%s", got)
	}
}
