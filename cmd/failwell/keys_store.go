package main

import (
	"context"
	"errors"

	"github.com/failwell/failwell/admission"
)

// storedKeys works on a store that no gateway has open.
type storedKeys struct{ ring *admission.Keyring }

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
