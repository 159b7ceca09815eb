package metertest

import (
	"errors"
	"time"

	"github.com/failwell/failwell/store/meter"
)

func testAllowance(f *fixture) {
	c := f.calls(f, &meter.Rule{Kind: meter.Allowance, Limit: 10})
	c.admitted(4)
	c.Hold = "call"
	c.admitted(5)
	c.remains(1)
	c.Hold = "other"
	c.refused(2)
	if o := c.Outcomes[0]; o.Timeless || o.Never || o.RetryAfter <= 0 || o.RetryAfter > 31*24*time.Hour || o.Reset.Day() != 1 {
		f.Fatalf("refused: %+v", o)
	}
	if f.Clock != nil && !f.Clock.Now().Add(c.wait()).Equal(c.Outcomes[0].Reset) {
		f.Fatalf("to wait %v until %v", c.wait(), c.Outcomes[0].Reset)
	}
	c.settle(meter.Settlement{Hold: "call"}, 5, 2) // less was used
	c.remains(4)
	c.admitted(4)
	c.settle(meter.Settlement{Hold: "other"}, 4, 9) // more was used than there was
	c.remains(0)
	c.settle(meter.Settlement{}, 4, 0) // 15 of 10, less 4
	c.remains(0)
	c.settle(meter.Settlement{}, 4, 0)
	c.remains(3)
	c.settle(meter.Settlement{}, 100, 0)
	c.remains(10)
}

// testBalance: what is paid in is there, what is used is gone, and work that
// turned out larger than what was left is owed.
func testBalance(f *fixture) {
	c := f.calls(f, &meter.Rule{Kind: meter.Balance})
	c.refused(1)
	if o := c.Outcomes[0]; !o.Timeless || o.Never || o.RetryAfter != 0 || !o.Reset.IsZero() || o.Remaining != 0 {
		f.Fatalf("nothing was paid in: %+v", o)
	}
	c.settle(meter.Settlement{}, 20, 0)
	c.remains(20)
	c.admitted(5)
	c.Hold = "call"
	c.admitted(15)
	c.remains(0)
	c.Hold = ""
	c.refused(1)
	c.settle(meter.Settlement{Hold: "call"}, 15, 40)
	c.remains(0)
	c.settle(meter.Settlement{}, 30, 0)
	c.remains(5)
}

func testCapacity(f *fixture) {
	c := f.calls(f, &meter.Rule{Kind: meter.Capacity, Limit: 1 << 40})
	c.Hold = "upload"
	c.admitted(1 << 39)
	c.settle(meter.Settlement{Hold: "upload"}, 1<<39, 1<<38) // it was smaller than announced
	c.remains(1<<40 - 1<<38)
	c.Hold = "another"
	c.refused(1 << 40)
	if o := c.Outcomes[0]; !o.Timeless || o.Never || o.RetryAfter != 0 || !o.Reset.IsZero() {
		f.Fatalf("refused: %+v", o)
	}
	c.settle(meter.Settlement{}, 1<<38, 0) // deleted
	c.admitted(1 << 40)
	c.settle(meter.Settlement{Hold: "another"}, 1<<40, 0) // failed
	c.remains(1 << 40)
}

func testSlots(f *fixture) {
	c := f.calls(f, &meter.Rule{Kind: meter.Slots, Limit: 2})
	a, b, x := c.like(1, "a"), c.like(2, "b"), c.like(3, "x")
	a.admitted(1)
	b.admitted(1)
	x.refused(1)
	if o := x.Outcomes[0]; !o.Timeless || o.Never || o.RetryAfter != 0 || o.Remaining != 0 {
		f.Fatalf("refused: %+v", o)
	}
	a.settle(meter.Settlement{Hold: "a"}, 1, 1) // a slot is free when its call has ended, whatever was kept
	x.remains(1)
	x.admitted(1)
	b.settle(meter.Settlement{Hold: "b"}, 1, 0)
	x.settle(meter.Settlement{Hold: "x"}, 1, 0)
	x.remains(2)
}

