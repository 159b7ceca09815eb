package admission

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/internal/failpoint"
)

// Admit decides on a call and overwrites the verdict. The order is: key syntax,
// key, state of key and account, permission, feature, overload, idempotency
// key, limits. Every admitted call must be ended with [Controller.Settle].
//
// A public operation asks for no key and looks at none that is sent, so that it
// works with a revoked key and while the store is away. Its own rates count per
// source. Where the contract has no schemes, every operation is public.
//
// That a key is expired, revoked or deactivated, or its account suspended, is
// said only to who sent the whole secret; everybody else gets malformed, where
// arithmetic on the credential tells, or unknown. When the store cannot be
// read, the answer is unavailable and never about the key.
func (c *Controller) Admit(ctx context.Context, call *Call, v *Verdict) {
	c.once.Do(c.prepare)
	*v = Verdict{Facts: v.Facts[:0]}
	wall := c.now()
	d := deciding{
		Controller: c, call: call, v: v, wall: wall, now: c.state.time.at(wall),
		patience: patience{limit: c.storeTimeout()},
	}
	d.decide(ctx)
}

// deciding is one decision under way. Its steps return false when they refused.
type deciding struct {
	*Controller
	call     *Call
	v        *Verdict
	wall     time.Time
	now      int64
	patience patience
	plan     *planLimits
}

func (d *deciding) decide(ctx context.Context) {
	operation := d.call.Operation
	if len(d.Contract.Auth.Schemes) == 0 || operation != nil && operation.Public {
		d.let(d.room() && d.repeated(ctx) && d.public(ctx))
		return
	}
	if !d.authenticate(ctx) || !d.standing(ctx) {
		return
	}
	if operation != nil && (!d.permitted(operation) || !d.featured(operation)) {
		d.look(ctx)
		return
	}
	d.let(d.room() && d.repeated(ctx) && d.limit(ctx))
}

// let ends the decision.
func (d *deciding) let(in bool) {
	d.v.Admitted, d.v.holding.open = in, in
	if in && d.v.Keyed {
		failpoint.Hit(failpoint.Charged)
	}
	if !in {
		d.state.room.leave(&d.v.holding, 0, false)
	}
}

func (d *deciding) refuse(of condition.Condition) bool {
	d.v.Condition = of
	return false
}

// undecided answers for us, not for the caller.
func (d *deciding) undecided(of condition.Condition, cause error) bool {
	d.v.Cause = cause
	return d.refuse(of)
}

func (d *deciding) fact(name string, data any) {
	d.v.Facts = append(d.v.Facts, contract.Value{Name: name, Data: data})
}

// permitted: a key holds exactly what it lists.
func (d *deciding) permitted(o *contract.Operation) bool {
	if o.Permission == "" || slices.Contains(d.v.Key.Permissions, o.Permission) {
		return true
	}
	d.fact("permission", o.Permission)
	return d.refuse(condition.PermissionDenied)
}

func (d *deciding) featured(o *contract.Operation) bool {
	if o.Feature == "" || d.v.Plan.Includes(o.Feature) {
		return true
	}
	d.fact("feature", o.Feature)
	if f, ok := d.Contract.Feature(o.Feature); ok {
		d.fact("feature_title", f.Title)
	}
	d.fact("plan", d.v.Plan.Name)
	d.fact("plan_title", d.v.Plan.Title)
	for _, p := range d.Contract.Plans { // from the cheapest on
		if !p.Includes(o.Feature) {
			continue
		}
		d.fact("required_plan", p.Name)
		d.fact("required_plan_title", p.Title)
		if p.Price != "" {
			d.fact("required_plan_price", p.Price)
		}
		if p.Credits != "" {
			d.fact("required_plan_credits", p.Credits)
		}
		break
	}
	return d.refuse(condition.FeatureUnavailable)
}

// standing looks at the key's state, its account's and its plan. All of it is
// disclosed: the caller has sent the whole secret.
func (d *deciding) standing(ctx context.Context) bool {
	key := d.v.Key
	switch {
	case !key.Expires.IsZero() && !d.wall.Before(key.Expires):
		return d.refuse(condition.KeyExpired)
	case key.State == KeyRevoked:
		return d.refuse(condition.KeyRevoked)
	case key.State != KeyActive:
		return d.refuse(condition.KeyDeactivated)
	}
	account, err := d.state.accounts.get(ctx, key.Account, d.now, &d.patience)
	switch {
	case err != nil:
		return d.undecided(condition.Unavailable, err)
	case account == nil:
		return d.undecided(condition.Internal, fmt.Errorf("admission: key %s belongs to account %q: %w", key.ID, key.Account, ErrNoAccount))
	}
	d.v.Account = account
	switch account.State {
	case AccountActive:
	case AccountUnpaid:
		return d.refuse(condition.PaymentRequired)
	default:
		return d.refuse(condition.AccountSuspended)
	}
	d.plan = d.planOf(ctx, account)
	d.v.Plan = d.plan.plan
	return true
}

// planOf: an account on a plan that the contract no longer has is served on
// the default one.
func (d *deciding) planOf(ctx context.Context, a *Account) *planLimits {
	if a.Plan != "" {
		if p, ok := d.plans[a.Plan]; ok {
			return p
		}
		d.warn(ctx, d.now, "the account's plan is not in the contract, the default plan is used",
			"account", a.ID, "plan", a.Plan, "default", d.Contract.DefaultPlan.Name)
	}
	return d.plans[d.Contract.DefaultPlan.Name]
}
