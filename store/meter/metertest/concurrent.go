package metertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/store/meter"
)

// together runs n callers at once and waits for all.
func (f *fixture) together(n int, do func(i int) error) {
	f.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := do(i); err != nil {
				f.Error(err)
			}
		})
	}
	wg.Wait()
	if f.Failed() {
		f.FailNow()
	}
}

// testExact is law 5: whatever the order, exactly as many calls are admitted as
// the tighter limit allows, each counted once, of every kind.
func testExact(f *fixture) {
	const callers, each, limit, own = 16, 20, 100, 8
	for _, r := range []*meter.Rule{
		{Kind: meter.Rate, Limit: limit, Per: 100 * time.Hour},
		{Kind: meter.Window, Limit: limit, Per: 100 * time.Hour},
		{Kind: meter.Allowance, Limit: limit},
		{Kind: meter.Balance},
		{Kind: meter.Capacity, Limit: limit},
	} {
		c := f.calls(f, r, &meter.Rule{Limit: own, Per: 100 * time.Hour})
		if r.Kind == meter.Balance {
			c.settle(meter.Settlement{}, limit, 0)
		}
		var admitted atomic.Int64
		f.together(callers, func(i int) error {
			mine := c.like(uint32(i+1), "")
			mine.Demands[1].Subject += fmt.Sprint("-", i)
			mine.Demands[0].Cost, mine.Demands[1].Cost = 1, 1
			for range each {
				if err := f.Meter.Take(f.ctx, &mine.Taking); err != nil {
					return fmt.Errorf("take: %w", err)
				}
				if mine.Admitted {
					admitted.Add(1)
				}
			}
			return nil
		})
		if want := min(callers*own, int64(limit)); admitted.Load() != want {
			f.Errorf("kind %d: %d were admitted, want exactly %d", r.Kind, admitted.Load(), want)
		}
		c.remains(0)
	}
}

// testExactHolds has callers hold and free slots and units at random: never more
// are held than there are, and what is left over at the end is exact.
func testExactHolds(f *fixture) {
	const callers, each, slots, units = 12, 20, 4, 120
	c := f.calls(f, &meter.Rule{Kind: meter.Slots, Limit: slots}, &meter.Rule{Kind: meter.Allowance, Limit: units})
	var running, kept atomic.Int64
	f.together(callers, func(i int) error {
		mine := c.like(uint32(i+1), "")
		mine.Demands[0].Cost, mine.Demands[1].Cost = 1, 2
		for n := range each {
			mine.Hold, mine.Claim = fmt.Sprintf("call-%d-%d", i, n), f.claims.Add(1)
			if err := f.Meter.Take(f.ctx, &mine.Taking); err != nil {
				return fmt.Errorf("take: %w", err)
			}
			if !mine.Admitted {
				continue
			}
			if now := running.Add(1); now > slots {
				return fmt.Errorf("%d run at once in %d slots", now, slots)
			}
			keep := int64(n % 3)
			kept.Add(keep)
			running.Add(-1)
			s := meter.Settlement{Owner: mine.Owner, Hold: mine.Hold, Claim: mine.Claim, Changes: []meter.Change{
				{Demand: mine.Demands[0]}, {Demand: mine.Demands[1], Kept: keep},
			}}
			if err := f.Meter.Settle(f.ctx, &s); err != nil {
				return fmt.Errorf("settle: %w", err)
			}
		}
		return nil
	})
	c.Hold = "asks"
	c.remains(slots)
	c.Demands = c.Demands[1:]
	c.Outcomes = c.Outcomes[1:]
	c.remains(max(units-kept.Load(), 0))
}

// testNames: owner, limit, subject and operation each tell states apart.
func testNames(f *fixture) {
	for _, r := range []*meter.Rule{{Limit: 1, Per: time.Hour}, {Kind: meter.Allowance, Limit: 1}} {
		c := f.calls(f, r)
		change := []func(*caller){
			func(*caller) {},
			func(c *caller) { c.Demands[0].Limit += "x" },
			func(c *caller) { c.Demands[0].Subject += "x" },
			func(c *caller) { c.Demands[0].Operation = "x" },
			func(c *caller) { c.Demands[0].Operation = c.Demands[0].Subject },
			func(c *caller) { c.Demands[0].Limit, c.Demands[0].Subject = "a", "b\x00c" },
			func(c *caller) { c.Demands[0].Limit, c.Demands[0].Subject = "a\x00b", "c" },
			func(c *caller) { c.Demands[0].Limit, c.Demands[0].Subject = "a/b", "c" },
			func(c *caller) { c.Demands[0].Limit, c.Demands[0].Subject = "a", "b/c" },
			func(c *caller) { c.Demands[0].Limit, c.Demands[0].Subject = "é…", "{1}:" },
		}
		for round := range 2 {
			for i := range change {
				mine := c.like(0, "")
				change[i](mine)
				if mine.take(1) != (round == 0) {
					f.Fatalf("round %d, name %d: %+v", round, i, mine.Outcomes)
				}
			}
		}
	}
}
