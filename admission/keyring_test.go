package admission

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

func TestKeyLifeCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, keys := t.Context(), s.Keys()
	secret, key := s.create(NewKey{Name: "CI", Permissions: []string{"read"}})
	want := Key{
		ID: key.ID, Start: secret[:len("acme_")+4], Name: "CI", Account: "acct", Environment: "live",
		Permissions: []string{"read"}, State: KeyActive, Created: s.clock.Now().UTC(),
	}
	if got := must[Key](t)(keys.Get(ctx, key.ID)); !cmp.Equal(got, want) || !cmp.Equal(key, want) {
		t.Errorf("%+v\n%+v", key, got)
	}
	for _, step := range []struct {
		name string
		do   func() (Key, error)
		err  error
		want condition.Condition
	}{
		{"deactivate", func() (Key, error) { return keys.Deactivate(ctx, key.ID) }, nil, condition.KeyDeactivated},
		{"reactivate", func() (Key, error) { return keys.Reactivate(ctx, key.ID) }, nil, ""},
		{"revoke", func() (Key, error) { return keys.Revoke(ctx, key.ID) }, nil, condition.KeyRevoked},
		{"reactivate a revoked one", func() (Key, error) { return keys.Reactivate(ctx, key.ID) }, ErrRevoked, condition.KeyRevoked},
		{"deactivate a revoked one", func() (Key, error) { return keys.Deactivate(ctx, key.ID) }, ErrRevoked, condition.KeyRevoked},
		{"revoke again", func() (Key, error) { return keys.Revoke(ctx, key.ID) }, nil, condition.KeyRevoked},
	} {
		if _, err := step.do(); !errors.Is(err, step.err) {
			t.Errorf("%s: %v", step.name, err)
		}
		if v := s.call(secret, "GET /items"); v.Condition != step.want {
			t.Errorf("after %s: %s, want %q", step.name, v.Condition, step.want)
		}
	}
	if _, err := keys.Revoke(ctx, "key_nobody"); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key that is not there: %v", err)
	}
	if _, err := keys.Get(ctx, "\x00"); !errors.Is(err, ErrNoKey) {
		t.Errorf("an id that cannot be: %v", err)
	}
}

// TestSecretsStayOut: neither the store nor anything listed holds a secret, and
// what is listed holds no hash.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.create(NewKey{})
	imported := "sk_live_0123456789abcdefghijklmnop"
	must[Key](t)(s.Keys().Import(t.Context(), Imported{NewKey: NewKey{Account: "acct"}, Plain: imported}))
	for r, err := range store.All(t.Context(), s.Store, "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, plain := range []string{secret, imported, secret[20:], imported[20:]} {
			if strings.Contains(r.Key+string(r.Value), plain) {
				t.Errorf("%s holds a part of a secret", r.Key)
			}
		}
	}
	listed, err := json.Marshal(must[[]Key](t)(s.Keys().List(t.Context(), KeyQuery{})))
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{secret, imported} {
		for _, hidden := range []string{plain[12:], digestOf(plain).String()[:16]} {
			if strings.Contains(string(listed), hidden) {
				t.Errorf("%s is listed", hidden)
			}
		}
	}
}

// TestImport: keys of any form go on working, also those that look like typos of
// the contract's own, and typos are still told apart from them.
func TestImport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, keys := t.Context(), s.Keys()
	own := must[string](t)(Mint(s.Contract.Auth.Key, "test", s.random()))
	for _, plain := range []string{
		"sk_live_4242424242", "acme_old_form", "acme_" + strings.Repeat("z", 36), "hunter2", "schlüssel", strings.Repeat("k", MaxCredential), own,
	} {
		if v := s.call(plain, "GET /items"); v.Admitted {
			t.Fatalf("%q was admitted before it was imported", plain)
		}
		key := must[Key](t)(keys.Import(ctx, Imported{NewKey: NewKey{Account: "acct"}, Plain: plain}))
		if v := s.call(plain, "GET /items"); !v.Admitted || v.Key.ID != key.ID || !key.Imported {
			t.Errorf("%.20q: %s %v", plain, v.Condition, v.Cause)
		}
		if _, err := keys.Import(ctx, Imported{NewKey: NewKey{Account: "acct"}, Plain: plain}); !errors.Is(err, ErrKeyExists) {
			t.Errorf("%.20q again: %v", plain, err)
		}
	}
	if v := s.call(own, "GET /items"); v.Key.Environment != "test" {
		t.Errorf("a key of the contract's form is of %s", v.Key.Environment)
	}
	if v := s.call("acme_"+strings.Repeat("y", 36), "GET /items"); v.Condition != condition.KeyMalformed {
		t.Errorf("a typo: %s", v.Condition)
	}
	if v := s.call("sk_live_4242424243", "GET /items"); v.Condition != condition.KeyUnknown {
		t.Errorf("a guess: %s", v.Condition)
	}
	if got := must[[]Key](t)(keys.List(ctx, KeyQuery{})); len(got) != 7 {
		t.Errorf("%d keys are listed, the refused ones among them", len(got))
	}
	if left := must[[]store.Record](t)(s.Store.Scan(ctx, keyIDPrefix, "", 100)); len(left) != 7 {
		t.Errorf("%d ids are left, also of refused imports", len(left))
	}
}

