package admission

import (
	"context"
	"errors"
	"fmt"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

func checkAccountID(id string) error {
	if !plainText(id, 1) {
		return fmt.Errorf("%w: an account's id has 1 to %d bytes, all printable", ErrInvalid, maxText)
	}
	return nil
}

// open makes an account on the default plan unless there is one.
func (k *Keyring) open(ctx context.Context, id string) error {
	err := save(ctx, k.c.Store, accountPrefix+id, 0, &Account{ID: id, State: AccountActive})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	k.c.state.accounts.changed(id, nil)
	return err
}

// PutAccount opens an account or replaces all that is known of it. State ""
// means active, Plan "" the contract's default.
func (k *Keyring) PutAccount(ctx context.Context, a Account) error {
	_, err := k.editAccount(ctx, a.ID, func(*Account) (*Account, error) {
		next := a
		return &next, nil
	})
	return err
}

// SetAccountState changes the standing of an account.
func (k *Keyring) SetAccountState(ctx context.Context, id string, to AccountState) (Account, error) {
	return k.ChangeAccount(ctx, id, AccountChange{State: &to})
}

// SetAccountPlan puts an account on a plan of the contract.
func (k *Keyring) SetAccountPlan(ctx context.Context, id, plan string) (Account, error) {
	return k.ChangeAccount(ctx, id, AccountChange{Plan: &plan})
}

// AccountChange says what of an account is to change; nil leaves it as it is.
type AccountChange struct {
	Name  *string       `json:"name,omitempty"`
	Plan  *string       `json:"plan,omitempty"`
	State *AccountState `json:"state,omitempty"`
}

// ChangeAccount changes an account that is there, all of it at once or nothing.
func (k *Keyring) ChangeAccount(ctx context.Context, id string, to AccountChange) (Account, error) {
	return k.editAccount(ctx, id, func(held *Account) (*Account, error) {
		if held == nil {
			return nil, ErrNoAccount
		}
		if to.Name != nil {
			held.Name = *to.Name
		}
		if to.Plan != nil {
			held.Plan = *to.Plan
		}
		if to.State != nil {
			held.State = *to.State
		}
		return held, nil
	})
}

func (k *Keyring) editAccount(ctx context.Context, id string, edit func(*Account) (*Account, error)) (Account, error) {
	if err := checkAccountID(id); err != nil {
		return Account{}, err
	}
	next, err := change(ctx, k.c.Store, accountPrefix+id, func(held *Account) (*Account, error) {
		next, err := edit(held)
		if err != nil {
			return nil, err
		}
		return next, k.checkAccount(next)
	})
	k.accountChanged(ctx, id)
	if err != nil {
		return Account{}, err
	}
	return *next, nil
}

func (k *Keyring) checkAccount(a *Account) error {
	switch a.State {
	case "":
		a.State = AccountActive
	case AccountActive, AccountSuspended, AccountUnpaid:
	default:
		known := []string{string(AccountActive), string(AccountSuspended), string(AccountUnpaid)}
		return unknown("account state", string(a.State), known)
	}
	if _, ok := k.c.Contract.Plan(a.Plan); a.Plan != "" && !ok {
		return unknown("plan", a.Plan, planNames(k.c.Contract.Plans))
	}
	if !plainText(a.Name, 0) {
		return fmt.Errorf("%w: a name has up to %d bytes, all printable", ErrInvalid, maxText)
	}
	return nil
}

func planNames(plans []*contract.Plan) []string {
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = p.Name
	}
	return names
}

// Account returns an account by its id.
func (k *Keyring) Account(ctx context.Context, id string) (Account, error) {
	if checkAccountID(id) != nil {
		return Account{}, ErrNoAccount
	}
	a, _, err := load[Account](ctx, k.c.Store, accountPrefix+id)
	switch {
	case err != nil:
		return Account{}, err
	case a == nil:
		return Account{}, ErrNoAccount
	}
	return *a, nil
}

// Accounts returns up to limit accounts in the order of their ids, from the one
// after the given id on; limit 0 means 100. Only an empty list is the end.
func (k *Keyring) Accounts(ctx context.Context, after string, limit int) ([]Account, error) {
	if limit <= 0 {
		limit = 100
	}
	if after != "" {
		after = accountPrefix + after
	}
	page, err := k.c.Store.Scan(ctx, accountPrefix, after, limit)
	if err != nil {
		return nil, fmt.Errorf("admission: listing accounts: %w", err)
	}
	accounts := make([]Account, 0, len(page))
	for _, r := range page {
		a, err := decode[Account](r.Key, r.Value)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, *a)
	}
	return accounts, nil
}
