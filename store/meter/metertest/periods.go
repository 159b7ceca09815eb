package metertest

import (
	"time"

	"github.com/failwell/failwell/store/meter"
)

// testPeriods: an allowance is full again at midnight UTC, of the first day for
// a month, not a tick sooner, also when the clock goes back over it.
func testPeriods(f *fixture) {
	for _, p := range []struct {
		period     meter.Period
		begin, end time.Time
	}{
		{meter.Month, day(2032, 2, 1), day(2032, 3, 1)},
		{meter.Month, day(2033, 2, 1), day(2033, 3, 1)},
		{meter.Month, day(2033, 12, 1), day(2034, 1, 1)},
		{meter.Month, day(2100, 2, 1), day(2100, 3, 1)}, // no leap year
		{meter.Month, day(2000, 2, 1), day(2000, 3, 1)}, // one
		{meter.Day, day(2032, 2, 28), day(2032, 2, 29)},
		{meter.Day, day(2033, 12, 31), day(2034, 1, 1)},
	} {
		c := f.calls(f, &meter.Rule{Kind: meter.Allowance, Limit: 3, Period: p.period})
		f.Clock.Set(p.begin)
		c.admitted(1)
		if got := c.Outcomes[0].Reset; !got.Equal(p.end) {
			f.Fatalf("from %v on, the allowance is reset at %v, want %v", p.begin, got, p.end)
		}
		f.Clock.Set(p.end.Add(-f.Tick))
		c.admitted(2)
		c.refused(1)
		if c.wait() != f.Tick {
			f.Fatalf("%v before %v: to wait %v", f.Tick, p.end, c.wait())
		}
		f.Clock.Set(p.end)
		c.admitted(3)
		c.refused(1)
		f.Clock.Set(p.end.Add(-time.Hour))
		c.admitted(3)
		c.refused(1)
		if c.wait() != time.Hour {
			f.Fatalf("an hour before %v: to wait %v", p.end, c.wait())
		}
	}
}

func day(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// testHoldsOverPeriods: what was held of one month's allowance is not missing in
// the next one, however it is settled, and a repetition is not charged again.
func testHoldsOverPeriods(f *fixture) {
	end := day(2035, 1, 1)
	for _, left := range []bool{false, true} {
		for _, kept := range []int64{0, 2, 3} {
			f.Clock.Set(end.Add(-time.Minute))
			c := f.calls(f, &meter.Rule{Kind: meter.Allowance, Limit: 3})
			c.Hold = "call"
			c.admitted(2)
			f.Clock.Set(end.Add(time.Minute))
			c.remains(3)
			c.admitted(2)
			c.remains(3)
			c.settle(meter.Settlement{Hold: "call", Left: left}, 2, kept)
			c.remains(3)
			f.Clock.Advance(2 * time.Hour)
			c.remains(3)
		}
	}
}

// testClockBack: after the clock went back an hour nobody waits longer than a
// window, no lease lasts longer than it was given, and what is admitted is no
// more than a window allows.
func testClockBack(f *fixture) {
	for _, kind := range []meter.Kind{meter.Rate, meter.Window} {
		c := f.calls(f, &meter.Rule{Kind: kind, Limit: 3, Per: time.Minute})
		for back := range 3 {
			for i := range uint32(10) {
				c.Caller = i
				c.take(1)
			}
			f.Clock.Advance(-time.Hour)
			admitted := 0
			for i := range uint32(10) {
				c.Caller = i
				if c.take(1) {
					admitted++
				} else if wait := c.wait(); wait <= 0 || wait > time.Minute {
					f.Fatalf("kind %d, %d hours back: to wait %v of a minute", kind, back+1, wait)
				}
			}
			if admitted > 3 {
				f.Fatalf("kind %d, %d hours back: %d admitted, the limit is 3", kind, back+1, admitted)
			}
			f.Clock.Advance(time.Minute)
			c.admitted(1)
			f.Clock.Advance(time.Minute)
		}
	}
	for _, k := range []meter.Kind{meter.Slots, meter.Capacity} {
		c := f.calls(f, &meter.Rule{Kind: k, Limit: 1})
		c.Hold = "crashed"
		c.admitted(1)
		f.Clock.Advance(-time.Hour)
		c.Hold = "next"
		c.refused(1)
		f.Clock.Advance(time.Minute - time.Microsecond)
		c.refused(1)
		f.Clock.Advance(time.Microsecond)
		c.admitted(1)
	}
	c := f.calls(f, &meter.Rule{Kind: meter.Balance})
	c.settle(meter.Settlement{}, 5, 0)
	c.Hold = "call"
	c.admitted(2)
	f.Clock.Advance(-time.Hour)
	c.remains(3)
	c.settle(meter.Settlement{Hold: "call"}, 2, 1)
	c.remains(4)
}

// testRulesChange: numbers may change while state exists. What was taken stays
// taken, and nobody is locked out.
func testRulesChange(f *fixture) {
	for _, kind := range []meter.Kind{meter.Window, meter.Allowance, meter.Capacity} {
		c := f.calls(f, &meter.Rule{Kind: kind, Limit: 10, Per: time.Hour})
		c.admitted(6)
		c.Demands[0].Rule = &meter.Rule{Kind: kind, Limit: 20, Per: time.Hour}
		c.remains(14)
		c.Demands[0].Rule = &meter.Rule{Kind: kind, Limit: 4, Per: time.Hour}
		c.remains(0)
		c.refused(1)
		c.Demands[0].Rule = &meter.Rule{Kind: kind, Limit: 10, Per: time.Hour}
		c.remains(4)
	}
	c := f.calls(f, &meter.Rule{Limit: 10, Per: 10 * time.Second})
	c.admitted(10)
	for _, r := range []*meter.Rule{
		{Limit: 20, Per: 10 * time.Second}, {Limit: 10, Per: 10 * time.Second, Burst: 2}, {Limit: 1, Per: time.Second},
		{Limit: 1, Per: time.Hour}, {Limit: 1000, Per: time.Minute, Burst: 1}, {Kind: meter.Window, Limit: 1, Per: time.Second},
	} {
		c.Demands[0].Rule = r
		if c.take(1) {
			continue
		}
		if wait := c.wait(); wait <= 0 || wait > span(r) {
			f.Fatalf("%+v: to wait %v", r, wait)
		}
		f.Clock.Advance(c.wait())
		c.admitted(1)
	}
	s := f.calls(f, &meter.Rule{Kind: meter.Slots, Limit: 3})
	for _, hold := range []string{"a", "b", "c"} {
		s.Hold = hold
		s.admitted(1)
	}
	s.Demands[0].Rule = &meter.Rule{Kind: meter.Slots, Limit: 1}
	for _, hold := range []string{"a", "b", "c"} {
		s.remains(0)
		s.settle(meter.Settlement{Hold: hold}, 1, 0)
	}
	s.remains(1)
}
