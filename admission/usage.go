package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store/meter"
)

// Usage is how one limit of an account stands.
type Usage struct {
	// Name is what the contract calls it; "storage" and "concurrency" for those.
	Name string
	Kind meter.Kind
	// Limit is what the plan grants: units per period, bytes, slots, calls per
	// window. 0 for a balance.
	Limit int64
	// Used of it; 0 for a balance, whose Remaining says all.
	Used      int64
	Remaining int64
	// Reset is when a period ends or a rate is all free; zero where time frees nothing.
	Reset time.Time
}

// patient is how long what is no decision on a call waits for the store.
const patient = 2 * time.Second

// Charge takes an amount from a quota of the account's plan or from one of its
// balances, by the name that the contract gives it: for what is known only once
// the work is under way. A quota that the plan does not have is without bound.
//
// With an id the charge happens once: repeating it within the life of an
// idempotency record (24 h unless the contract says otherwise) changes nothing.
// "" is not remembered. The error is a [*Refusal], or says what of the arguments
// is wrong: [ErrOtherMove] if the id has stood for something else.
func (c *Controller) Charge(ctx context.Context, account, name string, amount int64, id string) error {
	d, l, err := c.on(ctx, account, name, amount, id)
	if err != nil || l == nil {
		return err
	}
	n, err := d.note(ctx, moveCharge, l, amount, id)
	if err != nil {
		return err
	}
	if l.rule.Kind == meter.Capacity && id != "" {
		err = d.reserveOnce(ctx, l, amount, id)
	} else {
		_, err = d.charge(ctx, l, amount, holdOf("charge/", id), c.state.claim())
	}
	d.forget(ctx, n, err)
	return err
}

// Credit pays an amount into a balance of the account, or gives it back to a
// quota, though never more than is charged there for good: charges that are still
// remembered by their id or their call are not. It happens once for each id, as
// with Charge.
func (c *Controller) Credit(ctx context.Context, account, name string, amount int64, id string) error {
	d, l, err := c.on(ctx, account, name, amount, id)
	if err != nil || l == nil {
		return err
	}
	if _, err := d.note(ctx, moveCredit, l, amount, id); err != nil {
		return err
	}
	return d.giveBack(ctx, l, amount, holdOf("credit/", id))
}

// ReserveStorage counts bytes that are kept for an account, and refuses them
// where its plan has no room. It happens once for each id, as with Charge.
func (c *Controller) ReserveStorage(ctx context.Context, account string, bytes int64, id string) error {
	return c.Charge(ctx, account, storage, bytes, id)
}

// ReleaseStorage gives bytes back that an account has deleted. It happens once
// for each id, as with Charge.
func (c *Controller) ReleaseStorage(ctx context.Context, account string, bytes int64, id string) error {
	return c.Credit(ctx, account, storage, bytes, id)
}

// Usage lists the limits that belong to an account: its quotas, the contract's
// balances, storage, concurrency, and rates that count for the whole account.
func (c *Controller) Usage(ctx context.Context, account string) ([]Usage, error) {
	d, err := c.of(ctx, account)
	if err != nil {
		return nil, err
	}
	s := d.state.scratch()
	defer d.state.done(s)
	s.taking.Owner = account
	s.taking.Hold, s.taking.Claim = "usage", 1 // asks, and so holds nothing
	s.taking.Lease, s.taking.Keep = time.Second, time.Second
	for _, limits := range [][]limit{d.plan.quotas, d.balances} {
		for i := range limits {
			s.add(&limits[i], account, 0)
		}
	}
	for _, l := range []*limit{d.plan.storage, d.plan.slots} {
		if l != nil {
			s.add(l, account, 0)
		}
	}
	for i := range d.plan.rates {
		if l := &d.plan.rates[i]; l.scope == perAccount {
			s.add(l, account, 0)
		}
	}
	if len(s.demands) == 0 {
		return nil, nil
	}
	s.room()
	if err := d.state.front.look(ctx, s, &d.patience); err != nil {
		return nil, fmt.Errorf("admission: reading the usage of an account: %w", err)
	}
	out := make([]Usage, len(s.demands))
	for i, l := range s.of {
		o := &s.outcomes[i]
		out[i] = Usage{Name: l.title, Kind: l.rule.Kind, Limit: l.rule.Limit, Remaining: o.Remaining, Reset: o.Reset}
		if l.rule.Kind != meter.Balance {
			out[i].Used = max(l.rule.Limit-o.Remaining, 0)
		}
	}
	return out, nil
}

