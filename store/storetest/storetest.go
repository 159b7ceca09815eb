// Package storetest is the conformance suite of package store: what it asks is
// what the contract says, and every driver passes all of it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
)

// Open gives a test an empty store that reads clock. A driver whose store is
// shared (a server) gives each call a namespace of its own. The suite closes
// what it opens; it may also have been closed before.
type Open func(t *testing.T, clock func() time.Time) store.Store

// Run checks a driver against the contract of store.Store.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*fixture)
	}{
		{"absence", testAbsence},
		{"swap", testSwap},
		{"delete", testDelete},
		{"versions only grow", testVersions},
		{"expiry", testExpiry},
		{"expiry is rewritten", testExpiryRewritten},
		{"many expired records", testManyExpired},
		{"scan order and pages", testScanPages},
		{"scan prefixes", testScanPrefixes},
		{"scan bounds a page", testScanBytes},
		{"scan over changes", testScanChanges},
		{"size bounds", testSizes},
		{"invalid arguments", testInvalid},
		{"values are not shared", testAliases},
		{"cancelled context", testCancelled},
		{"closed", testClosed},
		{"one winner per version", testOneWinner},
		{"one winner per insertion", testOneInsertion},
		{"readers see only what was written", testReaders},
		{"model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newFixture(t, open)) })
	}
}

// fixture is a store under test with its clock. Its helpers fail the test at
// once, so that the checks read as a plain story.
type fixture struct {
	*testing.T
	store.Store
	open  Open
	clock *Clock
	ctx   context.Context
}

func newFixture(t *testing.T, open Open) *fixture {
	t.Helper()
	f := &fixture{T: t, open: open, clock: NewClock(), ctx: t.Context()}
	f.use(open(t, f.clock.Now))
	return f
}

func (f *fixture) use(s store.Store) {
	f.Store = s
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Errorf("close: %v", err)
		}
	})
}

// put writes whatever the present state is and returns the version.
func (f *fixture) put(key, value string, ttl time.Duration) store.Version {
	f.Helper()
	var old store.Version
	r, err := f.Get(f.ctx, key)
	switch {
	case err == nil:
		old = r.Version
	case !errors.Is(err, store.ErrAbsent):
		f.Fatalf("get %q: %v", key, err)
	}
	return f.swap(key, old, value, ttl)
}

func (f *fixture) swap(key string, old store.Version, value string, ttl time.Duration) store.Version {
	f.Helper()
	v, err := f.Swap(f.ctx, key, old, []byte(value), ttl)
	if err != nil {
		f.Fatalf("swap %q from %d: %v", key, old, err)
	}
	if v == 0 {
		f.Fatalf("swap %q from %d: version 0", key, old)
	}
	return v
}

func (f *fixture) swapFails(want error, key string, old store.Version) {
	f.Helper()
	if v, err := f.Swap(f.ctx, key, old, []byte("refused"), 0); !errors.Is(err, want) || v != 0 {
		f.Fatalf("swap %q from %d: version %d, error %v; want %v", key, old, v, err, want)
	}
}

func (f *fixture) delete(key string, old store.Version) {
	f.Helper()
	if err := f.Delete(f.ctx, key, old); err != nil {
		f.Fatalf("delete %q at %d: %v", key, old, err)
	}
}

func (f *fixture) deleteFails(want error, key string, old store.Version) {
	f.Helper()
	if err := f.Delete(f.ctx, key, old); !errors.Is(err, want) {
		f.Fatalf("delete %q at %d: %v; want %v", key, old, err, want)
	}
}

func (f *fixture) holds(key, value string, version store.Version) store.Record {
	f.Helper()
	r, err := f.Get(f.ctx, key)
	if err != nil {
		f.Fatalf("get %q: %v", key, err)
	}
	if r.Key != key || string(r.Value) != value || r.Version != version {
		f.Fatalf("get %q: %s; want value %q, version %d", key, show(r), clip(value), version)
	}
	return r
}

func (f *fixture) absent(key string) {
	f.Helper()
	if r, err := f.Get(f.ctx, key); !errors.Is(err, store.ErrAbsent) || r.Key != "" || r.Value != nil || r.Version != 0 {
		f.Fatalf("get %q: %s, error %v; want ErrAbsent and a zero record", key, show(r), err)
	}
}

// keys walks a prefix in pages of the given size.
func (f *fixture) keys(prefix string, page int) []string {
	f.Helper()
	var keys []string
	for r, err := range store.All(f.ctx, f.Store, prefix, page) {
		if err != nil {
			f.Fatalf("scan %q: %v", prefix, err)
		}
		keys = append(keys, r.Key)
	}
	return keys
}

func show(r store.Record) string {
	return fmt.Sprintf("{%q: %q, version %d, expires %v}", r.Key, clip(string(r.Value)), r.Version, r.Expires)
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + fmt.Sprintf("… (%d bytes)", len(s))
	}
	return s
}
