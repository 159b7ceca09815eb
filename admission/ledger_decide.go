package admission

import (
	"context"
	"fmt"
	"slices"

	"github.com/failwell/failwell/store/meter"
)

// decide decides one order on the page.
func (x *batch) decide(o *order) {
	o.err = nil
	if s := o.settlement; s != nil {
		for i := range s.Changes { // one by one: two may be of one limit
			part := *s
			part.Changes = s.Changes[i : i+1]
			at := x.book.page.at(&part.Changes[0].Demand)
			x.load(at)
			x.changed = part.Resolve(x.states, x.at) || x.changed
			x.keep(at)
		}
		return
	}
	t := o.taking
	if x.Rates == nil {
		o.err = x.takeFar(t, (*meter.Taking).Decide)
		return
	}
	far, near := x.split(t)
	if o.err = x.takeBoth(o, far, near); o.err == nil {
		x.merge(t, far, near)
	}
}

// load and keep move states between the page and the arithmetic.
func (x *batch) load(places ...int) {
	x.states = x.states[:0]
	for _, i := range places {
		x.states = append(x.states, x.book.page.lines[i].state)
	}
}

func (x *batch) keep(places ...int) {
	for i, at := range places {
		x.book.page.lines[at].state = x.states[i]
	}
	clear(x.states)
}

// takeFar decides over limits that are on the page, or only looks.
func (x *batch) takeFar(t *meter.Taking, decide func(*meter.Taking, []meter.State, meter.Instant) bool) error {
	places := make([]int, len(t.Demands))
	for i := range t.Demands {
		places[i] = x.book.page.at(&t.Demands[i])
		if slices.Contains(places[:i], places[i]) {
			return fmt.Errorf("%w: two demands of limit %q", meter.ErrInvalid, t.Demands[i].Limit)
		}
	}
	x.load(places...)
	x.changed = decide(t, x.states, x.at) || x.changed
	x.keep(places...)
	return nil
}

// takeBoth takes from the page and from the meter of this process, or from
// neither. The page is this batch's alone: what it has looked like stays true
// until it is charged. Beside it, others take at the same time.
func (x *batch) takeBoth(o *order, far, near *meter.Taking) error {
	if err := x.takeFar(far, (*meter.Taking).Look); err != nil {
		return err
	}
	if !far.Admitted {
		return x.Rates.Look(near)
	}
	if err := x.Rates.Take(context.Background(), near); err != nil || !near.Admitted {
		return err
	}
	o.near = near
	return x.takeFar(far, (*meter.Taking).Decide)
}

// split parts a taking into what the page and what this process decides.
func (x *batch) split(t *meter.Taking) (far, near *meter.Taking) {
	parts := [2]*meter.Taking{}
	for i := range parts {
		part := *t
		part.Demands, part.Outcomes, part.Admitted = nil, nil, false
		parts[i] = &part
	}
	far, near = parts[0], parts[1]
	for i := range t.Demands {
		to := far
		if x.near(t.Demands[i].Rule.Kind) {
			to = near
		}
		to.Demands = append(to.Demands, t.Demands[i])
	}
	far.Outcomes, near.Outcomes = make([]meter.Outcome, len(far.Demands)), make([]meter.Outcome, len(near.Demands))
	return far, near
}

// merge puts the outcomes of both parts where they belong.
func (x *batch) merge(t, far, near *meter.Taking) {
	f, n := 0, 0
	for i := range t.Demands {
		if x.near(t.Demands[i].Rule.Kind) {
			t.Outcomes[i] = near.Outcomes[n]
			n++
		} else {
			t.Outcomes[i] = far.Outcomes[f]
			f++
		}
	}
	t.Admitted = far.Admitted && near.Admitted
}

// undoing is what gives back a taking that was admitted. Rates have no holds, and
// a renewal has nothing that its claim did not have before.
func undoing(t *meter.Taking) (out []*meter.Settlement) {
	var held, rates []meter.Change
	if t.Renew {
		return nil
	}
	for i := range t.Demands {
		change := meter.Change{Demand: t.Demands[i]}
		switch {
		case t.Demands[i].Cost == 0:
		case t.Hold != "" && t.Demands[i].Rule.Kind.Counts():
			held = append(held, change)
		default:
			rates = append(rates, change)
		}
	}
	if len(held) > 0 {
		out = append(out, &meter.Settlement{Owner: t.Owner, Hold: t.Hold, Claim: t.Claim, Left: true, Changes: held})
	}
	if len(rates) > 0 {
		out = append(out, &meter.Settlement{Owner: t.Owner, Changes: rates})
	}
	return out
}

// undo is what gives back what an order has taken from the page.
func (o *order) undo(l *Ledger) (out []*order) {
	if o.taking == nil || !o.taking.Admitted || o.err != nil {
		return nil
	}
	for _, s := range undoing(o.taking) {
		far := *s
		far.Changes = nil
		for i := range s.Changes {
			if !l.near(s.Changes[i].Rule.Kind) {
				far.Changes = append(far.Changes, s.Changes[i])
			}
		}
		if len(far.Changes) > 0 {
			out = append(out, &order{settlement: &far})
		}
	}
	return out
}

// returnNear gives back what orders have taken in this process, since their
// other half did not happen.
func (x *batch) returnNear() {
	for _, o := range x.orders {
		x.returnTo(o)
	}
}

func (x *batch) returnTo(o *order) {
	if o.near != nil {
		x.giveBackNear(o.near)
		o.near = nil
	}
}

func (x *batch) giveBackNear(t *meter.Taking) {
	for _, s := range undoing(t) {
		_ = x.Rates.Settle(context.Background(), s) // valid, and in this process
	}
}
