package admission

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/store"
)

// farStore is a store that processes share, counts what it is asked and can be
// away for writers.
type farStore struct {
	store.Memory
	swaps atomic.Int64
	away  atomic.Bool
}

func (s *farStore) Shared() bool { return true }

func (s *farStore) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	s.swaps.Add(1)
	if s.away.Load() {
		return 0, store.ErrUnavailable
	}
	return s.Memory.Swap(ctx, key, old, value, ttl)
}

// leasing are Controllers of processes on one store.
func leasing(t *testing.T, s *farStore, leased bool) [2]*site {
	t.Helper()
	var both [2]*site
	for i := range both {
		both[i] = newSite(t)
		both[i].Store, both[i].Clock, both[i].Leased = s, nil, leased
		both[i].put(Account{ID: "acct", Plan: "pro"})
	}
	return both
}

// TestLeasedLimits: two processes admit no more than the limit and a lease each,
// and ask the store for a small part of the decisions.
func TestLeasedLimits(t *testing.T) {
	t.Parallel()
	writes := map[bool]int64{}
	for _, leased := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &farStore{}
			both := leasing(t, s, leased)
			secret, _ := both[0].create(NewKey{})
			before, admitted, began := s.swaps.Load(), 0, time.Now()
			for i := range 3000 {
				if both[i%2].call(secret, "GET /items").Admitted {
					admitted++
				}
			}
			freed := int(time.Since(began) / (50 * time.Millisecond)) // 1200 a minute
			if leases := 2 * 1200 / 20; admitted < 1200 || admitted > 1200+freed+1 && !leased || admitted > 1200+freed+1+leases {
				t.Errorf("leased %t: %d of a limit of 1200 were admitted, %d became free meanwhile", leased, admitted, freed)
			}
			writes[leased] = s.swaps.Load() - before
			for _, x := range both {
				if err := x.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if writes[true]*5 > writes[false] {
		t.Errorf("%d writes with leases, %d without", writes[true], writes[false])
	}
}

// TestLeasesDoNotHideAnOutage: what is given out from memory says nothing about
// the store, neither that it is there nor that it is back.
func TestLeasesDoNotHideAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &farStore{}
		both := leasing(t, s, true)
		x := both[0]
		secret, _ := x.create(NewKey{})
		other, _ := x.create(NewKey{})
		x.call(secret, "GET /items")
		for range 2 { // the second time, the first look has left a lease as well
			s.away.Store(true)
			for range 2 * tolerated {
				x.call(other, "GET /items")  // has no lease and asks the store
				x.call(secret, "GET /items") // has one
			}
			if !x.Health().Away {
				t.Fatal("the store is taken for one that answers")
			}
			for range 5 {
				time.Sleep(probeEvery)
				if v := x.call(secret, "GET /items"); !v.Admitted {
					t.Errorf("a limit that is local: %s %v", v.Condition, v.Cause)
				}
				synctest.Wait()
				if !x.Health().Away {
					t.Fatal("the store is taken for one that is back")
				}
			}
			s.away.Store(false)
			time.Sleep(probeEvery)
			x.call(secret, "GET /items")
			synctest.Wait()
			if x.Health().Away {
				t.Error("the store is back, and nobody noticed")
			}
		}
		for _, c := range both {
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}
