package failwell_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
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
	processes, workers int           // workers of each process
	think              time.Duration // of each worker between two calls
	limit              int64         // in ten seconds
	kind               meter.Kind
	// leave is when all but the first process end; 0 is never.
	leave         time.Duration
	warm, counted time.Duration
}

func (x *crowd) rule() *meter.Rule {
	return &meter.Rule{Kind: x.kind, Limit: x.limit, Per: 10 * time.Second}
}

// metered is an API whose limit a gateway's meter keeps: Retry-After in whole
// seconds is an appointment of each caller's own.
type metered struct {
	crowd

	keeper         meter.Local
	began          time.Time
	attempts, good int
	mu             sync.Mutex
}

type processKey struct{}

func (m *metered) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(time.Duration(rand.Int64N(int64(4 * time.Millisecond))))
	who, _ := req.Context().Value(processKey{}).(uint32)
	t := meter.Taking{
		Owner: "key", Caller: who, Outcomes: make([]meter.Outcome, 1),
		Demands: []meter.Demand{{Limit: "plan/only/rate", Subject: "key", Rule: m.rule(), Cost: 1}},
	}
	if err := m.keeper.Take(req.Context(), &t); err != nil {
		return nil, err
	}
	o := &t.Outcomes[0]
	h := http.Header{
		"X-Ratelimit-Limit": {strconv.FormatInt(m.limit, 10)}, "X-Ratelimit-Remaining": {strconv.FormatInt(o.Remaining, 10)},
		"X-Ratelimit-Reset": {strconv.FormatInt(o.Reset.UnixMilli(), 10)},
	}
	step := ok()
	if !t.Admitted {
		step = coded(429, "slow_down")
		h["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(o.RetryAfter.Seconds())))}
	}
	h["Content-Type"] = []string{"application/json"}
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.began) >= m.warm {
		m.attempts++
		if t.Admitted {
			m.good++
		}
	}
	return &http.Response{StatusCode: step.status, Header: h, Body: io.NopCloser(bodyOf(step.body)), Request: req}, nil
}

// run returns the part of the limit that was used, and the attempts each success took.
func (x crowd) run(t *testing.T) (goodput, attempts float64) {
	t.Helper()
	algorithm := "gcra"
	if x.kind == meter.Window {
		algorithm = "window"
	}
	c := contract.MustParse(fmt.Appendf(nil, crowdSpec, x.limit, algorithm))
	synctest.Test(t, func(t *testing.T) {
		api := &metered{crowd: x, began: time.Now()}
		during, stop := context.WithCancel(t.Context()) // no deadline, which clients would obey
		time.AfterFunc(x.warm+x.counted, stop)
		var group sync.WaitGroup
		for n := range x.processes {
			transport := &failwell.Transport{Contract: c, Base: api, NoKeys: true, MaxAttempts: 1 << 20, MaxWait: -1}
			lives, leave := context.WithCancel(during)
			defer leave()
			if x.leave > 0 && n > 0 {
				time.AfterFunc(x.leave, leave)
			}
			for w := range x.workers {
				mine := context.WithValue(lives, processKey{}, uint32(n*x.workers+w+1))
				group.Go(func() {
					time.Sleep(time.Duration(rand.Int64N(int64(time.Second))))
					for mine.Err() == nil {
						req, err := http.NewRequestWithContext(mine, http.MethodGet, "http://limited.example/", http.NoBody)
						if err != nil {
							panic(err)
						}
						if _, err := transport.RoundTrip(req); err == nil {
							time.Sleep(x.think)
						}
					}
				})
			}
		}
		group.Wait()
		goodput = float64(api.good) / (float64(x.limit) * x.counted.Seconds() / 10)
		attempts = float64(api.attempts) / float64(max(api.good, 1))
	})
	return goodput, attempts
}

const crowdSpec = `
failwell: 1
api: crowd
envelopes: {standard: {body: {error: {code: $code, message: $message}}}}
client: {attempts: 4, backoff: {first: 1s, factor: 2}, hints: [{header: Retry-After}]}
headers: {rate_limit: {on: all, limit: X-RateLimit-Limit, remaining: X-RateLimit-Remaining, reset: X-RateLimit-Reset, reset_format: epoch_ms}}
plans: {only: {rate: {limit: %d, per: 10s, algorithm: %s}}}
errors:
  slow_down: {status: 429, is: [rate_limited], retry: after_wait, message: Slow down.}
  bad: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing], message: Bad.}
  broken: {status: 500, is: [internal, unavailable], message: Broken.}
`

// TestCrowdsLearnTheirShare: processes that know nothing of each other come about
// once for each call that gets in, use all of the limit, and see when others have gone.
// Without a share each success takes two attempts, as it does
// of a window, whose units are lost when they are not used.
func TestCrowdsLearnTheirShare(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, x := range map[string]struct {
		crowd

		least, most, attempts float64
	}{
		"each one caller":        {crowd{processes: 200, workers: 1, limit: 200, warm: 15 * s, counted: 45 * s}, 0.95, 1.05, 1.4},
		"each twenty":            {crowd{processes: 10, workers: 20, limit: 200, warm: 15 * s, counted: 45 * s}, 0.95, 1.05, 1.4},
		"who think":              {crowd{processes: 40, workers: 1, think: s, limit: 200, warm: 15 * s, counted: 45 * s}, 0.96, 1.04, 1.1},
		"below the limit":        {crowd{processes: 10, workers: 1, think: s, limit: 200, warm: 15 * s, counted: 45 * s}, 0.49, 0.51, 1},
		"of a window":            {crowd{processes: 200, workers: 1, limit: 200, kind: meter.Window, warm: 20 * s, counted: 100 * s}, 0.96, 1.04, 2.1},
		"alone with one caller":  {crowd{processes: 1, workers: 1, limit: 200, warm: 15 * s, counted: 45 * s}, 0.97, 1.04, 1.01},
		"alone with many":        {crowd{processes: 1, workers: 50, limit: 200, warm: 15 * s, counted: 45 * s}, 0.97, 1.04, 1.01},
		"all others leave":       {crowd{processes: 200, workers: 1, limit: 200, leave: 60 * s, warm: 120 * s, counted: 60 * s}, 0.9, 1.2, 1.1},
		"all others leave, many": {crowd{processes: 10, workers: 20, limit: 200, leave: 60 * s, warm: 120 * s, counted: 60 * s}, 0.9, 1.2, 1.1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goodput, attempts := x.run(t)
			t.Logf("%.1f %% of the limit, %.2f attempts a success", 100*goodput, attempts)
			if goodput < x.least || goodput > x.most || attempts > x.attempts {
				t.Errorf("want %v to %v of the limit in at most %v attempts a success", x.least, x.most, x.attempts)
			}
		})
	}
}
