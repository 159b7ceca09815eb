package failwell_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store/meter"
)

// crowd is processes that share a key, and so a limit that none of them sees all of.
type crowd struct {
	processes, workers int // workers of each process
	// think is how long each worker rests between two calls. every is at which
	// distance it wants to call, what is late at once; 0 is when it has rested.
	think, every time.Duration
	limit        int64 // in ten seconds
	kind         meter.Kind
	// seconds: the reset is told in seconds from now, rounded up.
	seconds bool
	// start is over how long they begin; 0 is a second.
	start time.Duration
	// stay are the processes that are there all the time. The others begin at join
	// and end at leave; 0 is with them.
	stay        int
	join, leave time.Duration
	lasts       time.Duration
}

// metered is an API whose limit a gateway's meter keeps: Retry-After in whole
// seconds is an appointment of each caller's own.
type metered struct {
	crowd
	tally

	keeper meter.Local
	rule   meter.Rule
	began  time.Time
	mu     sync.Mutex
}

// tally is what came of the calls, by the second.
type tally struct {
	perSecond      float64
	attempts, good []int
}

// during returns the part of the limit that was used, and the attempts each success took.
func (y *tally) during(from, to time.Duration) (goodput, attempts float64) {
	tried, good := 0, 0
	for i := from / time.Second; i < to/time.Second; i++ {
		tried, good = tried+y.attempts[i], good+y.good[i]
	}
	return float64(good) / (y.perSecond * (to - from).Seconds()), float64(tried) / float64(max(good, 1))
}

// worker has chance of its own, so that runs repeat.
type worker struct {
	id     uint32
	random *rand.Rand
}

type workerKey struct{}

func (w *worker) sleep(most time.Duration) { time.Sleep(time.Duration(w.random.Int64N(int64(most)))) }

