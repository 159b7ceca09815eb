package meter

import "slices"

const (
	// Remembered is how many appointments of one limit are known by their caller:
	// the newest. A caller whose appointment is forgotten and who comes back early
	// gets another, later one.
	Remembered = 32

	// grace is how late somebody may come who obeys: Retry-After is in whole
	// seconds (RFC 9110, section 10.2.3), rounded up. Then the unit is promised to
	// somebody else.
	grace = Micros(1_000_000)
)

// queue is the appointments of a rate. The nil queue has none.
//
// No appointment is a lock: a unit that is free goes to whoever asks first, so
// that a refused call costs nobody anything. Who lost it gets another one.
type queue struct {
	// booked is the rate as it will be when everybody has come. Rate: what full
	// will be. Window: the units that are promised.
	booked int64
	// made is when the newest was made. One that is made later than now was made
	// before the clock went back.
	made Micros
	// soonest is not after any appointment, so that most decisions need not look at
	// all of them.
	soonest Micros
	// entries are in the order in which they were made.
	entries []appointment
}

type appointment struct {
	caller uint32
	cost   int64
	at     Micros
}

// prune drops the appointments that nobody kept, and all of them if the clock
// went back. It reports whether there were any.
func (q *queue) prune(p *pace, now Micros) bool {
	late := min(grace, p.span())
	if q.made <= now && now-q.soonest < late {
		return false
	}
	kept := q.entries[:0]
	for _, a := range q.entries {
		switch {
		case q.made > now:
		case now-a.at >= late:
			q.booked -= p.weight(a.cost)
		default:
			kept = append(kept, a)
		}
	}
	dropped := len(kept) != len(q.entries)
	q.keep(kept)
	q.note()
	return dropped
}

// note makes soonest exact.
func (q *queue) note() {
	q.soonest = 0
	for i := range q.entries {
		if at := q.entries[i].at; i == 0 || at < q.soonest {
			q.soonest = at
		}
	}
}

func (q *queue) keep(entries []appointment) {
	if q.entries = entries; len(entries) == 0 {
		q.booked, q.made = 0, 0
	}
}

// weight is what cost adds to booked.
func (p *pace) weight(cost int64) int64 {
	if p.window {
		return cost
	}
	return cost * int64(p.step)
}

func (q *queue) find(caller uint32) int {
	if q == nil {
		return -1
	}
	return slices.IndexFunc(q.entries, func(a appointment) bool { return a.caller == caller })
}

// earliest is the first instant at which cost has room when everybody before
// has come; now if it has room at once.
func (q *queue) earliest(p *pace, c cell, now Micros, cost int64) Micros {
	if p.window {
		return q.inWindow(p, c, now, cost)
	}
	full := c.full
	if q != nil {
		full = max(full, Micros(q.booked))
	}
	return max(full+Micros(cost)*p.step-p.depth, now)
}

// inWindow spreads those who wait for the next window over what one of them may
// be told of it: all its units are free from its start on, so that any instant
// will do. Those who find it promised wait for the windows after it.
func (q *queue) inWindow(p *pace, c cell, now Micros, cost int64) Micros {
	promised, last := int64(0), Micros(0)
	if q != nil {
		promised = q.booked
		for i := range q.entries {
			last = max(last, q.entries[i].at)
		}
	}
	if c.used+promised+cost <= p.limit {
		return now
	}
	later := min(Micros((promised+cost-1)/p.limit), farthest/p.per) * p.per
	first := c.full + later
	switch {
	case c.full <= now:
		return first + p.per // nobody has begun a window: it ends within one
	case last < first:
		return first
	}
	return last + max((now+p.per+later-last)/(min(Micros(p.limit), farthest)+1), 1)
}

// book promises cost at an instant that earliest allows.
func (q *queue) book(p *pace, c cell, now Micros, a appointment) {
	q.made = now
	if len(q.entries) == 0 || a.at < q.soonest {
		q.soonest = a.at
	}
	if !p.window {
		q.booked = max(q.booked, int64(c.full), int64(a.at))
	}
	q.booked += p.weight(a.cost)
	if len(q.entries) >= Remembered {
		q.entries = slices.Delete(q.entries, 0, 1)
	}
	q.entries = append(q.entries, a)
}

// cancel takes a caller's appointment back, because another is being made. A
// gap before those of others stays: they have been told.
func (q *queue) cancel(p *pace, caller uint32) {
	i := q.find(caller)
	if i < 0 {
		return
	}
	if p.window || i == len(q.entries)-1 {
		q.booked -= p.weight(q.entries[i].cost)
	}
	q.keep(slices.Delete(q.entries, i, i+1))
}

// came notes that a caller was admitted: what was promised has been taken, which
// for a Rate is the same.
func (q *queue) came(p *pace, caller uint32, cost int64) {
	i := q.find(caller)
	if i < 0 && !p.window {
		return
	}
	if i >= 0 {
		if p.window {
			q.booked -= q.entries[i].cost
		}
		q.keep(slices.Delete(q.entries, i, i+1))
		return
	}
	forgotten := q.booked
	for j := range q.entries {
		forgotten -= q.entries[j].cost
	}
	q.booked -= min(forgotten, cost)
}
