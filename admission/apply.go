package admission

import (
	"context"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store/meter"
)

// scratch is what a decision over limits needs, kept for the next one.
type scratch struct {
	demands  []meter.Demand
	outcomes []meter.Outcome
	// of are the limits of the demands.
	of     []*limit
	taking meter.Taking
	// counts and holds: some demand is of a counter, or of one that needs a hold.
	counts, holds bool
}

func (s *state) scratch() *scratch {
	x, ok := s.scratches.Get().(*scratch)
	if !ok {
		x = &scratch{}
	}
	return x
}

// done gives s back, without anybody's strings.
func (s *state) done(x *scratch) {
	clear(x.demands)
	clear(x.of)
	x.demands, x.of, x.taking, x.counts, x.holds = x.demands[:0], x.of[:0], meter.Taking{}, false, false
	s.scratches.Put(x)
}

func (s *scratch) add(l *limit, subject string, cost int64) {
	s.demands = append(s.demands, meter.Demand{Limit: l.name, Subject: subject, Rule: &l.rule, Cost: cost})
	s.of = append(s.of, l)
	s.counts = s.counts || l.rule.Kind.Counts()
	s.holds = s.holds || l.rule.Kind >= meter.Capacity
}

// room makes room for one outcome for each demand.
func (s *scratch) room() {
	if n := len(s.demands); cap(s.outcomes) < n {
		s.outcomes = make([]meter.Outcome, n)
	}
	s.outcomes = s.outcomes[:len(s.demands)]
	s.taking.Demands, s.taking.Outcomes = s.demands, s.outcomes
}

func (d *deciding) cost() int64 {
	if d.call.Operation == nil {
		return 1
	}
	return max(d.call.Operation.Cost, 1)
}

// own are the rates of the operation; those of the contract are prepared.
func (d *deciding) own(o *contract.Operation) []limit {
	if o == nil {
		return nil
	}
	if prepared, ok := d.rates[o]; ok {
		return prepared
	}
	return limitsOf("operation/"+o.ID, o.Rates)
}

// limit takes what the call costs from all limits that it touches, or from none.
func (d *deciding) limit(ctx context.Context) bool {
	s := d.state.scratch()
	defer d.state.done(s)
	d.demandRates(s, d.cost())
	if !d.v.repeat {
		d.v.holding.stored = d.toStore()
		d.demandCounters(s)
	}
	return d.take(ctx, s) || d.takeRest(ctx, s)
}

// takeRest asks once more for a body of unannounced length: for the room that
// there is, where nothing else was in the way. It need not be longer than that.
func (d *deciding) takeRest(ctx context.Context, refused *scratch) bool {
	if d.call.Size >= 0 || d.v.Condition != condition.StorageExhausted {
		return false
	}
	full := &Refusal{}
	for i, l := range refused.of {
		o := &refused.outcomes[i]
		switch {
		case !o.Refused:
		case l.rule.Kind != meter.Capacity || o.Remaining <= 0:
			return false
		default:
			d.v.Room = o.Remaining
			full.of(l, d.v.holding.stored, o)
		}
	}
	d.v.Condition, d.v.Facts, d.v.Full = "", nil, full
	d.v.RetryAfter, d.v.HasRetryAfter = 0, false
	d.v.holding.stored = d.v.Room
	s := d.state.scratch()
	defer d.state.done(s)
	d.demandRates(s, d.cost())
	d.demandCounters(s)
	return d.take(ctx, s)
}

// public takes from the operation's own rates, counted per source.
func (d *deciding) public(ctx context.Context) bool {
	s := d.state.scratch()
	defer d.state.done(s)
	d.demandPublic(s)
	return d.take(ctx, s)
}

// look reports how the rates stand on a call that is refused for another
// reason, and charges nothing.
func (d *deciding) look(ctx context.Context) {
	of, facts := d.v.Condition, len(d.v.Facts)
	s := d.state.scratch()
	defer d.state.done(s)
	d.demandRates(s, 0)
	d.take(ctx, s)
	d.v.Condition, d.v.Facts, d.v.Cause = of, d.v.Facts[:facts], nil
}

func (d *deciding) demandPublic(s *scratch) {
	own := d.own(d.call.Operation)
	if len(own) == 0 {
		return
	}
	s.taking.Owner = block(d.call.Source)
	for i := range own {
		s.add(&own[i], s.taking.Owner, d.cost())
	}
}

// demandRates asks the rates of the plan and of the operation.
func (d *deciding) demandRates(s *scratch, cost int64) {
	s.taking.Owner = d.v.Account.ID
	for _, limits := range [2][]limit{d.plan.rates, d.own(d.call.Operation)} {
		for i := range limits {
			l := &limits[i]
			switch l.scope {
			case perAccount:
				s.add(l, d.v.Account.ID, cost)
			default:
				s.add(l, d.v.Key.ID, cost)
				if l.scope == "operation" && d.call.Operation != nil {
					s.demands[len(s.demands)-1].Operation = d.call.Operation.ID
				}
			}
		}
	}
}

