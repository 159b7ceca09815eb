package failwell

import (
	"context"
	"errors"
	"fmt"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract/condition"
)

var errNoCall = errors.New("failwell: the context is not that of a request which Admission let in")

// Charge takes an amount from a quota of the caller's plan or from one of its
// balances, by the name in the contract: for what a handler knows only while it
// works. ctx is the request's. The charge is part of what the request takes: it
// is given back when the response is an error (400 and above), and made once
// where the request is repeated under its idempotency key, as long as the handler
// makes the same charges in the same order. The error is an [*Error] of the contract,
// for the handler to return.
func Charge(ctx context.Context, name string, amount int64) error {
	return charge(ctx, func(c *admission.Controller, x *exchange) error {
		return c.ChargeCall(ctx, &x.call, &x.verdict, name, amount)
	})
}

// ChargeStorage counts bytes that a handler keeps for the caller, as [Charge]
// does, and refuses them where the plan has no room.
func ChargeStorage(ctx context.Context, bytes int64) error {
	return charge(ctx, func(c *admission.Controller, x *exchange) error {
		return c.StoreCall(ctx, &x.call, &x.verdict, bytes)
	})
}

// KeepStorage says how many bytes a handler keeps of the request's body, where its
// operation stores bodies: a form is longer than the file in it, and a file that
// is there already needs no room. Without it the length of the body counts.
func KeepStorage(ctx context.Context, bytes int64) error {
	return charge(ctx, func(_ *admission.Controller, x *exchange) error {
		if bytes < 0 {
			return fmt.Errorf("failwell: %d bytes cannot be kept", bytes)
		}
		x.call.Size = bytes // what Settle corrects the storage to
		return nil
	})
}

// ReleaseStorage gives bytes back that a handler has deleted for the caller. It
// counts at once, whatever becomes of the request, and once for each id of what
// was deleted; "" is not remembered.
func ReleaseStorage(ctx context.Context, bytes int64, id string) error {
	return charge(ctx, func(c *admission.Controller, x *exchange) error {
		if x.verdict.Account == nil {
			return errNoCall
		}
		return c.ReleaseStorage(ctx, x.verdict.Account.ID, bytes, id)
	})
}

func charge(ctx context.Context, do func(*admission.Controller, *exchange) error) error {
	x := exchangeOf(ctx)
	if x == nil || x.guard.Admission == nil {
		return FromCondition(condition.Internal, errNoCall)
	}
	x.charging.Lock()
	defer x.charging.Unlock()
	err := do(x.guard.Admission, x)
	if err == nil {
		return nil
	}
	var refused *admission.Refusal
	if !errors.As(err, &refused) {
		return FromCondition(condition.Internal, err)
	}
	e := FromCondition(refused.Condition, refused.Cause)
	e.Params, e.RetryAfter, e.HasRetryAfter = refused.Facts, refused.RetryAfter, refused.HasRetryAfter
	return e
}
