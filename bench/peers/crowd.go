package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/store/meter"
)

// dead is an API that answers nothing but 503.
type dead struct{ attempts atomic.Int64 }

func (d *dead) RoundTrip(req *http.Request) (*http.Response, error) {
	d.attempts.Add(1)
	_, _ = io.Copy(io.Discard, req.Body)
	_ = req.Body.Close()
	return answer(req, http.StatusServiceUnavailable, nil), nil
}

func answer(req *http.Request, status int, h http.Header) *http.Response {
	if h == nil {
		h = http.Header{}
	}
	h["Content-Type"] = []string{"application/json"}
	body := `{"error":{"code":"broken","message":"Broken."}}`
	h["X-Request-Id"] = []string{"01a22b8d-5009-7f00-9dac-4fdf2b4864d8"}
	if status == http.StatusTooManyRequests {
		body = `{"error":{"code":"slow","message":"Slow down."}}`
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// deadServer sends 10,000 calls at once, again and again, to a server that is dead.
func deadServer(ctx context.Context, s settings, progress io.Writer) (*table, error) {
	const crowd = 10_000
	list := httpClients()
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.name
	}
	t := newTable(fmt.Sprintf("%d goroutines at once against a dead server, %d times", crowd, s.rounds), bareClient, names,
		figure{"attempts a call", "%.2f", false}, figure{"seconds", "%.2f", false},
		figure{"heap MiB while it lasts", "%.0f", false}, figure{"KiB left after it", "%.0f", false})
	for _, c := range list {
		server := &dead{}
		call := c.make(server, 100*time.Millisecond)
		var first runtime.MemStats
		for wave := range s.rounds {
			before := server.attempts.Load()
			began := time.Now()
			peak := watchHeap()
			var group sync.WaitGroup
			for range crowd {
				group.Go(func() { _, _ = call(ctx, "http://dead.example/", []byte("x")) }) // all of them fail
			}
			group.Wait()
			took, most := time.Since(began), peak()
			var after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&after)
			if wave == 0 {
				first = after // what is made once is made
			}
			kept := (float64(after.HeapAlloc) - float64(first.HeapAlloc)) / (1 << 10)
			attempts := float64(server.attempts.Load()-before) / crowd
			t.add(c.name, attempts, took.Seconds(), most, max(kept, 0))
			fmt.Fprintf(progress, "wave %d/%d  dead  %-28s %.2f attempts, %.0f MiB\n", wave+1, s.rounds, c.name, attempts, most)
		}
	}
	return t, ctx.Err()
}

// watchHeap looks every few milliseconds until it is asked, in MiB.
func watchHeap() func() float64 {
	stop, most := make(chan struct{}), make(chan float64)
	go func() {
		top := 0.0
		for ticker := time.NewTicker(5 * time.Millisecond); ; {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			top = max(top, float64(m.HeapAlloc)/(1<<20))
			select {
			case <-ticker.C:
			case <-stop:
				ticker.Stop()
				most <- top
				return
			}
		}
	}()
	return func() float64 { close(stop); return <-most }
}

// limited is an API with a limit of 100 calls a second, as headers and Retry-After
// tell exactly, and a latency of some milliseconds.
type limited struct {
	keeper meter.Local
	rule   meter.Rule
	// counted from the end of the warm-up on.
	counting       atomic.Bool
	attempts, good atomic.Int64
}

const (
	crowdOf = 1000
	perSec  = 100
)

type callerKey struct{}

func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	_ = req.Body.Close()
	time.Sleep(time.Duration(rand.Int64N(int64(4 * time.Millisecond)))) //nolint:gosec // no secret
	who, _ := req.Context().Value(callerKey{}).(uint32)
	t := meter.Taking{
		Owner: "key", Caller: who, Outcomes: make([]meter.Outcome, 1),
		Demands: []meter.Demand{{Limit: "plan/only/rate", Subject: "key", Rule: &l.rule, Cost: 1}},
	}
	if err := l.keeper.Take(req.Context(), &t); err != nil {
		return nil, err
	}
	o := t.Outcomes[0]
	h := http.Header{
		"X-Ratelimit-Limit": {strconv.FormatInt(l.rule.Limit, 10)}, "X-Ratelimit-Remaining": {strconv.FormatInt(o.Remaining, 10)},
		"X-Ratelimit-Reset": {strconv.FormatInt(o.Reset.UnixMilli(), 10)},
	}
	status := http.StatusOK
	if !t.Admitted {
		status = http.StatusTooManyRequests
		// Whole seconds, rounded up, as the header has it.
		h["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(o.RetryAfter.Seconds())))}
	}
	if l.counting.Load() {
		l.attempts.Add(1)
		if t.Admitted {
			l.good.Add(1)
		}
	}
	return answer(req, status, h), nil
}