// testClaims: a repetition under the same hold is admitted where there is no
// room for another, and charged once.
func testClaims(f *fixture) {
	for _, r := range []*meter.Rule{
		{Kind: meter.Allowance, Limit: 5}, {Kind: meter.Capacity, Limit: 5}, {Kind: meter.Slots, Limit: 5},
	} {
		c := f.calls(f, r, &meter.Rule{Limit: 3, Per: time.Hour})
		c.Hold = "call"
		for range 3 {
			c.Demands[0].Cost, c.Demands[1].Cost = 5, 1
			if !c.again() || c.Outcomes[0].Remaining != 0 {
				f.Fatalf("kind %d: repetition: %+v", r.Kind, c.Outcomes)
			}
		}
		if c.again() || c.Outcomes[0].Refused || !c.Outcomes[1].Refused {
			f.Fatalf("kind %d: repetition without a rate: %+v", r.Kind, c.Outcomes)
		}
		other := c.like(0, "other")
		other.Demands, other.Outcomes = other.Demands[:1], other.Outcomes[:1]
		other.refused(1)
		c.settle(meter.Settlement{Hold: "call"}, 5, 3)
		want := int64(2)
		if r.Kind == meter.Slots {
			want = 5
		}
		other.remains(want)
	}
}

// testLeaving: of the calls that claim a hold, each that leaves frees nothing
// until the last one does; a repetition that was refused has no claim.
func testLeaving(f *fixture) {
	for _, r := range []*meter.Rule{
		{Kind: meter.Allowance, Limit: 5}, {Kind: meter.Capacity, Limit: 5}, {Kind: meter.Slots, Limit: 5}, {Kind: meter.Balance},
	} {
		c := f.calls(f, r, &meter.Rule{Limit: 2, Per: time.Hour})
		if r.Kind == meter.Balance {
			c.settle(meter.Settlement{}, 5, 0)
		}
		c.Hold = "call"
		c.Demands[0].Cost, c.Demands[1].Cost = 4, 1
		var claims []uint64
		for i := range 3 {
			admitted := c.again()
			claims = append(claims, c.Claim)
			if admitted != (i < 2) {
				f.Fatalf("kind %d, repetition %d: %+v", r.Kind, i, c.Outcomes)
			}
		}
		for _, claim := range []uint64{claims[0], claims[0], claims[2], 0} { // one that has one, and others
			c.settle(meter.Settlement{Hold: "call", Claim: claim, Left: true}, 4, 4)
			c.remains(1)
		}
		c.settle(meter.Settlement{Hold: "call", Claim: claims[1], Left: true}, 4, 4)
		c.remains(5)
		c.settle(meter.Settlement{Hold: "call", Claim: claims[1], Left: true}, 4, 4)
		c.settle(meter.Settlement{Hold: "call"}, 4, 4)
		c.remains(5)
	}
}

// testCrowdedHold: of more claims than a hold tells apart, none frees it, and
// whoever ends it ends it.
func testCrowdedHold(f *fixture) {
	for _, k := range []meter.Kind{meter.Allowance, meter.Capacity, meter.Slots} {
		c := f.calls(f, &meter.Rule{Kind: k, Limit: 5})
		c.Hold = "call"
		var claims []uint64
		claim := func() {
			c.admitted(4)
			claims = append(claims, c.Claim)
		}
		leave := func(claim uint64) { c.settle(meter.Settlement{Hold: "call", Claim: claim, Left: true}, 4, 4) }
		for range meter.MaxClaims {
			claim()
		}
		leave(claims[0])
		claim() // there is room for one again
		for _, claim := range claims[1:meter.MaxClaims] {
			leave(claim)
		}
		c.remains(1)
		leave(claims[meter.MaxClaims])
		c.remains(5)
		for range meter.MaxClaims + 1 {
			claim()
		}
		for _, claim := range claims {
			leave(claim)
		}
		c.remains(1)
		c.settle(meter.Settlement{Hold: "call", Claim: claims[0]}, 4, 0)
		c.remains(5)
	}
}

// testWhole: a hold ends with all its claims, and what is kept is that of the
// claim, if it was not settled before.
func testWhole(f *fixture) {
	for _, r := range []*meter.Rule{{Kind: meter.Allowance, Limit: 9}, {Kind: meter.Capacity, Limit: 9}, {Kind: meter.Balance}} {
		c := f.calls(f, r)
		if r.Kind == meter.Balance {
			c.settle(meter.Settlement{}, 9, 0)
		}
		c.Hold = "call"
		c.admitted(4)
		whole := meter.Settlement{Hold: "call", Claim: c.Claim, Whole: true}
		c.admitted(4)
		c.settle(whole, 4, 3)
		c.remains(6)
		c.admitted(4)
		c.remains(2)
		for range 2 {
			c.settle(whole, 4, 3)
			c.remains(6)
		}
	}
}

