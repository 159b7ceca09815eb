package metertest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/store/meter"
)

func drawRate(t *rapid.T, name string) *meter.Rule {
	r := &meter.Rule{
		Kind:  rapid.SampledFrom([]meter.Kind{meter.Rate, meter.Window}).Draw(t, name+" kind"),
		Limit: rapid.Int64Range(1, 50).Draw(t, name+" limit"),
		// Odd lengths, so that steps do not divide them.
		Per: time.Duration(rapid.Int64Range(1, 7_200_000_000_007).Draw(t, name+" per")),
	}
	if rapid.Bool().Draw(t, name+" bursty") {
		r.Burst = rapid.Int64Range(1, 60).Draw(t, name+" burst")
	}
	return r
}

func drawRates(t *rapid.T) []*meter.Rule {
	rules := []*meter.Rule{drawRate(t, "a")}
	if rapid.Bool().Draw(t, "several") {
		rules = append(rules, drawRate(t, "b"), drawRate(t, "c"))
	}
	return rules
}

// testWaiting is law 3: a lone caller who waits exactly RetryAfter is admitted,
// one who comes a tick earlier is not, however often it asks in between, and
// whatever it asked for before.
func testWaiting(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		c := f.calls(t, drawRates(t)...)
		c.Caller = rapid.Uint32Range(0, 1).Draw(t, "caller")
		f.Clock.Advance(time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "start")))
		never := func(o meter.Outcome) bool { return o.Never }
		for range 30 {
			if c.take(rapid.Int64Range(1, 5).Draw(t, "cost")) {
				f.Clock.Advance(time.Duration(rapid.Int64Range(0, int64(c.Demands[0].Rule.Per)/20+1).Draw(t, "pause")))
				continue
			}
			if slices.ContainsFunc(c.Outcomes, never) {
				continue
			}
			wait := c.wait()
			if wait <= 0 {
				t.Fatalf("refused, but to wait %v", wait)
			}
			for range rapid.IntRange(0, 3).Draw(t, "polls") {
				if wait <= 2*f.Tick {
					break
				}
				early := time.Duration(rapid.Int64Range(1, int64(wait-f.Tick)).Draw(t, "early"))
				f.Clock.Advance(early)
				if c.again() || c.wait() != wait-early {
					t.Fatalf("asked %v early: admitted %v, to wait %v", wait-early, c.Admitted, c.wait())
				}
				wait -= early
			}
			if rapid.IntRange(0, 9).Draw(t, "gives up") == 0 {
				continue
			}
			f.Clock.Advance(wait - f.Tick)
			if c.again() {
				t.Fatalf("admitted %v before %v had passed", f.Tick, wait)
			}
			f.Clock.Advance(f.Tick)
			if !c.again() {
				t.Fatalf("refused after the wait: %+v", c.Outcomes)
			}
		}
	})
}

// testWaitingReal is the same by a clock that goes by itself: no admission may
// end before the wait can be over, none that begins after it may be refused.
func testWaitingReal(f *fixture) {
	for _, kind := range []meter.Kind{meter.Rate, meter.Window} {
		c := f.calls(f, &meter.Rule{Kind: kind, Limit: 3, Per: 90 * time.Millisecond, Burst: 2})
		for range 6 {
			for c.take(1) {
			}
			if f.Clock != nil {
				f.Clock.Advance(c.wait())
				continue
			}
			soonest, latest := time.Time{}, time.Time{}
			for deadline := time.Now().Add(10 * time.Second); ; {
				began := time.Now()
				admitted := c.again()
				ended := time.Now()
				if admitted && ended.Before(soonest) {
					f.Fatalf("kind %d: admitted %v early", kind, soonest.Sub(ended))
				}
				if !admitted && (!latest.IsZero() && began.After(latest) || ended.After(deadline)) {
					f.Fatalf("kind %d: refused %v late: %+v", kind, began.Sub(latest), c.Outcomes)
				}
				if admitted {
					break
				}
				if from := began.Add(c.wait()); from.After(soonest) {
					soonest = from
				}
				if to := ended.Add(c.wait()); latest.IsZero() || to.Before(latest) {
					latest = to
				}
			}
		}
	}
}

// testRemaining is law 4: while Remaining is 1 or more, a call of cost 1 is
// admitted, and Remaining counts exactly those; Reset stands still meanwhile.
func testRemaining(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		c := f.calls(t, drawRate(t, "a"), drawRate(t, "b"))
		least := func() int64 { return min(c.Outcomes[0].Remaining, c.Outcomes[1].Remaining) }
		for range 20 {
			admitted := c.take(rapid.Int64Range(1, 4).Draw(t, "cost"))
			before := []time.Time{c.Outcomes[0].Reset, c.Outcomes[1].Reset}
			if now := f.Clock.Now(); admitted {
				f.Clock.Advance(max(min(before[0].Sub(now), before[1].Sub(now))/2, 0))
			}
			if !c.take(0) {
				t.Fatalf("asking was refused")
			}
			for i := range c.Outcomes {
				if got := c.Outcomes[i].Reset; admitted && before[i].After(f.Clock.Now()) && !got.Equal(before[i]) {
					t.Fatalf("reset moved without traffic from %v to %v", before[i], got)
				}
			}
			for range rapid.Int64Range(0, least()).Draw(t, "calls") {
				before := least()
				if c.take(1); !c.Admitted || before < 1 || least() != before-1 {
					t.Fatalf("%d remaining, then %+v", before, c.Outcomes)
				}
			}
			if least() == 0 {
				c.refused(1)
			}
			f.Clock.Advance(time.Duration(rapid.Int64Range(0, int64(c.Demands[0].Rule.Per)).Draw(t, "pause")))
		}
	})
}