func TestImportByHash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := digestOf("legacy-key")
	for _, upper := range []bool{false, true} {
		text := hex.EncodeToString(d[:])
		if upper {
			text = strings.ToUpper(text)
		}
		_, err := s.Keys().Import(t.Context(), Imported{NewKey: NewKey{Account: "acct"}, SHA256: text, Start: "lega"})
		if upper != errors.Is(err, ErrKeyExists) || !upper && err != nil {
			t.Errorf("upper case %v: %v", upper, err)
		}
	}
	if v := s.call("legacy-key", "GET /items"); !v.Admitted || v.Key.Start != "lega" {
		t.Errorf("%+v", v)
	}
}

func TestKeyringRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, keys := t.Context(), s.Keys()
	for name, n := range map[string]Imported{
		"nothing":        {NewKey: NewKey{Account: "a"}},
		"both":           {NewKey: NewKey{Account: "a"}, Plain: "x", SHA256: strings.Repeat("0", 64)},
		"short hash":     {NewKey: NewKey{Account: "a"}, SHA256: strings.Repeat("0", 63)},
		"no hex":         {NewKey: NewKey{Account: "a"}, SHA256: strings.Repeat("x", 64)},
		"long key":       {NewKey: NewKey{Account: "a"}, Plain: strings.Repeat("x", MaxCredential+1)},
		"NUL":            {NewKey: NewKey{Account: "a"}, Plain: "a\x00b"},
		"no account":     {Plain: "x"},
		"bad account":    {NewKey: NewKey{Account: "a\nb"}, Plain: "x"},
		"environment":    {NewKey: NewKey{Account: "a", Environment: "staging"}, Plain: "x"},
		"permission":     {NewKey: NewKey{Account: "a", Permissions: []string{"admin"}}, Plain: "x"},
		"long name":      {NewKey: NewKey{Account: "a", Name: strings.Repeat("n", 257)}, Plain: "x"},
		"start of a key": {NewKey: NewKey{Account: "a"}, SHA256: strings.Repeat("0", 64), Start: "\x1b[31m"},
	} {
		if _, err := keys.Import(ctx, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := keys.Create(ctx, NewKey{Account: "a", Environment: "staging"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("create: %v", err)
	}
	for name, a := range map[string]Account{
		"no id": {}, "state": {ID: "a", State: "gone"}, "plan": {ID: "a", Plan: "gold"}, "name": {ID: "a", Name: "\x00"},
	} {
		if err := keys.PutAccount(ctx, a); !errors.Is(err, ErrInvalid) {
			t.Errorf("account, %s: %v", name, err)
		}
	}
	if _, err := keys.SetAccountPlan(ctx, "nobody", "pro"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("plan of nobody: %v", err)
	}
	if _, err := keys.Account(ctx, "nobody"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("nobody: %v", err)
	}
}

// TestListing: every key once, in the order of their making, by pages of any
// size, by account.
func TestListing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, keys := t.Context(), s.Keys()
	var all, ofB []string
	for i := range 25 {
		account := string(rune('a' + i%3))
		_, key := s.create(NewKey{Account: account})
		all = append(all, key.ID)
		if account == "b" {
			ofB = append(ofB, key.ID)
		}
		s.clock.Advance(time.Millisecond)
	}
	if !slices.IsSorted(all) {
		t.Error("ids do not sort by time")
	}
	// What a crash between the two writes of a key leaves behind is not listed,
	// nor does the id of an import that was refused lead to somebody's key.
	taken, _, err := load[keyIndex](ctx, s.Store, keyIDPrefix+all[3])
	if err != nil {
		t.Fatal(err)
	}
	for id, hash := range map[string]string{all[3] + "0": strings.Repeat("0", 64), all[3] + "1": taken.Hash} {
		if err := save(ctx, s.Store, keyIDPrefix+id, 0, &keyIndex{Hash: hash, Account: "b"}); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Get(ctx, id); !errors.Is(err, ErrNoKey) {
			t.Errorf("an id that leads nowhere: %v", err)
		}
		if _, err := keys.Revoke(ctx, id); !errors.Is(err, ErrNoKey) {
			t.Errorf("an id that leads nowhere can be revoked: %v", err)
		}
	}
	for _, limit := range []int{0, 1, 7, 25, 100} {
		for account, want := range map[string][]string{"": all, "b": ofB, "nobody": nil} {
			var got []string
			for after := ""; len(got) <= len(all); {
				page := must[[]Key](t)(keys.List(ctx, KeyQuery{Account: account, After: after, Limit: limit}))
				if len(page) == 0 {
					break
				}
				if limit > 0 && len(page) > limit {
					t.Errorf("%d keys on a page of %d", len(page), limit)
				}
				for _, key := range page {
					got = append(got, key.ID)
				}
				after = got[len(got)-1]
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d, account %q: %d keys, want %d", limit, account, len(got), len(want))
			}
		}
	}
	page := must[[]Account](t)(keys.Accounts(ctx, "a", 1))
	if len(page) != 1 || page[0].ID != "b" {
		t.Errorf("accounts after a: %+v", page)
	}
	if all := must[[]Account](t)(keys.Accounts(ctx, "", 0)); len(all) != 3 {
		t.Errorf("accounts: %+v", all)
	}
}

// TestConcurrentChanges: none is lost.
func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put(Account{ID: "acct"})
	errs := make(chan error)
	for i := range 16 {
		go func() {
			_, err := s.Keys().editAccount(t.Context(), "acct", func(a *Account) (*Account, error) {
				a.Name += fmt.Sprintf("%x", i)
				return a, nil
			})
			errs <- err
		}()
	}
	for range 16 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if a := must[Account](t)(s.Keys().Account(t.Context(), "acct")); len(a.Name) != 16 {
		t.Errorf("%q", a.Name)
	}
}
