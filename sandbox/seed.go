package sandbox

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

const mainAccount = "org_main"

// seed makes a key for every state that a key and its account can be in. The
// keys are kept as they are, so that they stay the same over restarts: these
// are no secrets.
func (s *Sandbox) seed(ctx context.Context) (map[string]string, error) {
	kept := collection[map[string]string]{s.store, recordPrefix + s.contract.API + "/"}
	keys, _, err := kept.get(ctx, "keys")
	if err == nil || !errors.Is(err, store.ErrAbsent) {
		return keys, err
	}
	if err := s.seedAccounts(ctx); err != nil {
		return nil, err
	}
	keys = map[string]string{}
	for _, k := range s.seedKeys() {
		secret, key, err := s.keyring.Create(ctx, k.NewKey)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		switch k.end {
		case admission.KeyRevoked:
			_, err = s.keyring.Revoke(ctx, key.ID)
		case admission.KeyDeactivated:
			_, err = s.keyring.Deactivate(ctx, key.ID)
		case admission.KeyActive:
		}
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		keys[k.Name] = secret
	}
	if keys["unknown"], err = admission.Mint(s.contract.Auth.Key, "", rand.Reader); err != nil {
		return nil, fmt.Errorf("key unknown: %w", err)
	}
	keys["malformed"] = mistype(keys["unknown"])
	return keys, kept.put(ctx, "keys", 0, keys)
}

// mistype changes the last character of a key, so that its checksum is off.
func mistype(key string) string {
	last := byte('0')
	if strings.HasSuffix(key, "0") {
		last = '1'
	}
	return key[:len(key)-1] + string(last)
}

// stateAccounts are accounts in the states that refuse calls, by the name of
// their key.
var stateAccounts = map[string]admission.AccountState{
	"suspended": admission.AccountSuspended,
	"unpaid":    admission.AccountUnpaid,
}

func (s *Sandbox) seedAccounts(ctx context.Context) error {
	accounts := make([]admission.Account, 0, 2+len(stateAccounts)+len(s.contract.Plans))
	accounts = append(accounts, admission.Account{ID: mainAccount}, admission.Account{ID: "org_other"})
	for name, state := range stateAccounts {
		accounts = append(accounts, admission.Account{ID: "org_" + name, State: state})
	}
	for _, plan := range s.contract.Plans {
		accounts = append(accounts, admission.Account{ID: "org_" + plan.Name, Plan: plan.Name})
	}
	for _, a := range accounts {
		if err := s.keyring.PutAccount(ctx, a); err != nil {
			return fmt.Errorf("account %s: %w", a.ID, err)
		}
	}
	return nil
}

type seedKey struct {
	admission.NewKey
	end admission.KeyState
}

func (s *Sandbox) seedKeys() []seedKey {
	environments := s.contract.Auth.Key.Environments
	live := environments[0].Name
	for _, e := range environments {
		if e.Name == "live" {
			live = e.Name
		}
	}
	add := func(name, account string) seedKey {
		return seedKey{NewKey: admission.NewKey{Name: name, Account: account, Environment: live}}
	}
	keys := make([]seedKey, 0, 6+len(environments)+len(stateAccounts)+len(s.contract.Plans))
	keys = append(keys, add("valid", mainAccount), add("other", "org_other"))
	for _, e := range environments {
		k := add(e.Name, mainAccount)
		k.Environment = e.Name
		keys = append(keys, k)
	}
	readOnly := add("read_only", mainAccount)
	readOnly.Permissions = []string{}
	for _, p := range s.contract.Permissions {
		if p == "read" || strings.HasSuffix(p, ":read") {
			readOnly.Permissions = append(readOnly.Permissions, p)
		}
	}
	expired := add("expired", mainAccount)
	expired.Expires = s.clock().Add(-24 * time.Hour)
	revoked := add("revoked", mainAccount)
	revoked.end = admission.KeyRevoked
	deactivated := add("deactivated", mainAccount)
	deactivated.end = admission.KeyDeactivated
	keys = append(keys, readOnly, expired, revoked, deactivated)
	for name := range stateAccounts {
		keys = append(keys, add(name, "org_"+name))
	}
	for _, plan := range s.contract.Plans {
		keys = append(keys, add("plan_"+plan.Name, "org_"+plan.Name))
	}
	return keys
}
