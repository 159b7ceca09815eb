package admission

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/failwell/failwell/store"
)

// Where records stand in the store. A key stands under the SHA-256 of its
// secret, which is kept nowhere else; its id leads there.
const (
	keyPrefix     = "key/"
	keyIDPrefix   = "keyid/"
	accountPrefix = "account/"
	importsKey    = "keyring/imports"
)

type digest [sha256.Size]byte

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// digestOf hashes without putting the secret on the heap.
func digestOf(credential string) digest {
	var buf [MaxCredential]byte
	if len(credential) > len(buf) {
		return sha256.Sum256([]byte(credential))
	}
	return sha256.Sum256(buf[:copy(buf[:], credential)])
}

// keyIndex is what a key's id leads to. Neither member of it ever changes.
type keyIndex struct {
	Hash    string `json:"hash"`
	Account string `json:"account"`
}

// imports says what forms of imported keys there are, so that a typo can be
// refused without a lookup where it cannot be one of them.
type imports struct {
	// Foreign: some have none of the contract's prefixes.
	Foreign bool `json:"foreign,omitempty"`
	// Prefixed: some begin like the contract's own keys, or may do so.
	Prefixed bool `json:"prefixed,omitempty"`
}

// load reads and decodes one record; nil when there is none.
func load[T any](ctx context.Context, s store.Store, key string) (*T, store.Version, error) {
	record, err := s.Get(ctx, key)
	if errors.Is(err, store.ErrAbsent) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("admission: %w", err)
	}
	value, err := decode[T](key, record.Value)
	return value, record.Version, err
}

func decode[T any](key string, data []byte) (*T, error) {
	value := new(T)
	if err := json.Unmarshal(data, value); err != nil {
		return nil, fmt.Errorf("admission: record under %s: %w: %w", kindOf(key), errDamaged, err)
	}
	return value, nil
}

// save writes a record that replaces the one of version old.
func save[T any](ctx context.Context, s store.Store, key string, old store.Version, value *T) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("admission: %w", err)
	}
	if _, err := s.Swap(ctx, key, old, data, 0); err != nil {
		return fmt.Errorf("admission: %w", err)
	}
	return nil
}

// kindOf keeps hashes out of messages.
func kindOf(key string) string {
	for _, prefix := range []string{keyPrefix, keyIDPrefix, accountPrefix} {
		if len(key) > len(prefix) && key[:len(prefix)] == prefix {
			return prefix
		}
	}
	return key
}

// maxContention is how often a change is tried against others' changes of the
// same record. Each lost round is a round that somebody else won.
const maxContention = 100

// change reads, edits and writes back a record until nobody came between. edit
// gets nil for a record that is absent, and returns the new one, or nil for
// nothing to change.
func change[T any](ctx context.Context, s store.Store, key string, edit func(*T) (*T, error)) (*T, error) {
	for range maxContention {
		held, version, err := load[T](ctx, s, key)
		if err != nil {
			return nil, err
		}
		next, err := edit(held)
		if err != nil || next == nil {
			return held, err
		}
		err = save(ctx, s, key, version, next)
		if !errors.Is(err, store.ErrConflict) {
			return next, err
		}
	}
	return nil, fmt.Errorf("admission: record under %s is changed too often: %w", kindOf(key), store.ErrConflict)
}

// readRecords sets up how keys and accounts are read through their caches.
func (c *Controller) readRecords(s *state, cached int) {
	lease := c.MaxStale
	if lease <= 0 {
		lease = defaultMaxStale
	}
	stale := c.StaleKeys
	if stale == 0 {
		stale = defaultStaleKeys
	}
	s.outage.logger, s.outage.stale = c.Logger, max(stale, 0)
	clock := func() int64 { return s.time.at(c.now()) }
	s.keys = &records[digest, Key]{
		what: "a key", lease: int64(lease), stale: int64(stale), clock: clock, store: &s.outage, cache: newCache[digest, Key](cached),
		load: func(ctx context.Context, d digest) (*Key, error) {
			key, _, err := load[Key](ctx, c.Store, keyPrefix+d.String())
			return key, err
		},
	}
	s.accounts = &records[string, Account]{
		what: "an account", lease: int64(lease), stale: int64(stale), clock: clock, store: &s.outage, cache: newCache[string, Account](cached),
		load: func(ctx context.Context, id string) (*Account, error) {
			account, _, err := load[Account](ctx, c.Store, accountPrefix+id)
			return account, err
		},
	}
	s.imports = &records[struct{}, imports]{
		what: "the forms of imported keys", lease: int64(lease), stale: int64(stale), clock: clock, store: &s.outage, cache: newCache[struct{}, imports](1),
		load: func(ctx context.Context, _ struct{}) (*imports, error) {
			forms, _, err := load[imports](ctx, c.Store, importsKey)
			if forms == nil && err == nil {
				forms = &imports{}
			}
			return forms, err
		},
	}
}
