package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/failwell/failwell/admission"
)

func accountPath(id string) string { return "/v1/accounts/" + url.PathEscape(id) }

// Account returns an account.
func (c *AdminClient) Account(ctx context.Context, id string) (account admission.Account, err error) {
	err = c.call(ctx, http.MethodGet, accountPath(id), nil, &account)
	return account, err
}

// Accounts lists all accounts by id.
func (c *AdminClient) Accounts(ctx context.Context) ([]admission.Account, error) {
	all := []admission.Account{}
	for after := ""; ; after = all[len(all)-1].ID {
		var page accountList
		q := url.Values{"after": {after}, "limit": {"1000"}}
		if err := c.call(ctx, http.MethodGet, "/v1/accounts?"+q.Encode(), nil, &page); err != nil || len(page.Accounts) == 0 {
			return all, err
		}
		all = append(all, page.Accounts...)
	}
}

// PutAccount opens an account or replaces what is known of it.
func (c *AdminClient) PutAccount(ctx context.Context, a admission.Account) (account admission.Account, err error) {
	err = c.call(ctx, http.MethodPut, accountPath(a.ID), a, &account)
	return account, err
}

// ChangeAccount changes an account that is there.
func (c *AdminClient) ChangeAccount(ctx context.Context, id string, to admission.AccountChange) (account admission.Account, err error) {
	err = c.call(ctx, http.MethodPatch, accountPath(id), to, &account)
	return account, err
}

// SetPlan puts an account on a plan, and opens it when it is new.
func (c *AdminClient) SetPlan(ctx context.Context, id, plan string) (admission.Account, error) {
	account, err := c.ChangeAccount(ctx, id, admission.AccountChange{Plan: &plan})
	if errors.Is(err, admission.ErrNoAccount) {
		return c.PutAccount(ctx, admission.Account{ID: id, Plan: plan})
	}
	return account, err
}

// Usage tells how the limits of an account stand.
func (c *AdminClient) Usage(ctx context.Context, id string) ([]LimitUsage, error) {
	var all usageAnswer
	err := c.call(ctx, http.MethodGet, accountPath(id)+"/usage", nil, &all)
	return all.Limits, err
}

// Credit pays an amount into a balance of an account, or gives it back to a
// quota or to "storage". It happens once for each key, which is Required; the
// same key with another amount is [admission.ErrOtherMove]. The limit is nil
// where there is no bound.
func (c *AdminClient) Credit(ctx context.Context, id, name string, amount int64, key string) (*LimitUsage, error) {
	return c.move(ctx, accountPath(id)+"/credit", name, amount, key)
}

// Charge takes an amount from a quota or a balance of an account, or from
// "storage", once for each key. The error holds under errors.Is for the
// condition of a limit that has no room.
func (c *AdminClient) Charge(ctx context.Context, id, name string, amount int64, key string) (*LimitUsage, error) {
	return c.move(ctx, accountPath(id)+"/charge", name, amount, key)
}

func (c *AdminClient) move(ctx context.Context, path, name string, amount int64, key string) (*LimitUsage, error) {
	var done amountAnswer
	err := c.callWith(ctx, http.MethodPost, path, http.Header{"Idempotency-Key": {key}}, amountRequest{name, amount}, &done)
	return done.Limit, err
}
