package meter

import (
	"fmt"
	"time"
)

// MaxUnits bounds costs and limits, so that any keeper can count them exactly.
const MaxUnits = 1<<53 - 1

// MaxClaims is how many claims a hold tells apart.
const MaxClaims = 32

// Check returns ErrInvalid if the taking breaks a rule of this package.
func (t *Taking) Check() error {
	if len(t.Demands) != len(t.Outcomes) {
		return fmt.Errorf("%w: %d demands and %d outcomes", ErrInvalid, len(t.Demands), len(t.Outcomes))
	}
	if t.Claim > MaxUnits {
		return fmt.Errorf("%w: claim %d", ErrInvalid, t.Claim)
	}
	for i := range t.Demands {
		d := &t.Demands[i]
		if err := d.check(); err != nil {
			return err
		}
		for j := range i {
			if d.same(&t.Demands[j]) {
				return fmt.Errorf("%w: limit %q of %q is asked twice: add up the costs", ErrInvalid, d.Limit, d.Subject)
			}
		}
		switch {
		case d.Rule.Kind == Slots && t.Hold == "":
			return fmt.Errorf("%w: limit %q: slots need a hold", ErrInvalid, d.Limit)
		case t.Hold == "" || !d.Rule.Kind.Counts():
		case t.Claim == 0:
			return fmt.Errorf("%w: limit %q: a hold needs a claim", ErrInvalid, d.Limit)
		case d.Rule.Kind.keeps() && t.Keep <= 0:
			return fmt.Errorf("%w: limit %q: a hold needs Keep", ErrInvalid, d.Limit)
		case !d.Rule.Kind.keeps() && t.Lease <= 0:
			return fmt.Errorf("%w: limit %q: a hold needs Lease", ErrInvalid, d.Limit)
		}
	}
	return nil
}

// same reports whether both name the same state.
func (d *Demand) same(o *Demand) bool {
	return d.Limit == o.Limit && d.Subject == o.Subject && d.Operation == o.Operation
}

func (d *Demand) check() error {
	switch {
	case d.Rule == nil:
		return fmt.Errorf("%w: limit %q has no rule", ErrInvalid, d.Limit)
	case d.Rule.Kind > Slots:
		return fmt.Errorf("%w: limit %q has kind %d", ErrInvalid, d.Limit, d.Rule.Kind)
	case d.Cost < 0 || d.Cost > MaxUnits:
		return fmt.Errorf("%w: limit %q: cost %d", ErrInvalid, d.Limit, d.Cost)
	}
	return nil
}

// Check returns ErrInvalid if the settlement breaks a rule of this package.
func (s *Settlement) Check() error {
	forms := 0
	for _, is := range [...]bool{s.Left, s.Whole, s.Once > 0} {
		if is {
			forms++
		}
	}
	if s.Once < 0 || forms > 1 || s.Hold == "" && forms > 0 {
		return fmt.Errorf("%w: a settlement with Left, Whole or Once, one of them, needs a hold", ErrInvalid)
	}
	if s.Claim > MaxUnits {
		return fmt.Errorf("%w: claim %d", ErrInvalid, s.Claim)
	}
	for i := range s.Changes {
		c := &s.Changes[i]
		if err := c.check(); err != nil {
			return err
		}
		for j := range i {
			if c.same(&s.Changes[j].Demand) {
				return fmt.Errorf("%w: limit %q of %q is changed twice: add up the changes", ErrInvalid, c.Limit, c.Subject)
			}
		}
		if c.Kept < 0 || c.Kept > MaxUnits {
			return fmt.Errorf("%w: limit %q: kept %d", ErrInvalid, c.Limit, c.Kept)
		}
	}
	return nil
}

// keeps reports whether a hold of this kind that ends by itself stays charged.
func (k Kind) keeps() bool { return k == Allowance || k == Balance }

// Decide decides over the states of all demands: states[i] is that of
// Demands[i]. It fills in Outcomes and Admitted, and reports whether any state
// has become one that must be kept; one with an appointment must be. The taking
// has passed Check.
func (t *Taking) Decide(states []State, at Instant) (changed bool) {
	changed, timed := t.weigh(states, at)
	switch {
	case t.Admitted:
		changed = t.charge(states, at) || changed
	case timed:
		changed = t.appoint(states, at) || changed
	}
	t.tell(states, at)
	return changed
}

// weigh asks every limit, before any is charged; of rates it leaves to tell what
// remains. timed says that nothing but rates refuses, and waiting helps.
func (t *Taking) weigh(states []State, at Instant) (changed, timed bool) {
	t.Admitted, timed = true, true
	for i := range t.Demands {
		d, s, o := &t.Demands[i], &states[i], &t.Outcomes[i]
		s.prepare(d.Rule.Kind)
		if d.Rule.Kind.Counts() {
			changed = s.counter.roll(d.Rule, at) || changed
			*o = s.counter.outcome(t.Hold, d, at)
			timed = timed && !o.Refused
		} else {
			s.follow(d.Rule)
			s.cell = s.pace.at(s.cell, at.Now)
			changed = s.queue != nil && s.queue.prune(&s.pace, at.Now) || changed
			s.pace.judge(s.cell, d.Cost, at, o)
			timed = timed && !o.Never
		}
		t.Admitted = t.Admitted && !o.Refused
	}
	return changed, timed
}

// judge writes field by field: to copy an Outcome takes as long as to decide.
func (p *pace) judge(c cell, cost int64, at Instant, o *Outcome) {
	o.Never, o.Refused, o.RetryAfter, o.Timeless = p.never(cost), false, 0, false
	if o.Never {
		o.Refused = true
	} else if wait := p.wait(c, at.Now, cost); wait > 0 {
		o.Refused, o.RetryAfter = true, at.until(at.Now+wait)
	}
}

