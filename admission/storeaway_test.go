package admission

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// troubledStore is a store whose reads can be made to fail or to hang.
type troubledStore struct {
	store.Store
	err  error
	hang chan struct{} // reads wait until it is closed
	deaf bool          // and do not look at their context

	panics bool
}

func (s *troubledStore) Get(ctx context.Context, key string) (store.Record, error) {
	if s.hang != nil {
		done := ctx.Done()
		if s.deaf {
			done = nil
		}
		select {
		case <-s.hang:
		case <-done:
			return store.Record{}, fmt.Errorf("store: %w", ctx.Err())
		}
	}
	if s.panics {
		panic("broken driver")
	}
	if s.err != nil {
		return store.Record{}, s.err
	}
	return s.Store.Get(ctx, key)
}

// TestStoreAway is law 7: whatever the store does, nobody's key is doubted, and
// the answer comes within the timeout, to the millisecond.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]struct {
		set  func(s *troubledStore)
		want time.Duration
	}{
		"refuses":       {func(s *troubledStore) { s.err = store.ErrUnavailable }, 0},
		"closed":        {func(s *troubledStore) { s.err = store.ErrClosed }, 0},
		"hangs":         {func(s *troubledStore) { s.hang = make(chan struct{}) }, 20 * time.Millisecond},
		"hangs, deaf":   {func(s *troubledStore) { s.hang, s.deaf = make(chan struct{}), true }, 20 * time.Millisecond},
		"panics":        {func(s *troubledStore) { s.panics = true }, 0},
		"other trouble": {func(s *troubledStore) { s.err = errors.New("disk on fire") }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			s.StoreTimeout, s.Clock = 0, nil
			away := &troubledStore{Store: &store.Memory{}}
			s.Store = away
			secret, _ := s.create(NewKey{})
			trouble.set(away)
			for what, credential := range map[string]string{"a key": secret, "a typo": secret[:20], "a foreign key": "sk_1234"} {
				synctest.Wait() // nothing is under way that could be joined
				before := time.Now()
				v := s.from("192.0.2.1", credential, "GET /items")
				if v.Condition != condition.Unavailable || v.Cause == nil || v.Admitted {
					t.Errorf("%s, %s: %s %v", name, what, v.Condition, v.Cause)
				}
				if took := time.Since(before); took != trouble.want {
					t.Errorf("%s, %s: took %v, want %v", name, what, took, trouble.want)
				}
			}
			if v := s.call("", "GET /items"); v.Condition != condition.KeyMissing {
				t.Errorf("%s: no key: %s", name, v.Condition)
			}
			if v := s.call(secret, "GET /open"); !v.Admitted {
				t.Errorf("%s: a public operation: %s", name, v.Condition)
			}
			if away.hang != nil {
				close(away.hang)
			}
			synctest.Wait()
			away.hang, away.err, away.panics = nil, nil, false
			time.Sleep(probeEvery) // then somebody looks whether it is back
			if v := s.call(secret, "GET /items"); !v.Admitted {
				t.Errorf("%s: after it came back: %s %v", name, v.Condition, v.Cause)
			}
		})
	}
}

// TestStoreAwayIsShortlyBridged: where nothing stale is to be served, what was
// read lately is trusted up to MaxStale, no longer.
func TestStoreAwayIsShortlyBridged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.StoreTimeout, s.Clock, s.StaleKeys = 0, nil, -1
		away := &troubledStore{Store: &store.Memory{}}
		s.Store = away
		secret, _ := s.create(NewKey{})
		s.call(secret, "GET /items")
		away.err = store.ErrUnavailable
		time.Sleep(defaultMaxStale - time.Millisecond)
		if v := s.call(secret, "GET /items"); !v.Admitted {
			t.Errorf("shortly after: %s %v", v.Condition, v.Cause)
		}
		synctest.Wait()
		time.Sleep(time.Millisecond)
		if v := s.call(secret, "GET /items"); v.Condition != condition.Unavailable || !errors.Is(v.Cause, store.ErrUnavailable) {
			t.Errorf("long after: %s %v", v.Condition, v.Cause)
		}
	})
}

// TestManyWaitersHoldLittle: of a crowd that a hanging store holds up, as many
// reads are pending as are allowed, and the rest is answered at once.
func TestManyWaitersHoldLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r := &records[int, Key]{
			what: "a key", lease: int64(time.Second), clock: func() int64 { return 0 }, store: &outage{}, cache: newCache[int, Key](100),
			load: func(context.Context, int) (*Key, error) {
				<-hang
				return &Key{}, nil
			},
		}
		slow, busy := make(chan error), 0
		for i := range maxFlights {
			go func() {
				_, err := r.get(t.Context(), i, 0, &patience{limit: time.Second})
				slow <- err
			}()
		}
		synctest.Wait()
		for i := range 50 {
			if _, err := r.get(t.Context(), -1-i, 0, &patience{limit: time.Second}); errors.Is(err, errBusyStore) {
				busy++
			}
		}
		if busy != 50 {
			t.Errorf("%d of 50 were answered at once", busy)
		}
		for range maxFlights {
			if err := <-slow; !errors.Is(err, errSlowStore) {
				t.Errorf("held up, got %v", err)
			}
		}
		close(hang)
		synctest.Wait()
		if _, err := r.get(t.Context(), -1, int64(probeEvery), &patience{limit: time.Second}); err != nil || len(r.flights) != 0 || r.aloft != 0 {
			t.Errorf("afterwards: %v, %d flights, %d aloft", err, len(r.flights), r.aloft)
		}
	})
}