// testSettledLate: who settles once more, after others have taken under the same
// name, changes nothing for them.
func testSettledLate(f *fixture) {
	for _, r := range []*meter.Rule{
		{Kind: meter.Allowance, Limit: 9}, {Kind: meter.Capacity, Limit: 9}, {Kind: meter.Slots, Limit: 9}, {Kind: meter.Balance},
	} {
		c := f.calls(f, r)
		if r.Kind == meter.Balance {
			c.settle(meter.Settlement{}, 9, 0)
		}
		c.Hold = "call"
		c.admitted(4)
		first := meter.Settlement{Hold: "call", Claim: c.Claim}
		left := first
		left.Left = true
		c.settle(first, 4, 3)
		rest := int64(6)
		if r.Kind == meter.Slots {
			rest = 9
		}
		c.remains(rest)
		c.admitted(4)
		for range 2 {
			c.settle(first, 4, 3)
			c.settle(left, 4, 0)
			c.remains(rest - 4)
		}
		c.Renew = true
		if err := f.Meter.Take(f.ctx, &c.Taking); err != nil || !c.Admitted {
			f.Fatalf("kind %d, renewal: %v %+v", r.Kind, err, c.Outcomes)
		}
		c.settle(meter.Settlement{Hold: "call", Claim: c.Claim, Left: true}, 4, 0) // it was the same claim
		c.remains(rest)
	}
}

// testSettledOnce: who does not know whether settling succeeded settles again.
func testSettledOnce(f *fixture) {
	for _, r := range []*meter.Rule{
		{Kind: meter.Allowance, Limit: 9}, {Kind: meter.Capacity, Limit: 9}, {Kind: meter.Balance},
	} {
		c := f.calls(f, r)
		if r.Kind == meter.Balance {
			c.settle(meter.Settlement{}, 9, 0)
		}
		c.Hold = "call"
		c.admitted(4)
		for range 3 {
			c.settle(meter.Settlement{Hold: "call"}, 4, 3)
			c.remains(6)
		}
		c.settle(meter.Settlement{Hold: "never there"}, 4, 0)
		c.remains(6)
		c.admitted(2) // the name is free again
		c.remains(4)
		c.settle(meter.Settlement{Hold: "call"}, 2, 0)
		c.remains(6)
	}
}

// testOnce: money that is paid in twice under one name counts once.
func testOnce(f *fixture) {
	c := f.calls(f, &meter.Rule{Kind: meter.Balance})
	payment := meter.Settlement{Hold: "payment", Once: time.Hour}
	for range 3 {
		c.settle(payment, 10, 0)
		c.remains(10)
	}
	c.settle(meter.Settlement{Hold: "payment"}, 10, 0)
	c.settle(meter.Settlement{Hold: "payment", Left: true}, 10, 0)
	c.Hold = "payment"
	c.admitted(5) // what is remembered is not charged, and nobody's
	c.settle(meter.Settlement{Hold: "payment", Left: true}, 5, 0)
	c.Hold = ""
	c.settle(payment, 10, 0)
	c.remains(10)
	c.settle(meter.Settlement{Hold: "another", Once: time.Hour}, 10, 0)
	c.remains(20)
	c.admitted(20)
	if f.Clock != nil {
		c.pass(time.Hour)
		c.settle(payment, 10, 0)
		c.remains(10)
	}
}

// testLeases: what crashed callers held of slots and bytes is free when their
// lease ends, and not before; a claim renews it.
func testLeases(f *fixture) {
	const lease = 300 * time.Millisecond
	for _, k := range []meter.Kind{meter.Slots, meter.Capacity} {
		c := f.calls(f, &meter.Rule{Kind: k, Limit: 2})
		c.Lease = lease
		a, b := c.like(0, "a"), c.like(0, "b")
		a.admitted(1)
		b.admitted(1)
		began := time.Now()
		c.Hold = "c"
		c.pass(lease / 2)
		a.admitted(1)
		c.pass(lease / 2)
		if f.Clock != nil {
			c.remains(1)
			f.Clock.Advance(lease/2 - time.Microsecond)
			c.remains(1)
			f.Clock.Advance(time.Microsecond)
		} else {
			for deadline := began.Add(10 * time.Second); !c.take(2); {
				if time.Now().After(deadline) {
					f.Fatalf("kind %d: the lease of %v did not end", k, lease)
				}
			}
			if held := time.Since(began); held < lease*3/2 {
				f.Fatalf("kind %d: free after %v, the renewed lease is %v", k, held, lease*3/2)
			}
			c.settle(meter.Settlement{Hold: "c"}, 2, 0)
		}
		c.remains(2)
		a.settle(meter.Settlement{Hold: "a"}, 1, 1) // too late, it changes nothing
		c.remains(2)
	}
}

