package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
)

type accountsCreditCmd struct{ moveArgs }

// Run pays an amount in.
func (x *accountsCreditCmd) Run(ctx context.Context, c *console) error {
	return x.run(ctx, c, "credited", func(k keyring) move { return k.Credit })
}

type accountsChargeCmd struct{ moveArgs }

// Run takes an amount.
func (x *accountsChargeCmd) Run(ctx context.Context, c *console) error {
	return x.run(ctx, c, "charged", func(k keyring) move { return k.Charge })
}

// moveArgs are what credit and charge share.
type moveArgs struct {
	keyPlace

	ID     string `arg:""                                                                        help:"The account."                                              name:"id"`
	Limit  string `arg:""                                                                        help:"Name of the balance or quota in the contract, or storage." name:"limit"`
	Amount int64  `arg:""                                                                        help:"Units, 1 or more; bytes for storage."                      name:"amount"`
	Key    string `help:"Idempotency key: with the same one it happens once. Absent: a new one." placeholder:"KEY"`
}

type moveJSON struct {
	Account string `json:"account"`
	Key     string `json:"key"`
	// Limit is how it stands afterwards; absent where the plan grants it without bound.
	Limit *gateway.LimitUsage `json:"limit,omitempty"`
}

type move func(ctx context.Context, id, name string, amount int64, key string) (*gateway.LimitUsage, error)

func (x *moveArgs) run(ctx context.Context, c *console, done string, choose func(keyring) move) error {
	if x.Amount < 1 {
		return usage("write a whole number of 1 or more", "an amount cannot be %d", x.Amount)
	}
	if x.Key == "" {
		x.Key = uuid.NewString()
	}
	return x.with(ctx, c, func(keys keyring) error {
		limit, err := choose(keys)(ctx, x.ID, x.Limit, x.Amount, x.Key)
		switch {
		case err != nil && !decided(err):
			return hinted(err, "whether it happened is not known; repeat it with --key "+x.Key+", so that it happens once")
		case err != nil:
			return err
		case x.JSON:
			return c.json(moveJSON{x.ID, x.Key, limit})
		case limit == nil:
			return c.printf("account %s has %s without bound, nothing was %s\n", x.ID, x.Limit, done)
		}
		return c.printf("%s account %s %d %s, %d left\n", done, x.ID, x.Amount, x.Limit, limit.Remaining)
	})
}

// decided reports whether an error says that nothing was moved.
func decided(err error) bool {
	if errors.Is(err, admission.ErrNoAccount) || errors.Is(err, admission.ErrInvalid) || errors.Is(err, admission.ErrOtherMove) {
		return true
	}
	if r, ok := errors.AsType[*admission.Refusal](err); ok {
		return r.Cause == nil
	}
	if e, ok := errors.AsType[*failwell.Error](err); ok {
		return e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError
	}
	return false
}