// tell says what remains of rates.
func (t *Taking) tell(states []State, at Instant) {
	for i := range t.Demands {
		if s := &states[i]; !s.kind.Counts() {
			o := &t.Outcomes[i]
			o.Remaining, o.Reset = s.pace.room(s.cell, at.Now), at.tell(s.cell.full)
		}
	}
}

// outcome is before the charge.
func (c *counter) outcome(name string, d *Demand, at Instant) Outcome {
	room := c.room(d.Rule)
	o := Outcome{Remaining: max(room, 0)}
	if d.Rule.Kind == Allowance {
		o.Reset = at.tell(c.end - at.Shift)
	}
	if d.Cost == 0 || d.Cost <= room || c.has(name) {
		return o
	}
	o.Refused = true
	o.Never = d.Rule.Kind != Balance && d.Cost > d.Rule.Limit
	switch {
	case d.Rule.Kind != Allowance:
		o.Timeless = true
	case !o.Never:
		o.RetryAfter = at.until(c.end - at.Shift)
	}
	return o
}

func (t *Taking) charge(states []State, at Instant) (changed bool) {
	for i := range t.Demands {
		d, s := &t.Demands[i], &states[i]
		if d.Cost == 0 {
			continue
		}
		changed = true
		if s.kind.Counts() {
			lease := t.Lease
			if d.Rule.Kind.keeps() {
				lease = t.Keep
			}
			s.counter.take(t.Hold, t.Claim, d.Cost, lease, at.Now)
			t.Outcomes[i].Remaining = max(s.counter.room(d.Rule), 0)
			continue
		}
		s.cell = s.pace.take(s.cell, at.Now, d.Cost)
		if s.queue != nil {
			s.queue.came(&s.pace, t.Caller, d.Cost)
		}
	}
	return changed
}

// appoint tells a caller whom only rates refused when to come back: at the first
// instant at which all of them have room, and books that in each. The one that
// makes the call wait longest says so.
func (t *Taking) appoint(states []State, at Instant) (changed bool) {
	longest := -1
	var wait time.Duration
	for i := range t.Outcomes {
		if o := &t.Outcomes[i]; o.Refused && o.RetryAfter > wait {
			longest, wait = i, o.RetryAfter
		}
	}
	when, kept := t.appointed(states, at)
	if !kept {
		when, changed = t.reappoint(states, at)
	}
	t.Outcomes[longest].RetryAfter = max(at.until(when), wait)
	return changed
}

// appointed finds the appointment that the caller has, if it can still be kept.
func (t *Taking) appointed(states []State, at Instant) (when Micros, ok bool) {
	for i := range t.Demands {
		d, s := &t.Demands[i], &states[i]
		if d.Rule.Kind.Counts() || d.Cost == 0 {
			continue
		}
		mine := s.queue.find(t.Caller)
		if mine < 0 {
			return 0, false
		}
		if a := &s.queue.entries[mine]; a.cost != d.Cost || a.at <= at.Now || at.until(a.at) < t.Outcomes[i].RetryAfter {
			return 0, false
		}
		when = max(when, s.queue.entries[mine].at)
	}
	return when, true
}

// reappoint books the call for the first instant at which all its rates have
// room, if that is not farther ahead than the longest of their windows.
func (t *Taking) reappoint(states []State, at Instant) (when Micros, changed bool) {
	when = at.Now
	latest := at.Now
	for i := range t.Demands {
		d, s := &t.Demands[i], &states[i]
		if d.Rule.Kind.Counts() || d.Cost == 0 {
			continue
		}
		if s.queue.find(t.Caller) >= 0 {
			s.queue.cancel(&s.pace, t.Caller)
			changed = true
		}
		when = max(when, s.queue.earliest(&s.pace, s.cell, at.Now, d.Cost))
		latest = max(latest, at.Now+s.pace.span())
	}
	if when > latest {
		return latest, changed
	}
	for i := range t.Demands {
		d, s := &t.Demands[i], &states[i]
		if d.Rule.Kind.Counts() || d.Cost == 0 {
			continue
		}
		if s.queue == nil {
			s.queue = &queue{}
		}
		s.queue.book(&s.pace, s.cell, at.Now, appointment{caller: t.Caller, cost: d.Cost, at: when})
	}
	return when, true
}

// Resolve makes the changes of a settlement: states[i] is that of Changes[i]. It
// reports whether any state has become one that must be kept. The settlement
// has passed Check.
func (s *Settlement) Resolve(states []State, at Instant) (changed bool) {
	for i := range s.Changes {
		c, state := &s.Changes[i], &states[i]
		k := c.Rule.Kind
		state.prepare(k)
		if !k.Counts() {
			if s.Hold == "" && c.Kept != c.Cost {
				p := paceOf(c.Rule)
				before := p.at(state.cell, at.Now)
				state.cell = p.correct(before, at.Now, c.Kept-c.Cost)
				changed = changed || state.cell != before
			}
			continue
		}
		changed = state.counter.roll(c.Rule, at) || changed
		switch counter := state.counter; {
		case s.Hold == "":
			changed = counter.correct(k, c.Kept-c.Cost) || changed
		case s.Once > 0:
			if counter.once(s.Hold, s.Once, at.Now) {
				counter.correct(k, c.Kept-c.Cost)
				changed = true
			}
		default:
			changed = counter.settle(k, s, c.Kept) || changed
		}
	}
	return changed
}
