package metertest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/storetest"
)

// testSteps compares outcomes with those of meter's own arithmetic, to the
// tick, with several callers, holds and kinds. Clocks that go back are left
// out: a keeper may have forgotten by then what was over.
func testSteps(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		f.Clock.Set(storetest.NewClock().Now())
		c := f.calls(t, drawRate(t, "a"), drawRate(t, "b"), &meter.Rule{Kind: meter.Allowance, Limit: 20}, &meter.Rule{Kind: meter.Slots, Limit: 5})
		states := make([]meter.State, len(c.Demands))
		names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			for i := range c.Demands {
				c.Demands[i].Cost = rapid.SampledFrom([]int64{0, 1, 1, 1, 2, 3}).Draw(t, "cost")
			}
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1:
				s := meter.Settlement{Owner: c.Owner, Hold: rapid.OneOf(rapid.Just(""), names).Draw(t, "hold")}
				s.Left = s.Hold != "" && rapid.Bool().Draw(t, "left")
				s.Whole = s.Hold != "" && !s.Left && rapid.Bool().Draw(t, "whole")
				if back := rapid.Uint64Range(0, 4).Draw(t, "claim"); s.Hold != "" && back > 0 {
					s.Claim = f.claims.Load() - min(back, f.claims.Load()) + 1
				}
				for _, d := range c.Demands {
					s.Changes = append(s.Changes, meter.Change{Demand: d, Kept: rapid.Int64Range(0, 3).Draw(t, "kept")})
				}
				s.Resolve(states, meter.At(f.Clock.Now()))
				if err := f.Meter.Settle(f.ctx, &s); err != nil {
					t.Fatalf("settle: %v", err)
				}
			case 2, 3:
				f.Clock.Advance(rapid.SampledFrom([]time.Duration{
					1, 999, time.Microsecond, time.Millisecond, time.Second, 17 * time.Second, time.Hour, 300 * time.Hour,
				}).Draw(t, "by"))
			default:
				c.Caller, c.Hold = rapid.Uint32Range(0, 6).Draw(t, "caller"), names.Draw(t, "hold")
				want := c.like(c.Caller, c.Hold)
				want.Claim = f.claims.Load() + 1
				want.Decide(states, meter.At(f.Clock.Now()))
				if c.again(); c.Admitted != want.Admitted {
					t.Fatalf("admitted %v, want %v", c.Admitted, want.Admitted)
				}
				for i := range want.Outcomes {
					if c.Outcomes[i] != want.Outcomes[i] {
						t.Fatalf("limit %d: %+v, want %+v", i, c.Outcomes[i], want.Outcomes[i])
					}
				}
			}
		}
	})
}
