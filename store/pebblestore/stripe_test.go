package pebblestore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
)

// Keys that share a stripe take each other's place in what it knows. Whatever
// happens to them, the store says what a map says.
func TestStripesMixNothingUp(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := openAt(t, &now)
	keys := []string{"first"}
	for i := 0; len(keys) < 3; i++ {
		if key := fmt.Sprint("key ", i); s.stripe(key) == s.stripe("first") {
			keys = append(keys, key)
		}
	}
	type held struct {
		version store.Version
		until   time.Time
	}
	model := map[string]held{}
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 3000 {
		key := keys[random.IntN(len(keys))]
		want, live := model[key]
		if live && !want.until.IsZero() && !now.Before(want.until) {
			live, want = false, held{}
			delete(model, key)
		}
		switch random.IntN(7) {
		case 0:
			r, err := s.Get(t.Context(), key)
			if live != (err == nil) || r.Version != want.version {
				t.Fatalf("step %d: %q has version %d, error %v; want %d", step, key, r.Version, err, want.version)
			}
		case 1:
			ttl := time.Duration(random.IntN(3)) * time.Second
			v, err := s.Swap(t.Context(), key, want.version, nil, ttl)
			if err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			model[key] = held{version: v}
			if ttl > 0 {
				model[key] = held{v, now.Add(ttl)}
			}
		case 2:
			if _, err := s.Swap(t.Context(), key, want.version+1, nil, 0); !errors.Is(err, store.ErrConflict) {
				t.Fatalf("step %d: %v", step, err)
			}
		case 3:
			if err := s.Delete(t.Context(), key, want.version); live != (err == nil) {
				t.Fatalf("step %d: %v, there: %v", step, err, live)
			}
			delete(model, key)
		case 4:
			n, err := s.Restore(t.Context(), []store.Record{{Key: key}})
			if err != nil || live != (n == 0) {
				t.Fatalf("step %d: %d written, %v, there: %v", step, n, err, live)
			}
			if n == 1 {
				r, err := s.Get(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				model[key] = held{version: r.Version}
			}
		case 5:
			if err := s.clean(now.UnixMilli()); err != nil {
				t.Fatal(err)
			}
		case 6:
			now = now.Add(time.Duration(random.IntN(900)) * time.Millisecond)
		}
		if step%50 == 0 {
			s.held(t)
		}
	}
	if records, _ := s.held(t); records > len(keys) {
		t.Errorf("%d records are held", records)
	}
	now = now.Add(time.Minute)
	for range 3000/cleanMax + 1 {
		if err := s.clean(now.UnixMilli()); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.indexed(t); n != 0 {
		t.Errorf("%d entries are left when all is past", n)
	}
}

// What was reclaimed is gone, also when the clock goes back to before its end.
func TestReclaimedIsForgotten(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := openAt(t, &now)
	if _, err := s.Swap(t.Context(), "k", 0, nil, time.Second); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if err := s.clean(now.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Minute)
	if _, err := s.Swap(t.Context(), "k", 0, nil, 0); err != nil {
		t.Error(err)
	}
}
