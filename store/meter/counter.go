package meter

import (
	"slices"
	"strings"
	"time"
)

// hold is what one call took of a counter, under a name, until it is settled. A
// hold of 0 units only remembers its name.
type hold struct {
	name   string
	amount int64
	// claims are the calls that go by the hold, each by the number of its Taking.
	// None, and not crowded: a correction that happened.
	claims []uint64
	// crowded says that there were more claims than MaxClaims. None is known then.
	crowded bool
	until   Micros
	// lease is how long it was put for. A hold that ends later than that was put
	// before the clock went back, and ends after it from now.
	lease Micros
}

// counter is the state of an Allowance, a Balance, a Capacity or of Slots.
type counter struct {
	// end of the period that used is about, in Unix microseconds; Allowance only.
	end Micros
	// used is what is charged for good. A Balance is used less than nothing when
	// it is paid in.
	used int64
	// holds are ordered by name, and held is their sum.
	holds []hold
	held  int64
	// soonest is not after the end of any hold, and put not before any was put,
	// so that most decisions need not look at all of them.
	soonest, put Micros
}

// roll brings a counter to now and reports whether it changed: periods end, and
// so do holds. What a hold of a past period took was taken of that one.
func (c *counter) roll(r *Rule, at Instant) bool {
	changed := false
	if r.Kind == Allowance {
		if end := r.Period.End(at.wall()); end != c.end {
			changed = c.used != 0 || c.held != 0
			c.end, c.used, c.held = end, 0, 0
			for i := range c.holds {
				c.holds[i].amount = 0
			}
		}
	}
	if len(c.holds) > 0 && (c.soonest <= at.Now || c.put > at.Now) {
		changed = c.expire(r.Kind, at.Now) || changed
	}
	return changed
}

// expire ends holds that nobody settled: slots and bytes are free, because
// whoever had them is gone; units are used up, because the work may have been
// done. It reports whether anything changed.
func (c *counter) expire(k Kind, now Micros) bool {
	changed, kept := false, c.holds[:0]
	for _, h := range c.holds {
		if h.until <= now {
			if k == Allowance || k == Balance {
				c.used += h.amount
			}
			changed = true
			continue
		}
		if h.until > now+h.lease {
			h.until = now + h.lease
			changed = true
		}
		kept = append(kept, h)
	}
	clear(c.holds[len(kept):])
	c.holds = kept
	c.sum()
	return changed
}

// sum makes held, soonest and put exact.
func (c *counter) sum() {
	c.held, c.soonest, c.put = 0, 0, 0
	for i := range c.holds {
		h := &c.holds[i]
		c.held += h.amount
		c.note(h)
	}
}

func (c *counter) note(h *hold) {
	if c.soonest == 0 || h.until < c.soonest {
		c.soonest = h.until
	}
	c.put = max(c.put, h.until-h.lease)
}

// room is what is left; below 0 where more was taken than there was.
func (c *counter) room(r *Rule) int64 {
	if r.Kind == Balance {
		return -c.used - c.held
	}
	return r.Limit - c.used - c.held
}

func (c *counter) find(name string) (int, bool) {
	return slices.BinarySearchFunc(c.holds, name, func(h hold, name string) int { return strings.Compare(h.name, name) })
}

// has reports whether the call has been charged under its hold before.
func (c *counter) has(name string) bool {
	if name == "" {
		return false
	}
	_, ok := c.find(name)
	return ok
}

// take charges a cost for which there is room, or claims the hold once more.
func (c *counter) take(name string, claim uint64, cost int64, lease time.Duration, now Micros) {
	if name == "" {
		c.used += cost
		return
	}
	i, ok := c.find(name)
	if !ok {
		c.holds = slices.Insert(c.holds, i, hold{name: strings.Clone(name), amount: cost, claims: []uint64{claim}})
		c.held += cost
	}
	h := &c.holds[i]
	h.claim(claim)
	h.until = max(h.until, now+up(lease))
	h.lease = h.until - now
	c.note(h)
}

// done reports whether the hold only remembers that a correction happened.
func (h *hold) done() bool { return len(h.claims) == 0 && !h.crowded }

// claim adds a claim, once.
func (h *hold) claim(n uint64) {
	switch {
	case h.done(), h.crowded, slices.Contains(h.claims, n):
	case len(h.claims) == MaxClaims:
		h.claims, h.crowded = nil, true
	default:
		h.claims = append(h.claims, n)
	}
}

// settle ends a hold, or one claim on it, and reports whether it did.
func (c *counter) settle(k Kind, s *Settlement, kept int64) bool {
	i, ok := c.find(s.Hold)
	if !ok || c.holds[i].done() {
		return false
	}
	h := &c.holds[i]
	mine := slices.Index(h.claims, s.Claim)
	ends := s.Claim == 0 || mine >= 0 || h.crowded
	switch {
	case s.Left && mine < 0, !s.Left && !ends && !s.Whole:
		return false
	case s.Left && len(h.claims) > 1:
		h.claims = slices.Delete(h.claims, mine, mine+1)
		return true
	case !s.Left && ends && h.amount > 0 && k != Slots:
		c.used += kept
	}
	c.held -= h.amount
	c.holds = slices.Delete(c.holds, i, i+1)
	return true
}

// correct takes units without asking for room, or gives them back (below 0).
func (c *counter) correct(k Kind, units int64) bool {
	if units == 0 || k == Slots {
		return false
	}
	c.used = min(max(c.used+units, -2*MaxUnits), 2*MaxUnits)
	if k != Balance {
		c.used = max(c.used, 0)
	}
	return true
}

// once remembers a correction, and reports whether it is new.
func (c *counter) once(name string, keep time.Duration, now Micros) bool {
	i, ok := c.find(name)
	if ok {
		return false
	}
	lease := up(keep)
	c.holds = slices.Insert(c.holds, i, hold{name: strings.Clone(name), until: now + lease, lease: lease})
	c.note(&c.holds[i])
	return true
}