// ChargeCall takes an amount, by the name of a quota or a balance, on behalf of a
// call that is being worked on. It is part of what the call takes: given back if
// the call ends as [Failed] or [Unsent], and charged once where the call is
// repeated under its idempotency key, as long as the work makes the same charges
// in the same order. It must not run at the same time as another method on the
// same Verdict; after Settle it refuses. The error is as with Charge.
func (c *Controller) ChargeCall(ctx context.Context, call *Call, v *Verdict, name string, amount int64) error {
	h := &v.holding
	if !h.open {
		return &Refusal{Condition: condition.Internal, Cause: errLate}
	}
	if v.Account == nil {
		return &Refusal{Condition: condition.Internal, Cause: errNobody}
	}
	if amount < 0 {
		return fmt.Errorf("%w: an amount of %d, it must not be below 0", ErrInvalid, amount)
	}
	d := deciding{Controller: c, call: call, v: v, plan: c.plans[v.Plan.Name], patience: patience{limit: c.storeTimeout()}}
	l, err := d.named(name)
	if err != nil || l == nil {
		return err
	}
	hold := ""
	if v.hold != "" {
		hold = v.hold + "/" + strconv.Itoa(len(h.extra))
	}
	claim := c.state.claim()
	local, err := d.charge(ctx, l, amount, hold, claim)
	if err == nil {
		h.extra = append(h.extra, charged{l, amount, hold, claim, local})
	}
	return err
}

// StoreCall counts bytes that the work on a call keeps, as ChargeCall.
func (c *Controller) StoreCall(ctx context.Context, call *Call, v *Verdict, bytes int64) error {
	return c.ChargeCall(ctx, call, v, storage, bytes)
}

// charged is a charge that was made while a call ran.
type charged struct {
	limit  *limit
	amount int64
	hold   string
	claim  uint64
	local  bool
}

var (
	errLate   = errors.New("the call has ended, nothing can be charged to it")
	errNobody = errors.New("the call has no account that could be charged")
)

// settleExtra ends such a charge as its call has ended.
func (d *deciding) settleExtra(ctx context.Context, x *charged, ending Ending) {
	c := meter.Change{Demand: meter.Demand{Limit: x.limit.name, Subject: d.v.Account.ID, Rule: &x.limit.rule, Cost: x.amount}, Kept: x.amount}
	switch ending {
	case Failed, Unsent:
		c.Kept = 0
	case Left, Unknown:
		return
	case Done:
		if x.hold == "" {
			return
		}
	}
	d.end(ctx, d.ended(ending, x.hold, x.claim, []meter.Change{c}), x.local)
}

// of finds an account and its plan.
func (c *Controller) of(ctx context.Context, account string) (*deciding, error) {
	c.once.Do(c.prepare)
	wall := c.now()
	d := &deciding{Controller: c, call: &Call{}, v: &Verdict{}, wall: wall, now: c.state.time.at(wall), patience: patience{limit: patient}}
	if err := checkAccountID(account); err != nil {
		return nil, err
	}
	a, err := c.state.accounts.get(ctx, account, d.now, &d.patience)
	switch {
	case err != nil:
		return nil, &Refusal{Condition: condition.Unavailable, Cause: err}
	case a == nil:
		return nil, ErrNoAccount
	}
	d.v.Account, d.plan = a, d.planOf(ctx, a)
	return d, nil
}

// storage is the name of the plan's storage among its limits.
const storage = "storage"

