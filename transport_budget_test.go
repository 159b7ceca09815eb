package failwell_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell"
)

func TestDeadServerIsNotBuried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		base := &script{steps: []step{coded(503, "down")}}
		tr := &failwell.Transport{Contract: parcels(), Base: base}
		const calls = 10_000
		var stopped sync.Map
		var group sync.WaitGroup
		for range calls {
			group.Go(func() {
				resp, err := tr.RoundTrip(get(t.Context(), t))
				stopped.Store(wanted(t, failwell.Check(resp, err)).Stopped, true)
			})
		}
		group.Wait()
		if sent := len(base.seen); sent > calls*11/10 || sent == calls {
			t.Errorf("%d calls became %d attempts", calls, sent)
		}
		if _, ok := stopped.Load(failwell.StopBudget); !ok {
			t.Error("no call says that the budget stopped it")
		}
	})
}

func TestBudget(t *testing.T) {
	t.Parallel()
	down, limited := coded(503, "down"), coded(429, "slow_down", "Retry-After", "1")
	for name, x := range map[string]struct {
		budget failwell.Budget
		step   step
		calls  int
		every  time.Duration
		most   int
		least  int
	}{
		"reserve alone":              {calls: 20, step: down, least: 30, most: 30},
		"reserve is an advance":      {calls: 100, step: down, least: 110, most: 110},
		"then a tenth":               {calls: 1000, step: down, least: 1090, most: 1100},
		"larger ratio":               {calls: 100, budget: failwell.Budget{Ratio: 0.5, Reserve: 1}, step: down, least: 145, most: 150},
		"nothing earned":             {calls: 100, budget: failwell.Budget{Ratio: -1, Reserve: 5}, step: down, least: 105, most: 105},
		"reserve again after a calm": {calls: 30, every: 2 * time.Minute, step: down, least: 120, most: 120},
		"appointments are free":      {calls: 20, step: limited, least: 80, most: 80},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				base := &script{steps: []step{x.step}}
				tr := &failwell.Transport{Contract: parcels(), Base: base, Budget: x.budget}
				for range x.calls {
					resp, err := tr.RoundTrip(get(t.Context(), t))
					if failwell.Check(resp, err) == nil {
						t.Fatal("a dead server answered")
					}
					<-time.After(x.every)
				}
				if sent := len(base.seen); sent < x.least || sent > x.most {
					t.Errorf("%d attempts, want %d to %d", sent, x.least, x.most)
				}
			})
		})
	}
}

// A long healthy time does not pay for a storm.
func TestSavingsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		base := &script{steps: []step{ok()}}
		tr := &failwell.Transport{Contract: parcels(), Base: base}
		call := func() {
			resp, err := tr.RoundTrip(get(t.Context(), t))
			if failwell.Check(resp, err) == nil {
				_ = resp.Body.Close()
			}
		}
		for range 5000 {
			call()
		}
		base.steps, base.seen = []step{coded(503, "down")}, nil
		for range 300 {
			call()
		}
		if again := len(base.seen) - 300; again < 100 || again > 131 {
			t.Errorf("%d repetitions, want the 100 saved and a tenth of 300", again)
		}
	})
}

// The wait before a repetition does not shrink because the budget is short
// (a budget that replaced it would hammer the server at full failure).
func TestBudgetKeepsTheWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		base := &script{steps: []step{coded(503, "down")}}
		tr := &failwell.Transport{Contract: parcels(), Base: base, Budget: failwell.Budget{Ratio: -1, Reserve: 2}, Random: func() float64 { return 0 }}
		resp, err := tr.RoundTrip(get(t.Context(), t))
		e := wanted(t, failwell.Check(resp, err))
		if e.Stopped != failwell.StopBudget || time.Since(epoch) != 3*time.Second || e.Status != http.StatusServiceUnavailable {
			t.Errorf("after %v: %v", time.Since(epoch), e)
		}
	})
}
