package stand

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/store"
)

// SeedKeys makes a key for every state that a key and its account can be in, by
// the state's name, and then calls more, which may add keys, for what else there is at first. The
// keys are kept as they are, so that they stay the same over restarts: these
// are no secrets. A second call on the same store returns them again.
func (w *World) SeedKeys(ctx context.Context, more func(ctx context.Context, keys map[string]string) error) (map[string]string, error) {
	kept := Collection[map[string]string]{w.Store, w.Prefix()}
	keys, _, err := kept.Get(ctx, "keys")
	if err == nil || !errors.Is(err, store.ErrAbsent) {
		return keys, err
	}
	if err := w.seedAccounts(ctx); err != nil {
		return nil, err
	}
	if keys, err = w.makeKeys(ctx); err != nil {
		return nil, err
	}
	if err := more(ctx, keys); err != nil {
		return nil, err
	}
	return keys, kept.Put(ctx, "keys", 0, keys)
}

func (w *World) makeKeys(ctx context.Context) (map[string]string, error) {
	keys := map[string]string{}
	for _, k := range w.seedKeys() {
		secret, key, err := w.Keys.Create(ctx, k.NewKey)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		switch k.end {
		case admission.KeyRevoked:
			_, err = w.Keys.Revoke(ctx, key.ID)
		case admission.KeyDeactivated:
			_, err = w.Keys.Deactivate(ctx, key.ID)
		case admission.KeyActive:
		}
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		keys[k.Name] = secret
	}
	unknown, err := admission.Mint(w.Contract.Auth.Key, "", rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key unknown: %w", err)
	}
	keys["unknown"], keys["malformed"] = unknown, mistype(unknown)
	return keys, nil
}

// mistype changes the last character of a key, so that its checksum is off.
func mistype(key string) string {
	last := byte('0')
	if strings.HasSuffix(key, "0") {
		last = '1'
	}
	return key[:len(key)-1] + string(last)
}

// BrokeAccount has nothing to pay with, at an API that takes payment.
const BrokeAccount = "org_broke"

// SeedBroke opens BrokeAccount, under a name for people, and makes its key.
func (w *World) SeedBroke(ctx context.Context, name string) (map[string]string, error) {
	if err := w.Keys.PutAccount(ctx, admission.Account{ID: BrokeAccount, Name: name}); err != nil {
		return nil, fmt.Errorf("account %s: %w", BrokeAccount, err)
	}
	secret, _, err := w.Keys.Create(ctx, admission.NewKey{Name: "broke", Account: BrokeAccount, Permissions: w.Contract.Permissions})
	if err != nil {
		return nil, fmt.Errorf("key broke: %w", err)
	}
	return map[string]string{"broke": secret}, nil
}

// manyAccounts is more than a stand-in has at first.
const manyAccounts = 100

// Accounts are those that there are at first.
func (w *World) Accounts(ctx context.Context) ([]admission.Account, error) {
	accounts, err := w.Keys.Accounts(ctx, "", manyAccounts)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return accounts, nil
}

// stateAccounts are accounts in the states that refuse calls, by the name of
// their key.
var stateAccounts = map[string]admission.AccountState{
	"suspended": admission.AccountSuspended,
	"unpaid":    admission.AccountUnpaid,
}

func (w *World) seedAccounts(ctx context.Context) error {
	accounts := make([]admission.Account, 0, 2+len(stateAccounts)+len(w.Contract.Plans))
	accounts = append(accounts, admission.Account{ID: MainAccount}, admission.Account{ID: "org_other"})
	for name, state := range stateAccounts {
		accounts = append(accounts, admission.Account{ID: "org_" + name, State: state})
	}
	for _, plan := range w.Contract.Plans {
		accounts = append(accounts, admission.Account{ID: "org_" + plan.Name, Plan: plan.Name})
	}
	for _, a := range accounts {
		if err := w.Keys.PutAccount(ctx, a); err != nil {
			return fmt.Errorf("account %s: %w", a.ID, err)
		}
	}
	return nil
}

type seedKey struct {
	admission.NewKey
	end admission.KeyState
}

func (w *World) seedKeys() []seedKey {
	environments := w.Contract.Auth.Key.Environments
	live := environments[0].Name
	for _, e := range environments {
		if e.Name == "live" {
			live = e.Name
		}
	}
	add := func(name, account string) seedKey {
		return seedKey{NewKey: admission.NewKey{Name: name, Account: account, Environment: live}}
	}
	keys := make([]seedKey, 0, 6+len(environments)+len(stateAccounts)+len(w.Contract.Plans))
	keys = append(keys, add("valid", MainAccount), add("other", "org_other"))
	for _, e := range environments {
		k := add(e.Name, MainAccount)
		k.Environment = e.Name
		keys = append(keys, k)
	}
	readOnly := add("read_only", MainAccount)
	readOnly.Permissions = []string{}
	for _, p := range w.Contract.Permissions {
		if p == "read" || strings.HasSuffix(p, ":read") {
			readOnly.Permissions = append(readOnly.Permissions, p)
		}
	}
	expired := add("expired", MainAccount)
	expired.Expires = w.Clock.Now().Add(-24 * time.Hour)
	revoked := add("revoked", MainAccount)
	revoked.end = admission.KeyRevoked
	deactivated := add("deactivated", MainAccount)
	deactivated.end = admission.KeyDeactivated
	keys = append(keys, readOnly, expired, revoked, deactivated)
	for name := range stateAccounts {
		keys = append(keys, add(name, "org_"+name))
	}
	for _, plan := range w.Contract.Plans {
		keys = append(keys, add("plan_"+plan.Name, "org_"+plan.Name))
	}
	return keys
}
