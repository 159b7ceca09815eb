package main

import (
	"context"
	"errors"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store"
)

// storedKeys works on a store that no gateway has open.
type storedKeys struct {
	control *admission.Controller
	ring    *admission.Keyring
}

// storeWait is how long a person waits for a store.
const storeWait = 5 * time.Second

func newStoredKeys(c *contract.Contract, s store.Store) *storedKeys {
	control := &admission.Controller{Contract: c, Store: s, StoreTimeout: storeWait}
	return &storedKeys{control, control.Keys()}
}

func (s *storedKeys) CreateKey(ctx context.Context, n admission.NewKey) (string, admission.Key, error) {
	return s.ring.Create(ctx, n)
}

// ImportKeys ends with the store's error where there is one.
func (s *storedKeys) ImportKeys(ctx context.Context, list []admission.Imported) ([]admission.ImportResult, error) {
	results := s.ring.ImportAll(ctx, list)
	for _, r := range results {
		if r.Err != nil && !errors.Is(r.Err, admission.ErrKeyExists) && !errors.Is(r.Err, admission.ErrInvalid) {
			return nil, r.Err
		}
	}
	return results, nil
}

func (s *storedKeys) Keys(ctx context.Context, account string) ([]admission.Key, error) {
	keys := []admission.Key{}
	for {
		q := admission.KeyQuery{Account: account}
		if len(keys) > 0 {
			q.After = keys[len(keys)-1].ID
		}
		page, err := s.ring.List(ctx, q)
		if err != nil || len(page) == 0 {
			return keys, err
		}
		keys = append(keys, page...)
	}
}

func (s *storedKeys) RevokeKey(ctx context.Context, id string) (admission.Key, error) {
	return s.ring.Revoke(ctx, id)
}

func (s *storedKeys) SetPlan(ctx context.Context, id, plan string) (admission.Account, error) {
	account, err := s.ring.SetAccountPlan(ctx, id, plan)
	if errors.Is(err, admission.ErrNoAccount) {
		account = admission.Account{ID: id, Plan: plan, State: admission.AccountActive}
		err = s.ring.PutAccount(ctx, account)
	}
	return account, err
}

func (s *storedKeys) Accounts(ctx context.Context) ([]admission.Account, error) {
	all := []admission.Account{}
	for after := ""; ; after = all[len(all)-1].ID {
		page, err := s.ring.Accounts(ctx, after, 0)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
	}
}

func (s *storedKeys) Account(ctx context.Context, id string) (admission.Account, error) {
	return s.ring.Account(ctx, id)
}

func (s *storedKeys) PutAccount(ctx context.Context, a admission.Account) (admission.Account, error) {
	if err := s.ring.PutAccount(ctx, a); err != nil {
		return admission.Account{}, err
	}
	return s.ring.Account(ctx, a.ID)
}

func (s *storedKeys) ChangeAccount(ctx context.Context, id string, to admission.AccountChange) (admission.Account, error) {
	return s.ring.ChangeAccount(ctx, id, to)
}

func (s *storedKeys) Usage(ctx context.Context, id string) ([]gateway.LimitUsage, error) {
	list, err := s.control.Usage(ctx, id)
	limits := make([]gateway.LimitUsage, 0, len(list))
	for _, u := range list {
		limits = append(limits, gateway.UsageOf(u))
	}
	return limits, err
}

func (s *storedKeys) Credit(ctx context.Context, id, name string, amount int64, key string) (*gateway.LimitUsage, error) {
	return s.moved(ctx, id, name, s.control.Credit(ctx, id, name, amount, key))
}

func (s *storedKeys) Charge(ctx context.Context, id, name string, amount int64, key string) (*gateway.LimitUsage, error) {
	return s.moved(ctx, id, name, s.control.Charge(ctx, id, name, amount, key))
}

func (s *storedKeys) moved(ctx context.Context, id, name string, err error) (*gateway.LimitUsage, error) {
	if err != nil {
		return nil, err
	}
	limits, err := s.Usage(ctx, id)
	return gateway.LimitNamed(limits, name), err
}
