package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
)

// TestImportGoesOn: each key has a result of its own, in the order given.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var list []Imported
	var want []error
	for i := range 200 {
		n := Imported{NewKey: NewKey{Account: "acct"}, Plain: fmt.Sprintf("old-key-%d", i)}
		var err error
		switch i % 4 {
		case 1:
			n.Plain = "" // neither a key nor a hash
			err = ErrInvalid
		case 2:
			must[Key](t)(s.Keys().Import(t.Context(), n))
			err = ErrKeyExists
		}
		list, want = append(list, n), append(want, err)
	}
	results := s.Keys().ImportAll(t.Context(), list)
	for i, r := range results {
		if !errors.Is(r.Err, want[i]) || r.Err == nil && r.Key.Start != startOf(s.Contract.Auth.Key, list[i].Plain) {
			t.Fatalf("key %d: %+v %v, want %v", i, r.Key, r.Err, want[i])
		}
	}
	for i := range results {
		if want[i] == nil && !s.call(list[i].Plain, "GET /items").Admitted {
			t.Errorf("key %d is not known", i)
		}
	}
	// Once more: what is there is passed over.
	if again := s.Keys().ImportAll(t.Context(), list); slices.ContainsFunc(again, func(r ImportResult) bool { return r.Err == nil }) {
		t.Error("a key was made twice")
	}
	if none := s.Keys().ImportAll(t.Context(), nil); len(none) != 0 {
		t.Error(none)
	}
}

// failingStore refuses all writes but the first few.
type failingStore struct {
	store.Store
	writes, left atomic.Int64
}

func (s *failingStore) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	s.writes.Add(1)
	if s.left.Add(-1) < 0 {
		return 0, store.ErrUnavailable
	}
	return s.Store.Swap(ctx, key, old, value, ttl)
}

// TestImportStopsWithTheStore: a store that fails is not asked for every key,
// and what was not done says so.
func TestImportStopsWithTheStore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	failing := &failingStore{Store: s.Store}
	failing.left.Store(100)
	s.Store = failing
	var list []Imported
	for i := range 1000 {
		list = append(list, Imported{NewKey: NewKey{Account: "acct"}, Plain: fmt.Sprintf("old-key-%d", i)})
	}
	results := s.Keys().ImportAll(t.Context(), list)
	made := 0
	for i, r := range results {
		switch {
		case r.Err == nil:
			made++
		case !errors.Is(r.Err, store.ErrUnavailable):
			t.Fatalf("key %d: %v", i, r.Err)
		}
	}
	if writes := failing.writes.Load(); made == 0 || made >= 100 || writes > 100+3*importsAtOnce {
		t.Errorf("%d keys made, %d writes tried", made, writes)
	}
	failing.left.Store(1 << 40)
	s.Keys().ImportAll(t.Context(), list)
	for i := range list {
		if !s.call(list[i].Plain, "GET /open").Admitted {
			t.Fatalf("key %d is not known after the repetition", i)
		}
	}
}