// crowds has 1,000 clients call once a second each, ten times what the limit
// admits, and never give up.
func crowds(ctx context.Context, s settings, progress io.Writer) (*table, error) {
	type way struct {
		name string
		make func(base http.RoundTripper) func(n int) caller
	}
	same := func(c caller) func(int) caller { return func(int) caller { return c } }
	list := []way{
		{"failwell, one `Transport` for all", func(base http.RoundTripper) func(int) caller {
			return same(plain(&http.Client{Transport: patient(base)}))
		}},
		{"failwell, one each, as of 1,000 processes", func(base http.RoundTripper) func(int) caller {
			return func(int) caller { return plain(&http.Client{Transport: patient(base)}) }
		}},
		{"failwell without pacing", func(base http.RoundTripper) func(int) caller {
			t := patient(base)
			t.NoPacing = true
			return same(plain(&http.Client{Transport: t}))
		}},
		{"exponential backoff, 0.5 s to 30 s, jitter", func(base http.RoundTripper) func(int) caller {
			return same(backingOff(base))
		}},
	}
	names := make([]string, len(list))
	for i, w := range list {
		names[i] = w.name
	}
	t := newTable(fmt.Sprintf("%d clients, each once a second, at a limit of %d a second", crowdOf, perSec), names[0], names,
		figure{"goodput % of the limit", "%.1f", false}, figure{"attempts a success", "%.2f", false})
	warm, counted := 15*s.loaded, 20*s.loaded // 30 s and 40 s for 2 s of load
	for _, w := range list {
		api := &limited{rule: meter.Rule{Limit: perSec * 10, Per: 10 * time.Second}}
		during, stop := context.WithCancel(ctx)
		make1 := w.make(api)
		var group sync.WaitGroup
		for n := range crowdOf {
			call := make1(n)
			group.Go(func() {
				mine := context.WithValue(during, callerKey{}, uint32(n+1))
				time.Sleep(time.Duration(rand.Int64N(int64(time.Second)))) //nolint:gosec // no secret
				for due := time.Now(); during.Err() == nil; due = due.Add(time.Second) {
					if ahead := time.Until(due); ahead > 0 {
						time.Sleep(ahead)
					}
					_, _ = call(mine, "http://limited.example/", []byte("x")) // the end cancels it
				}
			})
		}
		sleep(during, warm)
		api.counting.Store(true)
		began := time.Now()
		sleep(during, counted)
		api.counting.Store(false)
		took := time.Since(began)
		stop()
		group.Wait()
		good, attempts := float64(api.good.Load()), float64(api.attempts.Load())
		t.add(w.name, 100*good/(perSec*took.Seconds()), attempts/max(good, 1))
		fmt.Fprintf(progress, "crowd  %-44s %.1f %% of the limit, %.2f attempts a success\n", w.name, 100*good/(perSec*took.Seconds()), attempts/max(good, 1))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return t, nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func patient(base http.RoundTripper) *failwell.Transport {
	return &failwell.Transport{Contract: clientContract(), Base: base, NoKeys: true, MaxAttempts: 1 << 20, MaxWait: -1}
}

// backingOff repeats after waits that double, whatever the server asks for.
func backingOff(base http.RoundTripper) caller {
	once := plain(&http.Client{Transport: base})
	return func(ctx context.Context, url string, body []byte) (int, error) {
		for wait := 500 * time.Millisecond; ; wait = min(2*wait, 30*time.Second) {
			status, err := once(ctx, url, bytes.Clone(body))
			if err != nil || status != http.StatusTooManyRequests {
				return status, err
			}
			sleep(ctx, wait/2+time.Duration(rand.Int64N(int64(wait/2)))) //nolint:gosec // no secret
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
	}
}
