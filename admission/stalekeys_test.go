package admission

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// awaySite is a site on real (bubbled) time whose store can be troubled.
func awaySite(t *testing.T) (*site, *troubledStore) {
	t.Helper()
	s := newSite(t)
	away := &troubledStore{Store: &store.Memory{}}
	s.StoreTimeout, s.Clock, s.Store = 0, nil, away
	return s, away
}

// TestStaleKeys is law 7 for whoever called before: while the store cannot be
// reached they go on, each call within 20 ms and, once it is known to be away,
// without any wait; those who never called are unavailable, not unauthorised.
func TestStaleKeys(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(s *troubledStore){
		"refuses":     func(s *troubledStore) { s.err = store.ErrUnavailable },
		"hangs":       func(s *troubledStore) { s.hang = make(chan struct{}) },
		"hangs, deaf": func(s *troubledStore) { s.hang, s.deaf = make(chan struct{}), true },
		"panics":      func(s *troubledStore) { s.panics = true },
	} {
		synctest.Test(t, func(t *testing.T) {
			s, away := awaySite(t)
			known, _ := s.create(NewKey{})
			fresh, _ := s.create(NewKey{})
			s.call(known, "GET /items")
			read := time.Now()
			trouble(away)
			time.Sleep(defaultMaxStale)
			waits := 0
			for time.Since(read) < defaultStaleKeys-time.Second {
				before := time.Now()
				v := s.call(known, "GET /items")
				took := time.Since(before)
				if !v.Admitted {
					t.Fatalf("%s: a known key after %v: %s %v", name, time.Since(read), v.Condition, v.Cause)
				}
				if took > 20*time.Millisecond {
					t.Fatalf("%s: a known key took %v", name, took)
				}
				if took > 0 {
					waits++
				}
				time.Sleep(time.Second)
			}
			if waits > tolerated {
				t.Errorf("%s: %d calls waited for a store that was known to be away", name, waits)
			}
			// The first may be the one who looks whether the store is back.
			for _, most := range []time.Duration{20 * time.Millisecond, 0, 0} {
				before := time.Now()
				if v := s.call(fresh, "GET /items"); v.Condition != condition.Unavailable || time.Since(before) > most {
					t.Errorf("%s: a key that was never read: %s after %v, want %v at most", name, v.Condition, time.Since(before), most)
				}
			}
			time.Sleep(time.Until(read.Add(defaultStaleKeys)))
			if v := s.call(known, "GET /items"); v.Condition != condition.Unavailable {
				t.Errorf("%s: after StaleKeys: %s", name, v.Condition)
			}
			if away.hang != nil {
				close(away.hang)
			}
			synctest.Wait()
			away.hang, away.err, away.panics = nil, nil, false
			time.Sleep(probeEvery)
			for _, secret := range []string{known, fresh} {
				if v := s.call(secret, "GET /items"); !v.Admitted {
					t.Errorf("%s: after it came back: %s %v", name, v.Condition, v.Cause)
				}
			}
		})
	}
}

// TestAbsenceIsAnAnswer: what the store says is gone, or cannot be read, is not
// served stale.
func TestAbsenceIsAnAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(ctx context.Context, s store.Store, r store.Record) error
		want  condition.Condition
	}{
		"deleted": {func(ctx context.Context, s store.Store, r store.Record) error { return s.Delete(ctx, r.Key, r.Version) }, condition.KeyUnknown},
		"damaged": {func(ctx context.Context, s store.Store, r store.Record) error {
			_, err := s.Swap(ctx, r.Key, r.Version, []byte("{"), 0)
			return err
		}, condition.Unavailable},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, away := awaySite(t)
			secret, _ := s.create(NewKey{})
			s.call(secret, "GET /items")
			record := must[store.Record](t)(away.Get(t.Context(), keyPrefix+digestOf(secret).String()))
			if err := c.spoil(t.Context(), away, record); err != nil {
				t.Fatal(err)
			}
			for range tolerated + 1 {
				time.Sleep(defaultMaxStale)
				if v := s.call(secret, "GET /items"); v.Condition != c.want || v.Admitted {
					t.Errorf("%s: %s %v", name, v.Condition, v.Cause)
				}
			}
			if s.state.outage.open.Load() {
				t.Errorf("%s: a store that answers is taken for one that is away", name)
			}
		})
	}
}

// TestOutageOfKeysIsTold: one line when it begins and one when it ends.
func TestOutageOfKeysIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, away := awaySite(t)
		var log strings.Builder
		s.Logger = slog.New(slog.NewTextHandler(&log, nil))
		secret, _ := s.create(NewKey{})
		s.call(secret, "GET /items")
		away.err = errors.New("connection reset")
		// Who looks whether it is back does not wait for the answer.
		for range 20 {
			time.Sleep(defaultMaxStale)
			s.call(secret, "GET /items")
			synctest.Wait()
		}
		away.err = nil
		for range 5 {
			time.Sleep(defaultMaxStale)
			s.call(secret, "GET /items")
			synctest.Wait()
		}
		if n := strings.Count(log.String(), "the store of the keys"); n != 2 || !strings.Contains(log.String(), "is back") || strings.Contains(log.String(), secret) {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
		h := s.Health()
		if h.KeyOutages != 1 || h.KeysAway || h.Keys.Hits != 0 || h.Keys.Stale != 21 || h.Keys.Misses != 5 {
			t.Errorf("%+v", h)
		}
		s.call(secret, "GET /items")
		if again := s.Health(); again.Keys.Hits != 1 || again.Keys.Misses != 5 {
			t.Errorf("%+v", again.Keys)
		}
	})
}
