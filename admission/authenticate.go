package admission

import (
	"context"

	"github.com/failwell/failwell/contract/condition"
)

// authenticate finds the key. On failure it says no more than arithmetic on
// the credential tells anybody.
func (d *deciding) authenticate(ctx context.Context) bool {
	credential := d.call.Credential
	if credential == "" {
		if d.call.Misplaced {
			return d.failed(condition.KeyMalformed)
		}
		return d.refuse(condition.KeyMissing)
	}
	syntax, _ := CheckSyntax(d.Contract.Auth.Key, credential)
	likely := syntax == WellFormed
	if !likely && syntax != Unreadable {
		forms, err := d.state.imports.get(ctx, struct{}{}, d.now, &d.patience)
		if err != nil {
			return d.undecided(condition.Unavailable, err)
		}
		likely = forms.Foreign && syntax == Foreign || forms.Prefixed
	}
	if !likely {
		return d.failed(condition.KeyMalformed)
	}
	key, err := d.state.keys.get(ctx, digestOf(credential), d.now, &d.patience)
	switch {
	case err != nil:
		return d.undecided(condition.Unavailable, err)
	case key == nil && syntax == Mistyped:
		return d.failed(condition.KeyMalformed)
	case key == nil, d.Environment != "" && key.Environment != d.Environment:
		return d.failed(condition.KeyUnknown)
	}
	d.v.Key = key
	return true
}

// failed charges the source. Once it has spent its failures, further ones get
// rate_limited instead, which says nothing about the credential. Whoever holds
// a valid key does not come here, so that nobody can lock them out.
func (d *deciding) failed(of condition.Condition) bool {
	rate := &d.failing
	if d.call.Source == "" || rate.Limit <= 0 {
		return d.refuse(of)
	}
	o := d.state.failures.charge(d.call.Source, &d.throttle.rule, d.state.time.micros(d.now))
	if !o.Refused {
		return d.refuse(of)
	}
	d.v.Limit = stateOf(&d.throttle, 1, &o, false)
	d.v.Limit.Binding = true
	d.v.Limits = append(d.v.limits[:0], d.v.Limit)
	return d.refused(&d.throttle, 1, &o)
}
