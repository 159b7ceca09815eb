// Package metertest is the conformance suite of package meter: what it asks is
// what meter.Meter and docs/design.md promise, and whoever keeps limits passes
// all of it.
package metertest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/storetest"
)

// Keeper is a meter under test.
type Keeper struct {
	// Meter is Required. It has no state, or none under the names of the suite,
	// which begin with "metertest".
	Meter meter.Meter
	// Clock is the clock that the meter goes by. Optional: nil means a real one
	// that nobody can move, for example a server's. Then the suite uses short
	// windows, waits for them by asking, and leaves out what takes days.
	Clock *storetest.Clock
	// Tick is Optional: the shortest time that the meter can tell apart; 0 means
	// a microsecond.
	Tick time.Duration
	// Apart is Optional: some kinds are kept by another meter behind this one.
	// Everything holds, but a call that one of them refuses may cost the other's
	// callers a better appointment, so outcomes are not those of one decision to
	// the tick.
	Apart bool
}

// Open gives a test a meter of its own and closes it in t.Cleanup.
type Open func(t *testing.T) Keeper

// Driven opens meters that read a clock of the suite's.
func Driven(open func(t *testing.T, clock func() time.Time) meter.Meter) Open {
	return func(t *testing.T) Keeper {
		t.Helper()
		clock := storetest.NewClock()
		return Keeper{Meter: open(t, clock.Now), Clock: clock}
	}
}

// Run checks a meter against the contract of meter.Meter.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range []struct {
		name string
		// driven cases need a clock that can be moved.
		driven bool
		test   func(*fixture)
	}{
		{"who waits is admitted, who comes early is not", true, testWaiting},
		{"who waits for a real clock is admitted", false, testWaitingReal},
		{"remaining and reset are true", true, testRemaining},
		{"a refused call costs nothing", false, testRefusedCostsNothing},
		{"a cost above the limit never fits", false, testNever},
		{"a cost of nothing only asks", false, testAsking},
		{"all or nothing", false, testAllOrNothing},
		{"corrections of rates", false, testCorrections},
		{"appointments", true, testAppointments},
		{"appointments over several limits", true, testJointAppointments},
		{"appointments are kept by who comes early", true, testEarlyCallers},
		{"appointments in whole seconds", true, testWholeSeconds},
		{"who obeys and comes late is waited for", true, testLate},
		{"a crowd is spread over the next window", true, testSpread},
		{"exactly as many as there is room for", false, testExact},
		{"exactly as many under holds", false, testExactHolds},
		{"names do not mix", false, testNames},
		{"allowance", false, testAllowance},
		{"balance", false, testBalance},
		{"capacity", false, testCapacity},
		{"slots", false, testSlots},
		{"repetitions are charged once", false, testClaims},
		{"who leaves frees only its claim", false, testLeaving},
		{"a crowd on one hold", false, testCrowdedHold},
		{"settling twice is settling once", false, testSettledOnce},
		{"settling late touches nobody else", false, testSettledLate},
		{"a whole hold ends once", false, testWhole},
		{"corrections happen once", false, testOnce},
		{"who crashes frees slots and bytes", false, testLeases},
		{"who crashes has used units", true, testKeeps},
		{"months and days", true, testPeriods},
		{"holds over the end of a month", true, testHoldsOverPeriods},
		{"a clock that goes back", true, testClockBack},
		{"rules that change", true, testRulesChange},
		{"invalid arguments", false, testInvalid},
		{"model", true, testModel},
		{"arithmetic", true, testSteps},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fixture{T: t, Keeper: open(t), ctx: t.Context()}
			if f.Tick == 0 {
				f.Tick = time.Microsecond
			}
			if c.driven && f.Clock == nil {
				t.Log("left out: the meter's clock cannot be moved")
				return
			}
			if c.name == "arithmetic" && f.Apart {
				t.Log("left out: the meter is more than one")
				return
			}
			c.test(f)
		})
	}
}

