package admission

import (
	"math/bits"

	"github.com/failwell/failwell/contract"
)

// cell is the whole state of one limit, in nanoseconds on some clock. Under
// GCRA, full is the theoretical arrival time of ITU-T I.371: the instant at
// which all of the limit is free. Under a fixed window it is the window's end,
// and used counts the calls in it. A cell whose full has passed says nothing.
type cell struct{ full, used int64 }

// decision is what a rule says of a call. It was admitted if wait is 0 and
// never is not set.
type decision struct {
	wait      int64
	never     bool
	remaining int64
	reset     int64
}

// rule is a rate in whole nanoseconds.
type rule struct {
	window bool
	limit  int64 // calls in a window
	per    int64 // length of a window
	step   int64 // GCRA: what one call takes, rounded up: never more than promised
	depth  int64 // GCRA: what a burst takes
}

// farthest bounds what is ahead of now, so that sums do not overflow.
const farthest = int64(1) << 61

func ruleOf(r *contract.Rate) rule {
	limit, per := max(r.Limit, 1), min(max(int64(r.Per), 1), farthest)
	if r.Algorithm == contract.FixedWindow {
		return rule{window: true, limit: limit, per: per}
	}
	burst := r.Burst
	if burst <= 0 {
		burst = limit
	}
	step := (per + limit - 1) / limit
	depth := farthest / step * step
	if high, low := bits.Mul64(uint64(step), uint64(burst)); high == 0 && low < uint64(depth) {
		depth = int64(low)
	}
	return rule{limit: limit, per: per, step: step, depth: depth}
}

// take says what becomes of a cell, and of a call, at now. The cell that it
// returns holds if the call is admitted; cost 0 only asks.
//
// A cell farther ahead than the rule can have put it was written before the
// clock went back, or before the rule was made smaller. It counts as free: a
// clock may not lock anyone out.
func (r rule) take(c cell, now, cost int64) (cell, decision) {
	if r.window {
		return r.takeWindow(c, now, cost)
	}
	if c.full <= now || c.full-now > r.depth {
		c.full = now
	}
	room := now + r.depth - c.full // at most depth: what is free now
	d := decision{remaining: room / r.step, reset: c.full}
	switch {
	case cost > r.depth/r.step:
		d.never = true
	case cost*r.step > room:
		d.wait = cost*r.step - room
	default:
		c.full += cost * r.step
		d.remaining, d.reset = (room-cost*r.step)/r.step, c.full
	}
	return c, d
}

// takeWindow frees everything at the end of a window that begins with the
// first call in it.
func (r rule) takeWindow(c cell, now, cost int64) (cell, decision) {
	if c.full <= now || c.full-now > r.per {
		c = cell{full: now + r.per}
		if cost == 0 {
			c.full = now // no call, no window
		}
	}
	d := decision{remaining: max(r.limit-c.used, 0), reset: c.full}
	switch {
	case cost > r.limit:
		d.never = true
	case cost > d.remaining:
		d.wait = c.full - now
	default:
		c.used += cost
		d.remaining -= cost
	}
	return c, d
}
