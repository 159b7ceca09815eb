package failwell_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

// limiter is an API's limit, as strict as its headers say.
type limiter struct {
	mu        sync.Mutex
	limit     int
	per       time.Duration
	windowed  bool
	began     time.Time // of the window
	used      int
	full      time.Time // GCRA: when all is free again
	write     func(h http.Header, limit, remaining int, reset, now time.Time)
	sent, no  int
	lately    []time.Duration // of calls that were admitted
	latency   time.Duration
	byAccount map[string]*limiter
}

func (l *limiter) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	lag := time.Duration(0)
	if l.latency > 0 {
		lag = time.Duration(rand.Int64N(int64(l.latency)))
		<-time.After(lag)
	}
	resp := l.decide(req)
	<-time.After(l.latency - lag)
	return resp, nil
}

func (l *limiter) decide(req *http.Request) *http.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.byAccount[req.Header.Get("Authorization")]; own != nil {
		return own.decide(req)
	}
	now := time.Now()
	l.sent++
	yes, remaining, reset, wait := l.take(now)
	h := http.Header{"Content-Type": {"application/json"}, "Date": {now.UTC().Format(http.TimeFormat)}}
	l.write(h, l.limit, remaining, reset, now)
	step := ok()
	if yes {
		l.lately = append(l.lately, now.Sub(epoch))
	} else {
		l.no++
		step = coded(429, "slow_down")
		h.Set("Retry-After", strconv.FormatFloat(wait.Seconds(), 'f', 3, 64))
	}
	return &http.Response{StatusCode: step.status, Header: h, Body: io.NopCloser(bodyOf(step.body)), Request: req}
}

func (l *limiter) take(now time.Time) (yes bool, remaining int, reset time.Time, wait time.Duration) {
	if l.windowed {
		if now.Sub(l.began) >= l.per {
			l.began, l.used = now, 0
		}
		reset = l.began.Add(l.per)
		if l.used < l.limit {
			l.used++
			yes = true
		}
		return yes, l.limit - l.used, reset, reset.Sub(now)
	}
	every := l.per / time.Duration(l.limit)
	full := l.full
	if full.Before(now) {
		full = now
	}
	if next := full.Add(every); next.Sub(now) <= l.per {
		l.full, yes = next, true
	} else {
		wait = next.Sub(now) - l.per
	}
	return yes, int((l.per - max(l.full.Sub(now), 0)) / every), l.full, wait
}

const paced = `
failwell: 1
api: paced
envelopes: {standard: {body: {error: {code: $code, message: $message}}}}
auth: {schemes: [{in: header, name: Authorization, prefix: Bearer}]}
headers: {rate_limit: {on: all%s}}
client: {attempts: 4, backoff: {first: 1s, factor: 2}, hints: [{header: Retry-After}]}
plans: {only: {rate: {limit: 10, per: 10s, algorithm: %s}}, big: {rate: {limit: 100, per: 1s, algorithm: %s}}}
errors:
  slow_down: {status: 429, is: [rate_limited], retry: after_wait, message: Slow down.}
  bad: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing], message: Bad.}
  broken: {status: 500, is: [internal, unavailable], message: Broken.}
operations:
  GET /parcels: {}
  GET /search: {rate: {limit: 3, per: 3s, algorithm: %s}}
`

func pacedBy(names, algorithm string) *contract.Contract {
	return contract.MustParse(fmt.Appendf(nil, paced, names, algorithm, algorithm, algorithm))
}

// forms are the ways in which a limit's standing is told.
func forms() map[string]struct {
	names string
	write func(h http.Header, limit, remaining int, reset, now time.Time)
} {
	type form = struct {
		names string
		write func(h http.Header, limit, remaining int, reset, now time.Time)
	}
	three := func(value func(reset, now time.Time) string) func(http.Header, int, int, time.Time, time.Time) {
		return func(h http.Header, limit, remaining int, reset, now time.Time) {
			h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
			h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
			h.Set("X-RateLimit-Reset", value(reset, now))
		}
	}
	up := func(d, unit time.Duration) string { return strconv.FormatInt(int64((d+unit-1)/unit), 10) }
	names := func(form string) string {
		return ", limit: X-RateLimit-Limit, remaining: X-RateLimit-Remaining, reset: X-RateLimit-Reset, reset_format: " + form
	}
	return map[string]form{
		"epoch_s":   {names("epoch_s"), three(func(reset, _ time.Time) string { return strconv.FormatInt(reset.Add(time.Second-1).Unix(), 10) })},
		"epoch_ms":  {names("epoch_ms"), three(func(reset, _ time.Time) string { return strconv.FormatInt(reset.UnixMilli(), 10) })},
		"delta_s":   {names("delta_s"), three(func(reset, now time.Time) string { return up(reset.Sub(now), time.Second) })},
		"http_date": {names("http_date"), three(func(reset, _ time.Time) string { return reset.Add(time.Second - 1).UTC().Format(http.TimeFormat) })},
		"rfc3339":   {names("rfc3339"), three(func(reset, _ time.Time) string { return reset.UTC().Format(time.RFC3339Nano) })},
		"ietf": {", ietf: true", func(h http.Header, limit, remaining int, reset, now time.Time) {
			h.Set("RateLimit-Policy", fmt.Sprintf(`"bytes";q=9;qu="content-bytes", "a,b";q=%d;w=10, "long";q=5000;w=3600`, limit))
			h.Set("RateLimit", fmt.Sprintf(`"bytes";r=0;t=900, "a,b";r=%d;t=%s, "long";r=4000;t=3600`, remaining, up(reset.Sub(now), time.Second)))
		}},
	}
}