// demandCounters asks quotas, balances, storage and slots for what the
// operation says.
func (d *deciding) demandCounters(s *scratch) {
	o := d.call.Operation
	if o == nil {
		return
	}
	account := d.v.Account.ID
	for i := range o.Charges {
		if l := d.plan.charged(d.balances, o.Charges[i].Name); l != nil {
			s.add(l, account, o.Charges[i].Amount)
		}
	}
	if o.Stores && d.plan.storage != nil {
		s.add(d.plan.storage, account, d.v.holding.stored)
	}
	if o.Slot && d.plan.slots != nil {
		s.add(d.plan.slots, account, 1)
	}
}

// toStore is how many bytes the call asks the storage for: what was announced,
// else what the operation takes at most, or the room that there is. Settle
// corrects it.
func (d *deciding) toStore() int64 {
	switch o := d.call.Operation; {
	case o == nil || !o.Stores:
		return 0
	case d.call.Size >= 0:
		return d.call.Size
	case o.MaxBody > 0:
		return o.MaxBody
	}
	return defaultUnannounced
}

// take decides and says in the verdict how the limits stand.
func (d *deciding) take(ctx context.Context, s *scratch) bool {
	if len(s.demands) == 0 {
		return true
	}
	t := &s.taking
	t.Caller = d.call.Caller
	if s.counts {
		d.hold(s)
	}
	s.room()
	local, err := d.state.front.take(ctx, s, &d.patience)
	if err != nil {
		return d.undecided(condition.Unavailable, err)
	}
	d.report(s, local)
	if !t.Admitted {
		i := binding(s.outcomes)
		return d.refused(s.of[i], s.demands[i].Cost, &s.outcomes[i])
	}
	h := &d.v.holding
	h.taken(s, local)
	if s.holds && t.Hold != "" {
		d.state.renewals.add(h, s)
	}
	return true
}

// hold names what the call takes from counters. Without an idempotency key a
// charge needs no name: it stands until somebody gives it back, and nobody
// repeats it. The caller chooses request ids, so none can be the name of a hold:
// two calls with one id would be charged once.
func (d *deciding) hold(s *scratch) {
	t := &s.taking
	switch {
	case d.v.hold != "":
		t.Hold, t.Keep = d.v.hold, d.keep()
	case s.holds:
		t.Hold = d.state.unique()
		t.Keep = d.lease()
	default:
		return
	}
	t.Claim, t.Lease = d.state.claim(), d.lease()
}

// keep is how long the charge of a keyed call is known by its key.
func (c *Controller) keep() time.Duration {
	if keep := c.Contract.Idempotency.Keep; keep > 0 {
		return keep
	}
	return defaultKeep
}

// lease is how long a slot stays taken without a sign of life.
func (c *Controller) lease() time.Duration {
	if lease := c.Contract.Idempotency.Lease; lease > 0 {
		return lease
	}
	return defaultLease
}

const (
	defaultKeep  = 24 * time.Hour
	defaultLease = 30 * time.Second
)

// report sets what headers say of the limits. Limit is the rate that binds,
// and Remaining the least of all rates, since a call needs room in each.
func (d *deciding) report(s *scratch, local bool) {
	v := d.v
	v.Limits = v.limits[:0]
	var bound int
	least := int64(-1)
	for i := range s.outcomes {
		o, kind := &s.outcomes[i], s.of[i].rule.Kind
		v.Limits = append(v.Limits, stateOf(s.of[i], s.demands[i].Cost, o, local))
		if kind.Counts() {
			continue
		}
		if least < 0 || tighter(o, &s.outcomes[bound]) {
			bound = i
		}
		if least < 0 || o.Remaining < least {
			least = o.Remaining
		}
	}
	if len(v.Limits) > 0 {
		v.Limits[binding(s.outcomes)].Binding = true
	}
	if least >= 0 {
		v.Limit = v.Limits[bound]
		v.Limit.Remaining = least
	}
}

func stateOf(l *limit, cost int64, o *meter.Outcome, local bool) LimitState {
	return LimitState{Name: l.title, Rule: &l.rule, Cost: cost, Remaining: o.Remaining, Reset: o.Reset, Refused: o.Refused, Local: local}
}

// refused sets the facts of docs/contract.md. A cost that no wait makes room
// for, and a limit that no clock frees, get no RetryAfter.
func (d *deciding) refused(l *limit, cost int64, o *meter.Outcome) bool {
	r := Refusal{Facts: d.v.Facts}
	r.of(l, cost, o)
	d.v.Facts, d.v.RetryAfter, d.v.HasRetryAfter = r.Facts, r.RetryAfter, r.HasRetryAfter
	return d.refuse(r.Condition)
}
