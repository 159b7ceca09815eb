package admission

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract"
)

// fakeClock is a clock without a monotonic reading that tests set.
type fakeClock struct{ ns atomic.Int64 }

func newFakeClock() *fakeClock {
	c := &fakeClock{}
	c.ns.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *fakeClock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *fakeClock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

var bothAlgorithms = []contract.Algorithm{contract.GCRA, contract.FixedWindow}

func drawRate(t *rapid.T, name string) *contract.Rate {
	r := &contract.Rate{
		Name:  name,
		Limit: rapid.Int64Range(1, 50).Draw(t, name+" limit"),
		// Odd lengths, so that steps do not divide them.
		Per:       time.Duration(rapid.Int64Range(1, 7_200_000_000_007).Draw(t, name+" per")),
		Algorithm: rapid.SampledFrom(bothAlgorithms).Draw(t, name+" algorithm"),
	}
	if rapid.Bool().Draw(t, name+" bursty") {
		r.Burst = rapid.Int64Range(1, 60).Draw(t, name+" burst")
	}
	return r
}

type asker struct {
	clock    *fakeClock
	limiter  *LocalLimiter
	demands  []Demand
	outcomes []Outcome
}

func newAsker(rates ...*contract.Rate) *asker {
	a := &asker{clock: newFakeClock(), outcomes: make([]Outcome, len(rates))}
	a.limiter = &LocalLimiter{Clock: a.clock.Now}
	for _, r := range rates {
		a.demands = append(a.demands, Demand{Limit: r.Name, Subject: "key_1", Rate: r})
	}
	return a
}

// testContext is what *testing.T and *rapid.T have in common.
type testContext interface {
	Context() context.Context
	Fatal(args ...any)
}

func (a *asker) take(t testContext, cost int64) (bool, Outcome) {
	for i := range a.demands {
		a.demands[i].Cost = cost
	}
	admitted, err := a.limiter.Take(t.Context(), "acct", a.demands, a.outcomes)
	if err != nil {
		t.Fatal(err)
	}
	return admitted, a.outcomes[binding(a.outcomes)]
}

// TestLawOfWaiting is law 3: who waits exactly RetryAfter is admitted, who
// comes a nanosecond earlier is not; over one limit and over three.
func TestLawOfWaiting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := newAsker(drawRate(t, "a"))
		if rapid.Bool().Draw(t, "several") {
			a = newAsker(drawRate(t, "a"), drawRate(t, "b"), drawRate(t, "c"))
		}
		a.clock.Advance(time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "start")))
		refusals := 0
		for range 200 {
			cost := rapid.Int64Range(1, 5).Draw(t, "cost")
			admitted, o := a.take(t, cost)
			switch {
			case admitted:
				a.clock.Advance(time.Duration(rapid.Int64Range(0, int64(a.demands[0].Rate.Per)/20+1).Draw(t, "pause")))
				continue
			case o.Never:
				continue
			}
			if refusals++; o.RetryAfter <= 0 {
				t.Fatalf("refused, but to wait %v", o.RetryAfter)
			}
			a.clock.Advance(o.RetryAfter - 1)
			if early, _ := a.take(t, cost); early {
				t.Fatalf("admitted 1 ns before %v had passed", o.RetryAfter)
			}
			a.clock.Advance(1)
			if late, o := a.take(t, cost); !late {
				t.Fatalf("refused after the wait: %+v", o)
			}
		}
	})
}

// TestLawOfRemaining is law 4: while Remaining is 1 or more, a call of cost 1
// is admitted, and Remaining counts exactly those; Reset stands still meanwhile.
func TestLawOfRemaining(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := newAsker(drawRate(t, "a"), drawRate(t, "b"))
		least := func() int64 { return min(a.outcomes[0].Remaining, a.outcomes[1].Remaining) }
		for range 20 {
			admitted, _ := a.take(t, rapid.Int64Range(1, 4).Draw(t, "cost"))
			before := [2]time.Time{a.outcomes[0].Reset, a.outcomes[1].Reset}
			pause := min(before[0].Sub(a.clock.Now()), before[1].Sub(a.clock.Now())) / 2
			if admitted {
				a.clock.Advance(pause)
			}
			if asked, _ := a.take(t, 0); !asked {
				t.Fatal("asking was refused")
			}
			for i := range a.outcomes {
				if got := a.outcomes[i].Reset; admitted && !got.Equal(before[i]) {
					t.Fatalf("reset moved without traffic from %v to %v", before[i], got)
				}
			}
			left := least()
			for range rapid.Int64Range(0, left).Draw(t, "calls") {
				before := least()
				if admitted, o := a.take(t, 1); !admitted || before < 1 || least() != before-1 {
					t.Fatalf("%d remaining, then %+v", before, o)
				}
			}
			if least() == 0 {
				if admitted, _ := a.take(t, 1); admitted {
					t.Fatal("0 remaining, but admitted")
				}
			}
			a.clock.Advance(time.Duration(rapid.Int64Range(0, int64(a.demands[0].Rate.Per)).Draw(t, "pause")))
		}
	})
}