// TestPacing sends four times what a limit admits at once, by goroutines that
// share a transport: nobody is refused, and nobody waits longer than the limit
// makes them.
func TestPacing(t *testing.T) {
	t.Parallel()
	for form, f := range forms() {
		for _, algorithm := range []string{"gcra", "window"} {
			t.Run(form+" "+algorithm, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					api := &limiter{limit: 10, per: 10 * s, windowed: algorithm == "window", write: f.write}
					tr := &failwell.Transport{Contract: pacedBy(f.names, algorithm), Base: api}
					call := func() {
						resp, err := tr.RoundTrip(get(t.Context(), t))
						if err := failwell.Check(resp, err); err != nil {
							t.Error(err)
						}
					}
					call() // what the limit is has to be heard once
					var group sync.WaitGroup
					for range 39 {
						group.Go(call)
					}
					group.Wait()
					took, least := time.Since(epoch), 30*s
					// Headers in whole seconds may make it one later for each window.
					if api.no != 0 || took < least || took > least+4*s+s/10 {
						t.Errorf("%d of %d refused, all through after %v, want none and %v", api.no, api.sent, took, least)
					}
				})
			})
		}
	}
}

// Answers come in another order than they were given: what one knows of its own calls
// stays right, of this window and of the next.
func TestPacingKnowsItsOwnCalls(t *testing.T) {
	t.Parallel()
	f := forms()["epoch_ms"]
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				api := &limiter{limit: 10, per: 10 * s, windowed: true, write: f.write}
				random := rand.New(rand.NewPCG(seed, 1))
				late := &shuffled{base: api, late: func() time.Duration { return time.Duration(random.IntN(1000)) * time.Millisecond }}
				tr := &failwell.Transport{Contract: pacedBy(f.names, "window"), Base: late}
				call := func() {
					resp, err := tr.RoundTrip(get(t.Context(), t))
					if err := failwell.Check(resp, err); err != nil {
						t.Error(err)
					}
				}
				call()
				for range 2 { // by those who come one by one, while answers are under way
					began := time.Since(epoch)
					var group sync.WaitGroup
					for range 9 {
						group.Go(call)
						<-time.After(100 * time.Millisecond)
					}
					group.Wait()
					if took := time.Since(epoch) - began; api.no != 0 || took > 2*s {
						t.Fatalf("%d refused, nine of nine calls after %v", api.no, took)
					}
					<-time.After(time.Until(api.began.Add(api.per + 1500*time.Millisecond)))
					call()
				}
			})
		})
	}
}

// shuffled answers after a while of each answer's own.
type shuffled struct {
	base http.RoundTripper
	mu   sync.Mutex
	late func() time.Duration
}

func (x *shuffled) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := x.base.RoundTrip(req)
	x.mu.Lock()
	late := x.late()
	x.mu.Unlock()
	<-time.After(late)
	return resp, err
}

// Without pacing the same crowd is refused, by whichever switch it is off.
func TestNoPacing(t *testing.T) {
	t.Parallel()
	f := forms()["epoch_ms"]
	for name, x := range map[string]struct {
		transport *failwell.Transport
		options   failwell.CallOptions
		names     string
	}{
		"transport":    {transport: &failwell.Transport{NoPacing: true}, names: f.names},
		"call":         {transport: &failwell.Transport{}, options: failwell.CallOptions{NoPacing: true}, names: f.names},
		"not declared": {transport: &failwell.Transport{}, names: ", limit: X-RateLimit-Limit"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				api := &limiter{limit: 10, per: 10 * s, write: f.write}
				tr := &failwell.Transport{Contract: pacedBy(x.names, "gcra"), Base: api, NoPacing: x.transport.NoPacing, MaxAttempts: 1}
				ctx := failwell.WithOptions(t.Context(), x.options)
				var group sync.WaitGroup
				for range 40 {
					group.Go(func() {
						req := get(ctx, t)
						resp, err := tr.RoundTrip(req)
						_ = failwell.Check(resp, err)
					})
				}
				group.Wait()
				if api.sent != 40 || api.no != 30 || time.Since(epoch) != 0 {
					t.Errorf("%d sent, %d refused after %v", api.sent, api.no, time.Since(epoch))
				}
			})
		})
	}
}

