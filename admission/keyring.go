package admission

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

// Errors of the Keyring; compare with errors.Is. Anything else comes from the
// store.
var (
	ErrNoKey     = errors.New("no such key")
	ErrNoAccount = errors.New("no such account")
	// ErrKeyExists says that this very secret was imported or issued before.
	ErrKeyExists = errors.New("the key exists already")
	// ErrRevoked says that a revoked key was to be changed: that is for ever.
	ErrRevoked = errors.New("the key is revoked")
	// ErrInvalid says that something given is not accepted; the text says what.
	ErrInvalid = errors.New("not accepted")
)

// Keyring keeps keys and accounts in the Controller's store. Changes count at
// once in this Controller, and elsewhere within MaxStale, or within milliseconds
// where [Controller.Watch] runs and the store brings news. No method returns a
// secret or a hash, but for Create, once.
type Keyring struct{ c *Controller }

// Keys returns the keyring of the store.
func (c *Controller) Keys() *Keyring {
	c.once.Do(c.prepare)
	return &Keyring{c}
}

// NewKey describes a key to be made.
type NewKey struct {
	// Account is Required. One that does not exist is opened on the default plan.
	Account string
	// Name is Optional: for people, up to 256 bytes.
	Name string
	// Environment is Optional: "" means the contract's first one, or for an
	// import the one that its prefix tells.
	Environment string
	// Permissions is Optional: nil means all that the contract has now, an
	// empty list means none.
	Permissions []string
	// Expires is Optional: zero means never. It may lie in the past.
	Expires time.Time
}

// Imported describes a key that was issued elsewhere, by its text or its hash.
type Imported struct {
	NewKey
	// Plain is the key itself, of any form, up to MaxCredential bytes.
	Plain string
	// SHA256 is the SHA-256 of the key in hex. Exactly one of Plain and SHA256
	// is Required.
	SHA256 string
	// Start is Optional: the beginning of the key, for recognition. It is taken
	// from Plain where that is given.
	Start string
}

// Create makes a key. The secret is returned this once and kept nowhere.
func (k *Keyring) Create(ctx context.Context, n NewKey) (secret string, key Key, err error) {
	format := k.c.Contract.Auth.Key
	if secret, err = Mint(format, n.Environment, k.c.random()); errors.Is(err, ErrEnvironment) {
		return "", Key{}, unknown("environment", n.Environment, environmentNames(format))
	} else if err != nil {
		return "", Key{}, err
	}
	if n.Environment == "" {
		n.Environment = format.Environments[0].Name
	}
	key, err = k.add(ctx, n, digestOf(secret), Key{Start: startOf(format, secret)})
	if err != nil {
		return "", Key{}, err
	}
	return secret, key, nil
}

// Import makes a key known that was issued elsewhere. It never breaks a key
// that begins like the contract's own: from the first such import on, typos
// among those are looked up before they are refused.
func (k *Keyring) Import(ctx context.Context, n Imported) (Key, error) {
	var d digest
	forms := imports{Foreign: true, Prefixed: true} // a hash does not tell
	format := k.c.Contract.Auth.Key
	switch {
	case (n.Plain == "") == (n.SHA256 == ""):
		return Key{}, fmt.Errorf("%w: give either the key or its hash", ErrInvalid)
	case n.SHA256 != "":
		raw, err := hex.DecodeString(n.SHA256)
		if err != nil || len(raw) != len(d) {
			return Key{}, fmt.Errorf("%w: a SHA-256 has 64 hex digits", ErrInvalid)
		}
		d = digest(raw)
	default:
		syntax, environment := CheckSyntax(format, n.Plain)
		if syntax == Unreadable {
			return Key{}, fmt.Errorf("%w: a key has 1 to %d bytes of UTF-8 without NUL", ErrInvalid, MaxCredential)
		}
		if n.Environment == "" {
			n.Environment = environment
		}
		d, n.Start = digestOf(n.Plain), startOf(format, n.Plain)
		forms = imports{Foreign: syntax == Foreign, Prefixed: syntax == Mistyped}
	}
	if n.Environment == "" && len(format.Environments) > 0 {
		n.Environment = format.Environments[0].Name
	}
	if err := k.announce(ctx, forms); err != nil {
		return Key{}, err
	}
	return k.add(ctx, n.NewKey, d, Key{Start: n.Start, Imported: true})
}