func (m *metered) RoundTrip(req *http.Request) (*http.Response, error) {
	who, _ := req.Context().Value(workerKey{}).(*worker)
	who.sleep(4 * time.Millisecond)
	t := meter.Taking{
		Owner: "key", Caller: who.id, Outcomes: make([]meter.Outcome, 1),
		Demands: []meter.Demand{{Limit: "plan/only/rate", Subject: "key", Rule: &m.rule, Cost: 1}},
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.keeper.Take(req.Context(), &t); err != nil {
		return nil, err
	}
	o := &t.Outcomes[0]
	h := http.Header{
		"X-Ratelimit-Limit": {strconv.FormatInt(m.limit, 10)}, "X-Ratelimit-Remaining": {strconv.FormatInt(o.Remaining, 10)},
		"X-Ratelimit-Reset": {strconv.FormatInt(o.Reset.UnixMilli(), 10)}, "Content-Type": {"application/json"},
	}
	if m.seconds {
		h.Set("X-Ratelimit-Reset", strconv.Itoa(int(math.Ceil(time.Until(o.Reset).Seconds()))))
	}
	step := ok()
	if !t.Admitted {
		step = coded(429, "slow_down")
		h["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(o.RetryAfter.Seconds())))}
	}
	if second := int(time.Since(m.began) / time.Second); second < len(m.attempts) {
		m.attempts[second]++
		if t.Admitted {
			m.good[second]++
		}
	}
	return &http.Response{StatusCode: step.status, Header: h, Body: io.NopCloser(bodyOf(step.body)), Request: req}, nil
}

// run plays the crowd on a clock of its own.
func (x crowd) run(t *testing.T, seed uint64) *tally {
	t.Helper()
	algorithm := "gcra"
	if x.kind == meter.Window {
		algorithm = "window"
	}
	format := "epoch_ms"
	if x.seconds {
		format = "delta_s"
	}
	c := contract.MustParse(fmt.Appendf(nil, crowdSpec, format, x.limit, algorithm))
	var api *metered
	synctest.Test(t, func(t *testing.T) {
		seconds := int(x.lasts / time.Second)
		api = &metered{crowd: x, began: time.Now(), rule: meter.Rule{Kind: x.kind, Limit: x.limit, Per: 10 * time.Second}}
		api.tally = tally{float64(x.limit) / 10, make([]int, seconds), make([]int, seconds)}
		during, stop := context.WithCancel(t.Context()) // no deadline, which clients would obey
		time.AfterFunc(x.lasts, stop)
		var group sync.WaitGroup
		for n := range x.processes {
			lives, begins := during, time.Duration(0)
			if n >= x.stay {
				begins = x.join
				if x.leave > 0 {
					var leave context.CancelFunc
					lives, leave = context.WithCancel(during)
					time.AfterFunc(x.leave, leave)
				}
			}
			transport := &failwell.Transport{Contract: c, Base: api, NoKeys: true, MaxAttempts: 1 << 20, MaxWait: -1}
			for w := range x.workers {
				who := &worker{id: uint32(n*x.workers + w + 1)}
				who.random = rand.New(rand.NewPCG(seed, uint64(who.id)))
				mine := context.WithValue(lives, workerKey{}, who)
				group.Go(func() {
					time.Sleep(begins)
					who.sleep(max(x.start, time.Second))
					x.work(mine, transport)
				})
			}
		}
		group.Wait()
	})
	return &api.tally
}

// work calls until the context ends.
func (x *crowd) work(ctx context.Context, transport *failwell.Transport) {
	for due := time.Now(); ctx.Err() == nil; due = due.Add(x.every) {
		if x.every > 0 {
			time.Sleep(time.Until(due))
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://limited.example/", http.NoBody)
		if err != nil {
			panic(err)
		}
		if resp, err := transport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			time.Sleep(x.think)
		}
	}
}

const crowdSpec = `
failwell: 1
api: crowd
envelopes: {standard: {body: {error: {code: $code, message: $message}}}}
client: {attempts: 4, backoff: {first: 1s, factor: 2}, hints: [{header: Retry-After}]}
headers: {rate_limit: {on: all, limit: X-RateLimit-Limit, remaining: X-RateLimit-Remaining, reset: X-RateLimit-Reset, reset_format: %s}}
plans: {only: {rate: {limit: %d, per: 10s, algorithm: %s}}}
errors:
  slow_down: {status: 429, is: [rate_limited], retry: after_wait, message: Slow down.}
  bad: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing], message: Bad.}
  broken: {status: 500, is: [internal, unavailable], message: Broken.}
`

// TestCrowdsLearnTheirShare: processes that know nothing of each other come about
// once for each call that gets in, use all of the limit, and see when others come
// or have gone. Without a share each success takes two attempts.
func TestCrowdsLearnTheirShare(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, x := range map[string]struct {
		crowd

		from               time.Duration // when they have learned it
		least, most, tries float64
	}{
		"a thousand at ten times": {crowd{processes: 1000, workers: 1, every: s, limit: 1000, lasts: 130 * s}, 30 * s, 0.98, 1.02, 1.02},
		"who trickle in":          {crowd{processes: 1000, workers: 1, every: s, limit: 1000, start: 30 * s, lasts: 160 * s}, 60 * s, 0.98, 1.02, 1.02},
		"half of whom leave":      {crowd{processes: 1000, workers: 1, every: s, limit: 1000, stay: 500, leave: 60 * s, lasts: 190 * s}, 90 * s, 0.98, 1.04, 1.02},
		"half of whom come later": {crowd{processes: 1000, workers: 1, every: s, limit: 1000, stay: 500, join: 60 * s, lasts: 190 * s}, 90 * s, 0.98, 1.02, 1.02},
		"each one caller":         {crowd{processes: 200, workers: 1, limit: 200, lasts: 130 * s}, 30 * s, 0.98, 1.02, 1.02},
		"each twenty":             {crowd{processes: 10, workers: 20, limit: 200, lasts: 130 * s}, 30 * s, 0.99, 1.01, 1.01},
		"who think":               {crowd{processes: 40, workers: 1, think: s, limit: 200, lasts: 130 * s}, 20 * s, 0.98, 1.02, 1.02},
		"below the limit":         {crowd{processes: 10, workers: 1, think: s, limit: 200, lasts: 60 * s}, 0, 0.49, 0.51, 1},
		"of a window":             {crowd{processes: 200, workers: 1, limit: 200, kind: meter.Window, lasts: 130 * s}, 30 * s, 0.98, 1.02, 1.15},
		"a thousand, of a window": {crowd{processes: 1000, workers: 1, every: s, limit: 1000, kind: meter.Window, lasts: 130 * s}, 30 * s, 0.99, 1.01, 1.1},
		"half leave, of a window": {crowd{processes: 1000, workers: 1, every: s, limit: 1000, kind: meter.Window, stay: 500, leave: 60 * s, lasts: 190 * s}, 110 * s, 0.97, 1.01, 1.05},
		"half come, of a window":  {crowd{processes: 1000, workers: 1, every: s, limit: 1000, kind: meter.Window, stay: 500, join: 60 * s, lasts: 190 * s}, 110 * s, 0.98, 1.01, 1.2},
		"each twenty, of windows": {crowd{processes: 10, workers: 20, limit: 200, kind: meter.Window, lasts: 130 * s}, 30 * s, 0.98, 1.01, 1.1},
		"of a window in seconds":  {crowd{processes: 200, workers: 1, limit: 200, kind: meter.Window, seconds: true, lasts: 130 * s}, 30 * s, 0.98, 1.02, 1.15},
		"each twenty, in seconds": {crowd{processes: 10, workers: 20, limit: 200, kind: meter.Window, seconds: true, lasts: 130 * s}, 30 * s, 0.98, 1.01, 1.1},
		"who think, of a window":  {crowd{processes: 40, workers: 1, think: s, limit: 200, kind: meter.Window, lasts: 130 * s}, 30 * s, 0.98, 1.01, 1.05},
		"alone, of a window":      {crowd{processes: 1, workers: 50, limit: 200, kind: meter.Window, lasts: 60 * s}, 0, 0.99, 1.01, 1.005},
		"alone with one caller":   {crowd{processes: 1, workers: 1, limit: 200, lasts: 60 * s}, 15 * s, 0.99, 1.01, 1},
		"alone with many":         {crowd{processes: 1, workers: 50, limit: 200, lasts: 60 * s}, 15 * s, 0.99, 1.01, 1},
		"all others leave":        {crowd{processes: 200, workers: 1, limit: 200, stay: 1, leave: 60 * s, lasts: 140 * s}, 90 * s, 0.97, 1.03, 1.01},
		"all others leave, many":  {crowd{processes: 10, workers: 20, limit: 200, stay: 1, leave: 60 * s, lasts: 140 * s}, 70 * s, 0.97, 1.03, 1.01},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds := uint64(3)
			if x.start+x.join+x.leave > 0 {
				seeds = 1 // these take long
			}
			for seed := range seeds {
				y := x.run(t, seed)
				began, first := y.during(0, max(x.from, s))
				goodput, tries := y.during(x.from, x.lasts)
				t.Logf("%.1f %% of the limit, %.2f attempts a success; before %.1f %%, %.2f", 100*goodput, tries, 100*began, first)
				if goodput < x.least || goodput > x.most || tries > x.tries {
					t.Errorf("%.1f %% of the limit and %.2f attempts a success with seed %d, want %v to %v in at most %v", 100*goodput, tries, seed, x.least, x.most, x.tries)
				}
			}
		})
	}
}

// TestAReserveIsPutByGradually: what a share leaves over of an hour's limit is minutes
// of it, which nobody waits for at once.
func TestAReserveIsPutByGradually(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const every = 3600 * time.Millisecond
		api := &limiter{limit: 1000, per: time.Hour, write: forms()["epoch_ms"].write}
		hourly := strings.Replace(fmt.Sprintf(crowdSpec, "epoch_ms", 1000, "gcra"), "per: 10s", "per: 1h", 1)
		transport := &failwell.Transport{Contract: contract.MustParse([]byte(hourly)), Base: api, MaxWait: -1}
		call := func() time.Duration {
			began := time.Now()
			resp, err := transport.RoundTrip(get(t.Context(), t))
			if err := failwell.Check(resp, err); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		call()
		api.full = time.Now().Add(time.Hour + every) // others used it up
		if took := call(); took != 2*every || api.no != 1 {
			t.Fatalf("%d refused, through after %v, want 1 and %v", api.no, took, 2*every)
		}
		for range 5 {
			if took := call(); took < every || took > 4*every {
				t.Errorf("a call waited for %v, want at most twice its share of %v", took, 2*every)
			}
		}
	})
}