// TestRefusedCostsNothing: however many calls are refused in between, the next
// one is admitted at the same instant.
func TestRefusedCostsNothing(t *testing.T) {
	t.Parallel()
	for _, algorithm := range bothAlgorithms {
		narrow := &contract.Rate{Name: "narrow", Limit: 2, Per: time.Minute, Algorithm: algorithm}
		wide := &contract.Rate{Name: "wide", Limit: 1000, Per: time.Minute, Algorithm: algorithm}
		a := newAsker(wide, narrow)
		a.take(t, 1)
		a.take(t, 1)
		for range 50 {
			if admitted, o := a.take(t, 1); admitted || a.outcomes[0].Refused || a.outcomes[0].Remaining != 998 || o.Remaining != 0 {
				t.Fatalf("%s: admitted %v, %+v", algorithm, admitted, a.outcomes)
			}
		}
		if _, o := a.take(t, 3); !o.Never || a.outcomes[0].Never {
			t.Fatalf("%s: cost above the burst can never be admitted: %+v", algorithm, a.outcomes)
		}
	}
}

// TestLawOfConcurrency is law 5 in one process: whatever the order, exactly as
// many calls are admitted as the tighter limit allows, each counted once.
func TestLawOfConcurrency(t *testing.T) {
	t.Parallel()
	const callers, each, limit = 32, 50, 500
	for _, algorithm := range bothAlgorithms {
		clock := newFakeClock()
		l := &LocalLimiter{Clock: clock.Now}
		shared := &contract.Rate{Name: "shared", Limit: limit, Per: time.Hour, Algorithm: algorithm}
		own := &contract.Rate{Name: "own", Limit: 20, Per: time.Hour, Algorithm: algorithm}
		var admitted, asIfAlone atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				demands := []Demand{
					{Limit: "shared", Subject: "acct", Rate: shared, Cost: 1},
					{Limit: "own", Subject: string(rune('a' + i)), Rate: own, Cost: 1},
				}
				outcomes := make([]Outcome, 2)
				for range each {
					ok, err := l.Take(t.Context(), "acct", demands, outcomes)
					if err != nil {
						t.Error(err)
					}
					if ok {
						admitted.Add(1)
					}
				}
				asIfAlone.Add(20)
			})
		}
		wg.Wait()
		if want := min(asIfAlone.Load(), limit); admitted.Load() != want {
			t.Errorf("%s: %d admitted, want exactly %d", algorithm, admitted.Load(), want)
		}
	}
}

// TestClockThatJumpsBack: nobody waits longer than a window, and who was idle
// does not wait at all.
func TestClockThatJumpsBack(t *testing.T) {
	t.Parallel()
	for _, algorithm := range bothAlgorithms {
		a := newAsker(&contract.Rate{Name: "a", Limit: 3, Per: time.Minute, Algorithm: algorithm})
		for range 3 {
			a.take(t, 1)
		}
		a.clock.Advance(-time.Hour)
		if admitted, o := a.take(t, 1); !admitted {
			t.Errorf("%s: locked out after an hour back: %+v", algorithm, o)
		}
		a.take(t, 1)
		a.take(t, 1)
		a.clock.Advance(-10 * time.Second)
		if admitted, o := a.take(t, 1); !admitted && o.RetryAfter > time.Minute {
			t.Errorf("%s: to wait %v of a minute", algorithm, o.RetryAfter)
		}
	}
}

// TestWallClockThatIsSet: waits go on by the monotonic reading, and the
// instants that callers are told follow the wall.
func TestWallClockThatIsSet(t *testing.T) {
	t.Parallel()
	start := time.Now()
	line := newTimeline(start)
	ns := line.at(start.Add(10 * time.Second))
	if got := line.instant(ns); !got.Equal(start.Add(10 * time.Second)) {
		t.Errorf("instant %v", got)
	}
	line.wall.Add(-int64(time.Hour)) // as if the wall had been set an hour on since
	if again := line.at(start.Add(10 * time.Second)); again != ns {
		t.Errorf("the set wall moved the line by %d ns", again-ns)
	}
	if got := line.instant(ns); !got.Equal(start.Add(10 * time.Second)) {
		t.Errorf("told %v after the wall was set", got)
	}
}

func TestRuleSurvivesExtremes(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]contract.Rate{
		"huge burst":  {Limit: 1, Per: 100 * 365 * 24 * time.Hour, Burst: 1e12},
		"huge limit":  {Limit: 1e12, Per: time.Millisecond},
		"huge window": {Limit: 1e12, Per: 100 * 365 * 24 * time.Hour, Algorithm: contract.FixedWindow},
		"zero":        {},
	} {
		rule, now := ruleOf(&r), int64(365*24*time.Hour)
		c, d := rule.take(cell{full: now}, now, 1)
		if d.never || d.wait != 0 || d.remaining < 0 || d.reset < now || c.full < now {
			t.Errorf("%s: %+v of %+v", name, d, rule)
		}
		if _, d := rule.take(c, now, 1e9); d.wait < 0 || d.remaining < 0 {
			t.Errorf("%s: cost of 10^9: %+v", name, d)
		}
	}
}