// announce records what forms imported keys have, before there is one.
func (k *Keyring) announce(ctx context.Context, forms imports) error {
	news := false
	merged, err := change(ctx, k.c.Store, importsKey, func(held *imports) (*imports, error) {
		if held == nil {
			held = &imports{}
		}
		next := imports{Foreign: held.Foreign || forms.Foreign, Prefixed: held.Prefixed || forms.Prefixed}
		if news = next != *held; !news {
			return nil, nil //nolint:nilnil // nothing to change
		}
		return &next, nil
	})
	k.c.state.imports.changed(struct{}{}, merged)
	if err == nil && news {
		k.tell(ctx, newsOfImports)
	}
	return err
}

// add writes the index before the key: what a crash leaves behind leads nowhere
// and is seen by nobody.
func (k *Keyring) add(ctx context.Context, n NewKey, d digest, key Key) (Key, error) {
	if err := k.check(&n, key.Start); err != nil {
		return Key{}, err
	}
	if err := k.open(ctx, n.Account); err != nil {
		return Key{}, err
	}
	key.Name, key.Account, key.Environment, key.Permissions = n.Name, n.Account, n.Environment, n.Permissions
	key.State, key.Expires, key.Created = KeyActive, n.Expires, k.c.now().UTC().Truncate(time.Millisecond)
	for {
		var random [6]byte
		if _, err := io.ReadFull(k.c.random(), random[:]); err != nil {
			return Key{}, fmt.Errorf("admission: no randomness for an id: %w", err)
		}
		// Ids sort by the time they were made.
		key.ID = fmt.Sprintf("key_%012x%x", key.Created.UnixMilli(), random)
		err := save(ctx, k.c.Store, keyIDPrefix+key.ID, 0, &keyIndex{Hash: d.String(), Account: n.Account})
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrConflict) {
			return Key{}, err
		}
	}
	err := save(ctx, k.c.Store, keyPrefix+d.String(), 0, &key)
	if errors.Is(err, store.ErrConflict) {
		k.unindex(ctx, key.ID)
		return Key{}, ErrKeyExists
	}
	k.c.state.keys.changed(d, nil)
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// unindex removes the id of a key that was not made. Where it fails, the id
// leads to another key's hash and is passed over by the ids not being equal.
func (k *Keyring) unindex(ctx context.Context, id string) {
	if r, err := k.c.Store.Get(ctx, keyIDPrefix+id); err == nil {
		_ = k.c.Store.Delete(ctx, keyIDPrefix+id, r.Version)
	}
}

func (k *Keyring) check(n *NewKey, start string) error {
	known := k.c.Contract.Permissions
	if n.Permissions == nil {
		n.Permissions = slices.Clone(known)
	}
	for _, p := range n.Permissions {
		if !slices.Contains(known, p) {
			return unknown("permission", p, known)
		}
	}
	if environments := environmentNames(k.c.Contract.Auth.Key); !slices.Contains(environments, n.Environment) {
		return unknown("environment", n.Environment, environments)
	}
	for what, s := range map[string]string{"name": n.Name, "start": start} {
		if !plainText(s, 0) {
			return fmt.Errorf("%w: a %s has up to %d printable characters", ErrInvalid, what, maxText)
		}
	}
	return checkAccountID(n.Account)
}

// unknown refuses a name that the contract does not have. What may have been
// meant stands behind the semicolon.
func unknown(what, name string, known []string) error {
	hint := "the contract has none"
	if len(known) > 0 {
		hint = contract.DidYouMean(name, known)
	}
	return fmt.Errorf("%w: no such %s: %q; %s", ErrInvalid, what, name, hint)
}

func environmentNames(f contract.KeyFormat) []string {
	names := make([]string, len(f.Environments))
	for i, e := range f.Environments {
		names[i] = e.Name
	}
	return names
}

// maxText bounds ids and names in bytes.
const maxText = 256