// testKeeps: units that a crashed caller held stay charged; once Keep is over,
// the name is free and the charge is final.
func testKeeps(f *fixture) {
	for _, r := range []*meter.Rule{{Kind: meter.Allowance, Limit: 9}, {Kind: meter.Balance}} {
		c := f.calls(f, r)
		if r.Kind == meter.Balance {
			c.settle(meter.Settlement{}, 9, 0)
		}
		c.Hold = "call"
		c.admitted(4)
		f.Clock.Advance(time.Hour - time.Microsecond)
		c.admitted(4) // the repetition renews it
		c.remains(5)
		f.Clock.Advance(time.Hour)
		c.remains(5)
		c.settle(meter.Settlement{Hold: "call"}, 4, 0)
		c.remains(5)
		c.admitted(4)
		c.remains(1)
	}
}

func testInvalid(f *fixture) {
	rate, slots, allowance := &meter.Rule{Limit: 1, Per: time.Hour}, &meter.Rule{Kind: meter.Slots, Limit: 1}, &meter.Rule{Kind: meter.Allowance, Limit: 1}
	for name, spoil := range map[string]func(*caller){
		"slots without a hold":         func(c *caller) { c.Hold = "" },
		"slots without a lease":        func(c *caller) { c.Lease = 0 },
		"an allowance without a keep":  func(c *caller) { c.Keep = 0 },
		"a negative cost":              func(c *caller) { c.Demands[0].Cost = -1 },
		"a hold without a claim":       func(c *caller) { c.Claim = 0 },
		"a claim that nobody counts":   func(c *caller) { c.Claim = meter.MaxUnits + 1 },
		"a cost that nobody can count": func(c *caller) { c.Demands[0].Cost = meter.MaxUnits + 1 },
		"no rule":                      func(c *caller) { c.Demands[0].Rule = nil },
		"no such kind":                 func(c *caller) { c.Demands[0].Rule = &meter.Rule{Kind: 99, Limit: 1} },
		"an outcome too few":           func(c *caller) { c.Outcomes = c.Outcomes[1:] },
		"the same limit twice":         func(c *caller) { c.Demands[0] = c.Demands[1] },
	} {
		c := f.calls(f, rate, allowance, slots)
		c.Hold = "call"
		for i := range c.Demands {
			c.Demands[i].Cost = 1
		}
		bad := c.like(0, "call")
		bad.Claim = f.claims.Add(1)
		spoil(bad)
		if err := f.Meter.Take(f.ctx, &bad.Taking); !errors.Is(err, meter.ErrInvalid) {
			f.Fatalf("%s: %v, want ErrInvalid", name, err)
		}
		c.admitted(1)
	}
	c := f.calls(f, allowance)
	change := []meter.Change{{Demand: c.Demands[0], Kept: 1}}
	for name, s := range map[string]meter.Settlement{
		"left without a hold":   {Owner: c.Owner, Left: true, Changes: change},
		"once without a hold":   {Owner: c.Owner, Once: time.Hour, Changes: change},
		"left and once":         {Owner: c.Owner, Hold: "a", Left: true, Once: time.Hour, Changes: change},
		"a claim too large":     {Owner: c.Owner, Hold: "a", Claim: meter.MaxUnits + 1, Changes: change},
		"whole without a hold":  {Owner: c.Owner, Whole: true, Changes: change},
		"left and whole":        {Owner: c.Owner, Hold: "a", Left: true, Whole: true, Changes: change},
		"keeping less than 0":   {Owner: c.Owner, Changes: []meter.Change{{Demand: c.Demands[0], Kept: -1}}},
		"the same change twice": {Owner: c.Owner, Changes: append(change[:1:1], change...)},
	} {
		if err := f.Meter.Settle(f.ctx, &s); !errors.Is(err, meter.ErrInvalid) {
			f.Fatalf("%s: %v, want ErrInvalid", name, err)
		}
	}
	c.admitted(1)
}
