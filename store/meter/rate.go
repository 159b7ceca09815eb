package meter

import "math/bits"

// pace is the rule of a Rate or a Window in whole microseconds.
type pace struct {
	window bool
	limit  int64  // units in a window
	per    Micros // length of a window
	step   Micros // Rate: what one unit takes, rounded up: never more than promised
	depth  Micros // Rate: what a burst takes
}

func paceOf(r *Rule) pace {
	limit, per := max(r.Limit, 1), up(r.Per)
	if r.Kind == Window {
		return pace{window: true, limit: limit, per: per}
	}
	burst := r.Burst
	if burst <= 0 {
		burst = limit
	}
	step := (per-1)/Micros(limit) + 1
	high, low := bits.Mul64(uint64(step), uint64(burst))
	depth := Micros(low)
	if high != 0 || low > uint64(farthest) {
		depth = farthest / step * step
	}
	return pace{limit: limit, per: per, step: step, depth: depth}
}

// span is one window: the farthest ahead that anybody is told to come back.
func (p *pace) span() Micros { return max(p.per, p.depth) }

// cell is the state of a rate. Under GCRA, full is the theoretical arrival time
// of ITU-T I.371: the instant at which all of the limit is free. Under a fixed
// window it is the window's end, and used counts the units taken in it. A cell
// whose full has passed says nothing.
type cell struct {
	full Micros
	used int64
}

// at is the cell as now sees it: full is never before now. A cell farther ahead
// than the rule can have put it was written before the clock went back, or
// before the rule was made smaller. It counts as free: a clock may not lock
// anyone out.
func (p *pace) at(c cell, now Micros) cell {
	most := p.depth
	if p.window {
		most = p.per
	}
	if c.full <= now || c.full-now > most {
		return cell{full: now}
	}
	return c
}

// room is how many units are free. c is as now sees it, here and below.
func (p *pace) room(c cell, now Micros) int64 {
	if p.window {
		return max(p.limit-c.used, 0)
	}
	return int64((now + p.depth - c.full) / p.step)
}

// never reports whether no wait makes room for cost.
func (p *pace) never(cost int64) bool {
	if p.window {
		return cost > p.limit
	}
	return cost > 1 && cost > int64(p.depth/p.step)
}

// wait is how long it takes until cost has room; 0 when it has. The cost is
// one that can have room at all.
func (p *pace) wait(c cell, now Micros, cost int64) Micros {
	switch {
	case cost <= 0:
		return 0
	case !p.window:
		return max(c.full+Micros(cost)*p.step-p.depth-now, 0)
	case cost <= p.limit-c.used:
		return 0
	}
	return c.full - now
}

// take charges a cost for which there is room. The first call begins a window.
func (p *pace) take(c cell, now Micros, cost int64) cell {
	if !p.window {
		c.full += Micros(cost) * p.step
		return c
	}
	if c.full == now && cost > 0 {
		c = cell{full: now + p.per}
	}
	c.used += cost
	return c
}

// correct gives units back (below 0) or takes more even where there is no room.
// Nobody can owe a rate more than all of it.
func (p *pace) correct(c cell, now Micros, units int64) cell {
	switch {
	case !p.window:
		most := int64(p.depth / p.step)
		c.full += Micros(min(max(units, -most), most)) * p.step
		c.full = min(max(c.full, now), now+p.depth)
	case c.full > now:
		c.used = min(max(c.used+units, 0), p.limit)
	case units > 0:
		c = cell{full: now + p.per, used: min(units, p.limit)}
	}
	return c
}

// Spend decides on a Rate whose whole state is one number, the instant at which
// all of it is free, for keepers that have no room for more. There are no
// appointments. next is the state if the call is admitted.
func (r *Rule) Spend(full Micros, cost int64, at Instant) (next Micros, o Outcome) {
	p := paceOf(r)
	c := p.at(cell{full: full}, at.Now)
	if p.judge(c, cost, at, &o); !o.Refused {
		c = p.take(c, at.Now, cost)
	}
	o.Remaining, o.Reset = p.room(c, at.Now), at.tell(c.full)
	return c.full, o
}