func plainText(s string, least int) bool {
	return len(s) >= least && len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Get returns a key by its id.
func (k *Keyring) Get(ctx context.Context, id string) (Key, error) {
	d, err := k.digest(ctx, id)
	if err != nil {
		return Key{}, err
	}
	key, _, err := load[Key](ctx, k.c.Store, keyPrefix+d.String())
	switch {
	case err != nil:
		return Key{}, err
	case key == nil || key.ID != id:
		return Key{}, ErrNoKey
	}
	return *key, nil
}

func (k *Keyring) digest(ctx context.Context, id string) (digest, error) {
	if !plainText(id, 1) {
		return digest{}, ErrNoKey
	}
	index, _, err := load[keyIndex](ctx, k.c.Store, keyIDPrefix+id)
	if err != nil {
		return digest{}, err
	}
	if index == nil {
		return digest{}, ErrNoKey
	}
	raw, err := hex.DecodeString(index.Hash)
	if err != nil || len(raw) != len(digest{}) {
		return digest{}, fmt.Errorf("admission: the index of key %s is damaged", id)
	}
	return digest(raw), nil
}

// Revoke ends a key for ever. Revoking a revoked key changes nothing.
func (k *Keyring) Revoke(ctx context.Context, id string) (Key, error) {
	return k.edit(ctx, id, func(key *Key) error {
		if key.State != KeyRevoked {
			key.State, key.Revoked = KeyRevoked, k.c.now().UTC().Truncate(time.Millisecond)
		}
		return nil
	})
}

// Deactivate switches a key off until Reactivate; ErrRevoked if it is revoked.
func (k *Keyring) Deactivate(ctx context.Context, id string) (Key, error) {
	return k.turn(ctx, id, KeyDeactivated)
}

// Reactivate switches a key on again; ErrRevoked if it is revoked.
func (k *Keyring) Reactivate(ctx context.Context, id string) (Key, error) {
	return k.turn(ctx, id, KeyActive)
}

func (k *Keyring) turn(ctx context.Context, id string, to KeyState) (Key, error) {
	return k.edit(ctx, id, func(key *Key) error {
		if key.State == KeyRevoked {
			return ErrRevoked
		}
		key.State = to
		return nil
	})
}

func (k *Keyring) edit(ctx context.Context, id string, edit func(*Key) error) (Key, error) {
	d, err := k.digest(ctx, id)
	if err != nil {
		return Key{}, err
	}
	next, err := change(ctx, k.c.Store, keyPrefix+d.String(), func(held *Key) (*Key, error) {
		if held == nil || held.ID != id {
			return nil, ErrNoKey
		}
		next := *held // what was read may be in use
		return &next, edit(&next)
	})
	k.keyChanged(ctx, d) // also after an error: it may have happened
	if err != nil {
		return Key{}, err
	}
	return *next, nil
}

// KeyQuery chooses keys.
type KeyQuery struct {
	// Account is Optional: "" means all accounts.
	Account string
	// After is Optional: the id after which to go on.
	After string
	// Limit is Optional: how many at most; 0 means 100.
	Limit int
}

// List returns keys in the order in which they were made. Only an empty list is
// the end; otherwise the last id is the next After.
func (k *Keyring) List(ctx context.Context, q KeyQuery) ([]Key, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	var keys []Key
	after := ""
	if q.After != "" {
		after = keyIDPrefix + q.After
	}
	for len(keys) < limit {
		page, err := k.c.Store.Scan(ctx, keyIDPrefix, after, limit)
		if err != nil {
			return nil, fmt.Errorf("admission: listing keys: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			after = r.Key
			key, err := k.listed(ctx, r, q.Account)
			if err != nil {
				return nil, err
			}
			if key != nil && len(keys) < limit {
				keys = append(keys, *key)
			}
		}
	}
	return keys, nil
}

// listed reads the key behind an index record; nil if it is not asked for, or
// was never finished.
func (k *Keyring) listed(ctx context.Context, r store.Record, account string) (*Key, error) {
	id := strings.TrimPrefix(r.Key, keyIDPrefix)
	index, err := decode[keyIndex](r.Key, r.Value)
	if err != nil || account != "" && index.Account != account {
		return nil, err
	}
	key, _, err := load[Key](ctx, k.c.Store, keyPrefix+index.Hash)
	if err != nil || key == nil || key.ID != id {
		return nil, err
	}
	return key, nil
}