// testRefusedCostsNothing: however many calls are refused, whoever made them,
// what was free for others stays free.
func testRefusedCostsNothing(f *fixture) {
	for _, kind := range []meter.Kind{meter.Rate, meter.Window} {
		c := f.calls(f, &meter.Rule{Kind: kind, Limit: 1000, Per: time.Hour}, &meter.Rule{Kind: kind, Limit: 2, Per: time.Hour})
		c.admitted(1)
		c.admitted(1)
		for i := range uint32(50) {
			c.Caller = i
			c.refused(1)
			if o := c.Outcomes; o[0].Refused || o[0].Remaining != 998 || !o[1].Refused || o[1].Remaining != 0 {
				f.Fatalf("kind %d: %+v", kind, o)
			}
			if c.wait() > time.Hour {
				f.Fatalf("kind %d: to wait %v of an hour", kind, c.wait())
			}
		}
		c.Demands, c.Outcomes = c.Demands[:1], c.Outcomes[:1]
		c.admitted(998)
	}
}

func testNever(f *fixture) {
	for _, r := range []*meter.Rule{
		{Kind: meter.Rate, Limit: 5, Per: time.Hour},
		{Kind: meter.Rate, Limit: 90, Per: time.Hour, Burst: 5},
		{Kind: meter.Window, Limit: 5, Per: time.Hour},
		{Kind: meter.Allowance, Limit: 5},
		{Kind: meter.Capacity, Limit: 5},
		{Kind: meter.Slots, Limit: 5},
	} {
		c := f.calls(f, &meter.Rule{Limit: 1000, Per: time.Hour}, r)
		c.Hold = "metertest"
		c.refused(6)
		if o := c.Outcomes; o[0].Refused || o[0].Never || !o[1].Refused || !o[1].Never || o[1].RetryAfter != 0 || o[1].Remaining != 5 {
			f.Fatalf("6 of 5: %+v", o)
		}
		c.admitted(5)
	}
}

// testAsking: a cost of 0 is admitted where nothing is left, and changes nothing.
func testAsking(f *fixture) {
	for _, r := range []*meter.Rule{
		{Kind: meter.Rate, Limit: 2, Per: time.Hour},
		{Kind: meter.Window, Limit: 2, Per: time.Hour},
		{Kind: meter.Allowance, Limit: 2},
		{Kind: meter.Balance},
		{Kind: meter.Capacity, Limit: 2},
		{Kind: meter.Slots, Limit: 2},
	} {
		c := f.calls(f, r)
		if r.Kind == meter.Balance {
			c.settle(meter.Settlement{}, 2, 0)
		}
		c.Hold = "asks"
		c.remains(2)
		c.Hold = "metertest"
		c.admitted(2)
		c.Hold = "asks"
		for range 3 {
			c.remains(0)
		}
		c.refused(1)
		c.remains(0)
	}
}

// testAllOrNothing: a call over one limit of each kind is charged in all of them
// or in none.
func testAllOrNothing(f *fixture) {
	rules := []*meter.Rule{
		{Kind: meter.Rate, Limit: 10, Per: time.Hour},
		{Kind: meter.Window, Limit: 10, Per: time.Hour},
		{Kind: meter.Allowance, Limit: 10},
		{Kind: meter.Balance},
		{Kind: meter.Capacity, Limit: 10},
		{Kind: meter.Slots, Limit: 10},
	}
	for narrow := range rules {
		c := f.calls(f, rules...)
		c.Hold = "metertest"
		// 10 units were paid in, or 3 where that is the narrow one.
		payer := c.like(0, "")
		payer.Demands = c.Demands[3:4]
		payer.settle(meter.Settlement{}, 10, 0)
		used := c.like(0, "used")
		used.Demands, used.Outcomes = used.Demands[narrow:narrow+1], used.Outcomes[:1]
		used.admitted(7)

		c.refused(4)
		for i := range rules {
			want := int64(10)
			if i == narrow {
				want = 3
			}
			if o := c.Outcomes[i]; o.Remaining != want || o.Refused != (i == narrow) {
				f.Fatalf("limit %d is narrow; limit %d: %+v", narrow, i, o)
			}
		}
		c.admitted(3)
		for i := range rules {
			want := int64(7)
			if i == narrow {
				want = 0
			}
			if o := c.Outcomes[i]; o.Remaining != want || o.Refused {
				f.Fatalf("limit %d is narrow; then limit %d: %+v", narrow, i, o)
			}
		}
	}
}

// testCorrections: what a call took of a rate can be given back, and more can
// be taken than there is; nobody gains or owes more than all of it.
func testCorrections(f *fixture) {
	for _, kind := range []meter.Kind{meter.Rate, meter.Window} {
		c := f.calls(f, &meter.Rule{Kind: kind, Limit: 10, Per: time.Hour})
		c.settle(meter.Settlement{}, 5, 0)
		c.remains(10)
		c.admitted(6)
		c.settle(meter.Settlement{}, 6, 2)
		c.remains(8)
		c.settle(meter.Settlement{}, 0, 1)
		c.remains(7)
		c.settle(meter.Settlement{}, 3, 3)
		c.remains(7)
		c.settle(meter.Settlement{}, 0, 500)
		c.remains(0)
		c.refused(1)
		if wait := c.wait(); wait > time.Hour {
			f.Fatalf("kind %d: to wait %v of an hour", kind, wait)
		}
		c.settle(meter.Settlement{}, 1, 0)
		c.remains(1)
		c.settle(meter.Settlement{}, 500, 0)
		c.remains(10)
		c.settle(meter.Settlement{Hold: "metertest"}, 5, 0)
		c.remains(10)
	}
}