// exhausted is a transport that has heard that nothing is left for ten seconds.
func exhausted(t *testing.T) (*limiter, *failwell.Transport) {
	t.Helper()
	f := forms()["epoch_ms"]
	api := &limiter{limit: 10, per: 10 * s, windowed: true, write: f.write}
	tr := &failwell.Transport{Contract: pacedBy(f.names, "window"), Base: api}
	for range 10 {
		resp, err := tr.RoundTrip(get(t.Context(), t))
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
	}
	return api, tr
}

// A call that cannot wait for its turn ends at once, unsent, and says when there
// would have been room. Its body is closed, as a RoundTripper must.
func TestParkedCallsObeyTheirBounds(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		transport func(*failwell.Transport)
		options   failwell.CallOptions
		deadline  time.Duration
		stopped   failwell.Stop
	}{
		"deadline":        {deadline: 10 * s, stopped: failwell.StopDeadline},
		"timeout":         {options: failwell.CallOptions{Timeout: 4 * s}, stopped: failwell.StopDeadline},
		"longest wait":    {options: failwell.CallOptions{MaxWait: 9 * s}, stopped: failwell.StopMaxWait},
		"later deadline":  {deadline: 11 * s},
		"longer patience": {options: failwell.CallOptions{MaxWait: 10 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				api, tr := exhausted(t)
				ctx := failwell.WithOptions(t.Context(), x.options)
				if x.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, x.deadline)
					defer cancel()
				}
				body := &closing{Reader: bodyOf("x")}
				req := get(ctx, t)
				req.Body = body
				resp, err := tr.RoundTrip(req)
				err = failwell.Check(resp, err)
				if !body.closed {
					t.Error("the body was left open")
				}
				if x.stopped == "" {
					if err != nil || time.Since(epoch) != 10*s {
						t.Errorf("after %v: %v", time.Since(epoch), err)
					}
					return
				}
				e := wanted(t, err)
				if e.Stopped != x.stopped || !errors.Is(e, failwell.RateLimited) || !errors.Is(e, tr.Contract.MustCode("slow_down")) ||
					e.RetryAfter != 10*s || e.Origin != failwell.FromClient || len(e.Attempts) != 0 || api.sent != 10 || time.Since(epoch) != 0 {
					t.Errorf("%d sent, after %v: %+v", api.sent, time.Since(epoch), e)
				}
			})
		})
	}
}

// A parked call that is cancelled gives its place back.
func TestCancelledCallsLeaveTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api, tr := exhausted(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(s, cancel)
		var group sync.WaitGroup
		for range 500 {
			group.Go(func() {
				req := get(ctx, t)
				resp, err := tr.RoundTrip(req)
				if e := wanted(t, failwell.Check(resp, err)); e.Stopped != failwell.StopCancelled && e.Stopped != failwell.StopMaxWait || len(e.Attempts) != 0 {
					t.Errorf("%+v", e)
				}
			})
		}
		group.Wait()
		resp, err := tr.RoundTrip(get(t.Context(), t))
		if err := failwell.Check(resp, err); err != nil || time.Since(epoch) > 11*s {
			t.Errorf("after %v: %v", time.Since(epoch), err)
		}
		if api.sent != 11 {
			t.Errorf("%d were sent", api.sent)
		}
	})
}

// Credentials and hosts have limits of their own, and so have operations with a
// rate of their own.
func TestLanesAreApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, tr := exhausted(t)
		other := get(t.Context(), t)
		other.Header.Set("Authorization", "Bearer other")
		elsewhere := get(t.Context(), t)
		elsewhere.URL.Host = "elsewhere.example"
		search := get(t.Context(), t)
		search.URL.Path = "/search"
		tr.Base = &limiter{limit: 10, per: 10 * s, write: forms()["epoch_ms"].write}
		for name, req := range map[string]*http.Request{"credential": other, "host": elsewhere, "operation": search} {
			resp, err := tr.RoundTrip(req)
			if err := failwell.Check(resp, err); err != nil || time.Since(epoch) != 0 {
				t.Errorf("another %s waited for %v: %v", name, time.Since(epoch), err)
			}
		}
	})
}

// Other processes use the same limit: who is refused all the same holds back
// those that come after, and those that wait.
func TestARefusalHoldsTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := forms()["epoch_ms"]
		api := &limiter{limit: 100, per: s, write: f.write}
		tr := &failwell.Transport{Contract: pacedBy(f.names, "gcra"), Base: api}
		call := func() {
			resp, err := tr.RoundTrip(get(t.Context(), t))
			if err := failwell.Check(resp, err); err != nil {
				t.Error(err)
			}
		}
		call()
		api.full = time.Now().Add(3 * s) // somebody else used it up, and two seconds more
		var group sync.WaitGroup
		group.Go(call)
		<-time.After(time.Millisecond)
		for range 50 {
			group.Go(call)
		}
		group.Wait()
		if api.no != 1 || time.Since(epoch) > 3*s {
			t.Errorf("%d were refused, all through after %v", api.no, time.Since(epoch))
		}
	})
}
