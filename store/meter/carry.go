package meter

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// Carrier is what a store that is a Meter may offer so that counters can move
// between it and others. Rates free themselves and slots are leases: both begin
// anew where they are not carried.
type Carrier interface {
	Meter

	// Counters walks all counters of kind Allowance, Balance and Capacity of which
	// something is taken, in no order. One that changes meanwhile is shown as it was
	// or as it is. After an error, which it yields, it ends.
	Counters(ctx context.Context) iter.Seq2[Counted, error]

	// SetCounters makes counters what they are given as, whatever they were. After
	// an error some may be; it can be repeated.
	SetCounters(ctx context.Context, counters []Counted) error
}

// Counted is the whole state of one counter in plain numbers.
type Counted struct {
	// Owner and the limit's name, as in a Taking and its Demand.
	Owner, Limit, Subject, Operation string
	Kind                             Kind
	// End of the period that Used is about, in Unix microseconds; Allowance only.
	End Micros
	// Used for good; below zero for a Balance that was paid in.
	Used int64
	// Holds are ordered by name.
	Holds []Held
}

// Held is what one call holds of a counter.
type Held struct {
	Name   string
	Amount int64
	// Claims on it, and whether there were too many to know them; see
	// Taking.Claim. Neither: a correction that happened.
	Claims  []uint64
	Crowded bool
	// Until is an instant on the keeper's line, Unix microseconds on any that
	// processes share; Lease is how long the hold was put for.
	Until, Lease Micros
}

// Carried reports whether counters of kind k are what a Carrier moves.
func (k Kind) Carried() bool { return k == Allowance || k == Balance || k == Capacity }

// Settled is c at an instant: ended periods and holds are accounted for, so that
// two keepers of the same counter show it alike. ok is false if nothing is taken.
// The rule's limit does not matter for that.
func (c *Counted) Settled(now Micros) (settled Counted, ok bool) {
	settled = *c
	settled.Holds = nil
	if c.Kind == Allowance && c.End <= now {
		settled.End, settled.Used = 0, 0
	}
	for _, h := range c.Holds {
		if c.Kind == Allowance && c.End <= now {
			h.Amount = 0
		}
		switch {
		case h.Until > now:
			settled.Holds = append(settled.Holds, h)
		case c.Kind != Capacity:
			settled.Used += h.Amount
		}
	}
	return settled, settled.Used != 0 || len(settled.Holds) > 0
}

// Counted tells a counter's state; ok is false for a State of another kind. The
// names are the caller's to fill in.
func (s *State) Counted() (c Counted, ok bool) {
	if s.counter == nil || !s.kind.Carried() {
		return Counted{}, false
	}
	c = Counted{Kind: s.kind, End: s.counter.end, Used: s.counter.used}
	for _, h := range s.counter.holds {
		c.Holds = append(c.Holds, Held{h.name, h.amount, slices.Clone(h.claims), h.crowded, h.until, h.lease})
	}
	return c, true
}

// State is the counter as a keeper in this language has it.
func (c *Counted) State() State {
	held := &counter{end: c.End, used: c.Used, holds: make([]hold, 0, len(c.Holds))}
	for _, h := range c.Holds {
		held.holds = append(held.holds, hold{h.Name, h.Amount, slices.Clone(h.Claims), h.Crowded, h.Until, h.Lease})
	}
	slices.SortFunc(held.holds, func(a, b hold) int { return strings.Compare(a.name, b.name) })
	held.sum()
	return State{kind: c.Kind, known: true, counter: held}
}
