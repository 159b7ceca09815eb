package admission

import (
	"context"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/failwell/failwell/internal/failpoint"
	"github.com/failwell/failwell/store/meter"
)

// Ending is how an admitted call ended, for its limits.
type Ending uint8

// The endings.
const (
	// Done: the work was done, or may have been. What was taken stays taken.
	Done Ending = iota
	// Failed: it did not succeed. Quotas, balances and storage are given back,
	// rates are not.
	Failed
	// Unsent: it was not even begun. Rates are given back as well.
	Unsent
	// Left: another call with the same idempotency key does the work.
	Left
	// Unknown: nobody knows. What was taken stays taken, under the call's name.
	Unknown
)

// holding is what an admitted call has taken, until it is settled.
type holding struct {
	// open says that the call was admitted and is not settled yet.
	open bool
	// name is that of the hold, claim the call's claim on it; "" when counters were
	// charged for good.
	name  string
	claim uint64
	// counts: counters were charged. local: in this process, the store was away.
	counts, local bool
	// stored is how many bytes the storage was asked for.
	stored int64
	// extra are charges that were made while the call ran.
	extra []charged
	// bytes, permit and began are for room.
	bytes  int64
	permit adaptivelimiter.Permit
	began  int64
	lease  *renewal
}

// taken notes what a decision has taken.
func (h *holding) taken(s *scratch, local bool) {
	h.name, h.claim, h.counts, h.local = s.taking.Hold, s.taking.Claim, s.counts, local
}

// Settle ends an admitted call: it frees what the call held and settles what it
// took. It must be called once for each admitted call; a further call does
// nothing. It does not wait longer than StoreTimeout for the store; what the store
// did not take is tried again until it does, or until [Controller.Close].
//
// Where the storage was asked for a body of unknown size, Call.Size may meanwhile
// say how long it was.
func (c *Controller) Settle(ctx context.Context, call *Call, v *Verdict, ending Ending) {
	h := &v.holding
	if !h.open {
		return
	}
	h.open = false
	c.state.room.leave(h, c.state.time.at(c.now())-h.began, ending == Done)
	c.state.renewals.drop(h, ending)
	// The caller may be gone; what it took must be settled all the same.
	ctx = context.WithoutCancel(ctx)
	d := deciding{Controller: c, call: call, v: v, patience: patience{limit: c.storeTimeout()}}
	d.settle(ctx, ending)
	for i := range h.extra {
		d.settleExtra(ctx, &h.extra[i], ending)
	}
	h.extra = nil
	if ending == Left && v.repeat {
		d.tidy(ctx)
	}
}

// unsuccessful is the first status of an answer that costs nothing.
const unsuccessful = 400

// tidy settles for others what a repetition has found the end of: for the call
// that was answered, should it have died before it was settled, and for those
// that were charged after it, and died before they knew. What of a store that is
// this process's alone was recorded by this process needs none: nobody has died.
func (d *deciding) tidy(ctx context.Context) {
	k := d.v.found.kept
	if k == nil || k.state != stateCompleted && k.state != stateTombstone || d.v.Account == nil {
		return
	}
	if d.state.front.private && k.owner == d.state.running.owner() {
		return
	}
	s := d.state.scratch()
	defer d.state.done(s)
	d.plan = d.plans[d.v.Plan.Name]
	d.demandCounters(s)
	whole := &meter.Settlement{Owner: d.v.Account.ID, Hold: d.v.hold, Claim: k.claim, Whole: true}
	for _, x := range s.demands {
		if kind := x.Rule.Kind; kind != meter.Allowance && kind != meter.Balance {
			continue // these are leases
		}
		c := meter.Change{Demand: x, Kept: x.Cost}
		if k.answer.Status >= unsuccessful {
			c.Kept = 0
		}
		whole.Changes = append(whole.Changes, c)
	}
	d.end(ctx, whole, false)
}

func (d *deciding) settle(ctx context.Context, ending Ending) {
	h := &d.v.holding
	if ending != Unsent && !h.counts || h.name == "" && (ending == Done || ending == Unknown) {
		return
	}
	s := d.state.scratch()
	defer d.state.done(s)
	if d.v.Account == nil {
		d.demandPublic(s)
	} else {
		d.plan = d.plans[d.v.Plan.Name]
		d.demandRates(s, d.cost())
		if h.counts {
			d.demandCounters(s)
		}
	}
	var held, freed, slots []meter.Change
	for i := range s.demands {
		change, changed := d.changeOf(&s.demands[i], ending)
		switch {
		case !changed:
		case ending == Unknown && change.Rule.Kind == meter.Slots:
			slots = append(slots, change)
		case h.name != "" && change.Rule.Kind.Counts():
			held = append(held, change)
		default:
			freed = append(freed, change)
		}
	}
	failpoint.Hit(failpoint.Settling)
	d.end(ctx, d.ended(ending, h.name, h.claim, held), h.local)
	// Whoever has taken the key over has a claim on the slot as well.
	d.end(ctx, d.ended(Left, h.name, h.claim, slots), h.local)
	d.end(ctx, &meter.Settlement{Owner: s.taking.Owner, Changes: freed}, h.local)
	failpoint.Hit(failpoint.Settled)
}

// ended is the settlement of what a call holds. It can be repeated: what the call
// has done it says by its own claim, and what was not done is given back as that
// claim alone, since another may have lost patience with this call and work under
// the same name. Only where the record says that nobody will any more, the
// hold ends whole, with the claims of those who died.
func (d *deciding) ended(ending Ending, hold string, claim uint64, changes []meter.Change) *meter.Settlement {
	s := &meter.Settlement{Owner: d.owner(), Hold: hold, Claim: claim, Changes: changes}
	switch {
	case hold == "":
		s.Claim = 0
	case ending == Left, (ending == Failed || ending == Unsent) && !d.v.final:
		s.Left = true
	case ending == Failed, ending == Unsent:
		s.Claim = 0
	}
	return s
}

// owner is whom the call's limits belong to.
func (d *deciding) owner() string {
	if d.v.Account == nil {
		return block(d.call.Source)
	}
	return d.v.Account.ID
}

func (d *deciding) end(ctx context.Context, s *meter.Settlement, local bool) {
	if err := d.state.front.settle(ctx, s, local, &d.patience); err != nil {
		d.owe(ctx, s, err)
	}
}

// expired reports whether the period of an allowance has ended since the call was
// charged: what it took of that must not be given back to the next one. A hold
// knows by itself.
func (d *deciding) expired(r *meter.Rule) bool {
	for i := range d.v.Limits {
		if l := &d.v.Limits[i]; l.Rule == r && r.Kind == meter.Allowance {
			return !d.Controller.now().Before(l.Reset)
		}
	}
	return false
}

// changeOf is what becomes of one demand; changed is false when nothing does.
func (d *deciding) changeOf(x *meter.Demand, ending Ending) (c meter.Change, changed bool) {
	c = meter.Change{Demand: *x, Kept: x.Cost}
	kind := x.Rule.Kind
	if !kind.Counts() {
		c.Kept = 0
		return c, ending == Unsent
	}
	held := d.v.holding.name != ""
	switch ending {
	case Left:
		return c, held
	case Failed, Unsent:
		c.Kept = 0
		return c, held || !d.expired(x.Rule)
	case Done, Unknown:
	}
	switch kind {
	case meter.Slots:
		c.Kept = 0
	case meter.Capacity:
		if d.call.Size >= 0 {
			c.Kept = d.call.Size
		}
	default:
		// Unknown: the hold says for as long as it lasts that this was charged.
		return c, held && ending == Done
	}
	return c, true
}