// fixture is a meter under test.
type fixture struct {
	*testing.T
	Keeper

	ctx   context.Context
	names atomic.Int64
	// claims numbers all takings.
	claims atomic.Uint64
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// caller takes from the same limits again and again.
type caller struct {
	meter.Taking

	f   *fixture
	t   failer
	ctx context.Context
}

// calls makes a caller of limits that nobody has used.
func (f *fixture) calls(t failer, rules ...*meter.Rule) *caller {
	name := fmt.Sprintf("metertest-%d", f.names.Add(1))
	c := &caller{f: f, t: t, ctx: f.ctx}
	c.Owner, c.Lease, c.Keep = name, time.Minute, time.Hour
	for i, r := range rules {
		c.Demands = append(c.Demands, meter.Demand{Limit: fmt.Sprintf("limit-%d", i), Subject: name, Rule: r})
	}
	c.Outcomes = make([]meter.Outcome, len(rules))
	return c
}

// like is another caller of the same limits.
func (c *caller) like(token uint32, hold string) *caller {
	o := &caller{f: c.f, t: c.t, ctx: c.ctx, Taking: c.Taking}
	o.Caller, o.Hold = token, hold
	o.Demands = append([]meter.Demand(nil), c.Demands...)
	o.Outcomes = make([]meter.Outcome, len(c.Demands))
	return o
}

// take asks for cost of each limit.
func (c *caller) take(cost int64) bool {
	c.t.Helper()
	for i := range c.Demands {
		c.Demands[i].Cost = cost
	}
	return c.again()
}

func (c *caller) again() bool {
	c.t.Helper()
	c.Claim = c.f.claims.Add(1)
	c.Admitted = !c.Admitted
	for i := range c.Outcomes {
		c.Outcomes[i] = meter.Outcome{Remaining: -1, Never: true}
	}
	if err := c.f.Meter.Take(c.ctx, &c.Taking); err != nil {
		c.t.Fatalf("take: %v", err)
	}
	return c.Admitted
}

// admitted and refused take and insist.
func (c *caller) admitted(cost int64) {
	c.t.Helper()
	if !c.take(cost) {
		c.t.Fatalf("refused %d units: %+v", cost, c.Outcomes)
	}
}

func (c *caller) refused(cost int64) {
	c.t.Helper()
	if c.take(cost) {
		c.t.Fatalf("admitted %d units: %+v", cost, c.Outcomes)
	}
}

// remains asks what is left of the first limit and insists.
func (c *caller) remains(want int64) {
	c.t.Helper()
	o := c.like(c.Caller, c.Hold)
	if !o.take(0) || o.Outcomes[0].Remaining != want {
		c.t.Fatalf("%d units remain, want %d", o.Outcomes[0].Remaining, want)
	}
}

// wait is the longest that a limit which refused asks for.
func (c *caller) wait() (longest time.Duration) {
	for i := range c.Outcomes {
		if c.Outcomes[i].Refused {
			longest = max(longest, c.Outcomes[i].RetryAfter)
		}
	}
	return longest
}

// settle changes the first limit.
func (c *caller) settle(s meter.Settlement, cost, kept int64) {
	c.t.Helper()
	d := c.Demands[0]
	d.Cost = cost
	s.Owner, s.Changes = c.Owner, []meter.Change{{Demand: d, Kept: kept}}
	if err := c.f.Meter.Settle(c.ctx, &s); err != nil {
		c.t.Fatalf("settle: %v", err)
	}
}

// pass lets time go by: at once on a clock that can be moved, else by asking.
func (c *caller) pass(d time.Duration) {
	c.t.Helper()
	if c.f.Clock != nil {
		c.f.Clock.Advance(d)
		return
	}
	o := c.like(0, "")
	o.Demands, o.Outcomes = o.Demands[:1], o.Outcomes[:1]
	o.Demands[0] = meter.Demand{Limit: "time", Subject: c.Owner, Rule: &meter.Rule{Limit: 1, Per: time.Second}}
	for start := time.Now(); time.Since(start) < d; {
		o.take(0)
	}
}