// on finds what a charge is about; nil when it is without bound.
func (c *Controller) on(ctx context.Context, account, name string, amount int64, id string) (*deciding, *limit, error) {
	if amount < 0 {
		return nil, nil, fmt.Errorf("%w: an amount of %d, it must not be below 0", ErrInvalid, amount)
	}
	if !plainText(id, 0) {
		return nil, nil, fmt.Errorf("%w: the id of a charge has up to %d bytes, all printable", ErrInvalid, maxText)
	}
	d, err := c.of(ctx, account)
	if err != nil {
		return nil, nil, err
	}
	l, err := d.named(name)
	return d, l, err
}

// named finds a limit that can be charged.
func (d *deciding) named(name string) (*limit, error) {
	if name == storage {
		return d.plan.storage, nil
	}
	if l := d.plan.charged(d.balances, name); l != nil {
		return l, nil
	}
	var known []string
	for _, p := range d.Contract.Plans {
		for i := range p.Quotas {
			if p.Quotas[i].Name == name {
				return nil, nil //nolint:nilnil // a quota that this plan grants without bound
			}
			known = append(known, p.Quotas[i].Name)
		}
	}
	for i := range d.balances {
		known = append(known, d.balances[i].title)
	}
	slices.Sort(known) // plans have the same quotas
	return nil, unknown("quota or balance", name, append(slices.Compact(known), storage))
}

func holdOf(prefix, id string) string {
	if id == "" {
		return ""
	}
	return prefix + id
}

// charge takes an amount at once.
func (d *deciding) charge(ctx context.Context, l *limit, amount int64, hold string, claim uint64) (local bool, err error) {
	s := d.state.scratch()
	defer d.state.done(s)
	s.add(l, d.v.Account.ID, amount)
	s.taking.Owner, s.taking.Hold, s.taking.Claim = d.v.Account.ID, hold, claim
	if hold != "" {
		s.taking.Keep, s.taking.Lease = d.keep(), d.keep()
	}
	s.room()
	local, err = d.state.front.take(ctx, s, &d.patience)
	switch {
	case err != nil:
		return false, &Refusal{Condition: condition.Unavailable, Cause: err}
	case !s.taking.Admitted:
		r := &Refusal{}
		r.of(l, amount, &s.outcomes[0])
		return false, r
	}
	return local, nil
}

// reserveOnce counts bytes for good, and once. A hold on storage is a lease, so
// the bytes are taken under one name, which asks for room, and put for good under
// another, which is remembered. A crash in between frees the first.
func (d *deciding) reserveOnce(ctx context.Context, l *limit, bytes int64, id string) error {
	asked, known := holdOf("reserve/", id), holdOf("charge/", id)
	if _, err := d.charge(ctx, l, bytes, asked, d.state.claim()); err != nil {
		// There is no room for more than there ever is, unless it is remembered.
		if _, again := d.charge(ctx, l, meter.MaxUnits, known, d.state.claim()); again == nil {
			return nil
		}
		return err
	}
	err := d.correct(ctx, l, meter.Settlement{Hold: known, Once: d.keep()}, 0, bytes)
	if err != nil {
		return err
	}
	return d.correct(ctx, l, meter.Settlement{Hold: asked}, bytes, 0)
}

// giveBack corrects a limit without asking whether it has that much to give.
func (d *deciding) giveBack(ctx context.Context, l *limit, amount int64, hold string) error {
	s := meter.Settlement{Hold: hold}
	if hold != "" {
		s.Once = d.keep()
	}
	return d.correct(ctx, l, s, amount, 0)
}

// correct changes one limit from what it took to what it keeps.
func (d *deciding) correct(ctx context.Context, l *limit, s meter.Settlement, took, kept int64) error {
	s.Owner = d.v.Account.ID
	s.Changes = []meter.Change{{
		Demand: meter.Demand{Limit: l.name, Subject: d.v.Account.ID, Rule: &l.rule, Cost: took}, Kept: kept,
	}}
	if err := d.state.front.settle(ctx, &s, false, &d.patience); err != nil {
		return &Refusal{Condition: condition.Unavailable, Cause: err}
	}
	return nil
}
