package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/store"
)

// storedKeys works on a store that no gateway has open.
type storedKeys struct {
	ring  *admission.Keyring
	store store.Store
}

func (s *storedKeys) create(ctx context.Context, n admission.NewKey) (string, admission.Key, error) {
	return s.ring.Create(ctx, n) //nolint:wrapcheck // its words are for the user
}

func (s *storedKeys) importKeys(ctx context.Context, list []admission.Imported) ([]admission.Key, error) {
	keys := make([]admission.Key, 0, len(list))
	for i := range list {
		key, err := s.ring.Import(ctx, list[i])
		if err != nil {
			return keys, fmt.Errorf("key %d of %d: %w", i+1, len(list), err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (s *storedKeys) list(ctx context.Context, account string) ([]admission.Key, error) {
	keys := []admission.Key{}
	for {
		q := admission.KeyQuery{Account: account}
		if len(keys) > 0 {
			q.After = keys[len(keys)-1].ID
		}
		page, err := s.ring.List(ctx, q)
		if err != nil || len(page) == 0 {
			return keys, err //nolint:wrapcheck // its words are for the user
		}
		keys = append(keys, page...)
	}
}

func (s *storedKeys) revoke(ctx context.Context, id string) (admission.Key, error) {
	return s.ring.Revoke(ctx, id) //nolint:wrapcheck // its words are for the user
}

func (s *storedKeys) setPlan(ctx context.Context, account, plan string) error {
	_, err := s.ring.SetAccountPlan(ctx, account, plan)
	if errors.Is(err, admission.ErrNoAccount) {
		err = s.ring.PutAccount(ctx, admission.Account{ID: account, Plan: plan})
	}
	return err //nolint:wrapcheck // its words are for the user
}

func (s *storedKeys) close() error {
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}