// TestCallerWhoLeaves does not end the read that others wait for.
func TestCallerWhoLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		away := &troubledStore{Store: &store.Memory{}}
		s.Store, s.Clock = away, nil
		secret, _ := s.create(NewKey{})
		away.hang = make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		call := Call{Credential: secret, Operation: operation(t, s.Contract, "GET /items")}
		var first, second Verdict
		done := make(chan struct{}, 2)
		go func() {
			s.Admit(ctx, &call, &first)
			done <- struct{}{}
		}()
		synctest.Wait() // the read is the first one's
		go func() {
			s.Admit(t.Context(), &call, &second)
			done <- struct{}{}
		}()
		synctest.Wait()
		leave()
		<-done
		close(away.hang)
		<-done
		if first.Condition != condition.Unavailable || !errors.Is(first.Cause, context.Canceled) {
			t.Errorf("who left: %s %v", first.Condition, first.Cause)
		}
		if !second.Admitted {
			t.Errorf("who stayed: %s %v", second.Condition, second.Cause)
		}
	})
}

// TestChangeElsewhere: another process's change counts within MaxStale, although
// nothing tells of it and the key is in constant use.
func TestChangeElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := newSite(t), newSite(t)
		here.Clock, there.Clock = nil, nil
		there.Store = here.Store
		secret, key := here.create(NewKey{})
		here.call(secret, "GET /open")
		for range 100 {
			here.call(secret, "GET /items")
			time.Sleep(time.Millisecond)
		}
		must[Key](t)(there.Keys().Revoke(t.Context(), key.ID))
		revoked := time.Now()
		for {
			v := here.call(secret, "POST /huge")
			synctest.Wait()
			if v.Condition == condition.KeyRevoked {
				break
			}
			time.Sleep(time.Millisecond)
			if time.Since(revoked) > defaultMaxStale {
				t.Fatalf("still %s after %v", v.Condition, time.Since(revoked))
			}
		}
		must[Account](t)(there.Keys().SetAccountState(t.Context(), "acct", AccountSuspended))
		other, _ := here.create(NewKey{})
		time.Sleep(defaultMaxStale)
		if v := here.call(other, "GET /items"); v.Condition != condition.AccountSuspended {
			t.Errorf("the account: %s", v.Condition)
		}
	})
}

// TestChangeHereOvertakesRead: a read of the old record that ends after the
// change does not bring it back.
func TestChangeHereOvertakesRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, release := &Key{State: KeyActive}, make(chan struct{})
		r := &records[int, Key]{
			what: "a key", lease: int64(time.Second), clock: func() int64 { return 0 }, store: &outage{}, cache: newCache[int, Key](100),
			load: func(context.Context, int) (*Key, error) {
				value := old
				<-release
				return value, nil
			},
		}
		read := make(chan *Key)
		go func() {
			key, _ := r.get(t.Context(), 1, 0, &patience{limit: time.Second})
			read <- key
		}()
		synctest.Wait()
		old = &Key{State: KeyRevoked}
		r.changed(1, nil)
		close(release)
		if key := <-read; key.State != KeyActive {
			t.Errorf("the read that began before: %s", key.State)
		}
		if key, err := r.get(t.Context(), 1, 0, &patience{limit: time.Second}); err != nil || key.State != KeyRevoked {
			t.Errorf("the read that began after: %+v %v", key, err)
		}
	})
}

// TestGuessesFillNoMemory: what is not there is not remembered, and what is
// there only up to a bound.
func TestGuessesFillNoMemory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Cached = 64
	for range 1000 {
		guess := must[string](t)(Mint(s.Contract.Auth.Key, "live", s.random()))
		if v := s.call(guess, "GET /items"); v.Condition != condition.KeyUnknown {
			t.Fatal(v.Condition)
		}
	}
	if n := s.state.keys.cache.len(); n != 0 {
		t.Errorf("%d guesses are remembered", n)
	}
	for range 1000 {
		secret, _ := s.create(NewKey{})
		if v := s.call(secret, "GET /items"); !v.Admitted {
			t.Fatal(v.Condition)
		}
	}
	if n := s.state.keys.cache.len(); n > 64 {
		t.Errorf("%d keys are cached, the bound is 64", n)
	}
}
