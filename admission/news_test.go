package admission

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// newsStore is a store that brings news between the processes of a test, unless
// they get lost.
type newsStore struct {
	store.Store
	lossy bool
	reads atomic.Int64

	mu   sync.Mutex
	subs []subscriber
	told []string
}

type subscriber struct {
	heard func(string)
	lost  func()
}

func (s *newsStore) Get(ctx context.Context, key string) (store.Record, error) {
	s.reads.Add(1)
	return s.Store.Get(ctx, key)
}

var errNewsLost = errors.New("not delivered")

func (s *newsStore) Notify(_ context.Context, topic, message string) error {
	if topic != newsTopic {
		return errNewsLost
	}
	if s.lossy {
		return nil // nobody knows
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, message)
	for _, sub := range s.subs {
		sub.heard(message)
	}
	return nil
}

func (s *newsStore) Subscribe(_ context.Context, _ string, heard func(string), lost func()) error {
	lost()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = append(s.subs, subscriber{heard, lost})
	return nil
}

// gateways are two Controllers on one store that brings news.
func gateways(t *testing.T) (here, there *site, news *newsStore) {
	t.Helper()
	news = &newsStore{Store: &store.Memory{}}
	here, there = newSite(t), newSite(t)
	for _, s := range []*site{here, there} {
		s.Clock, s.Store = nil, news
		if err := s.Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return here, there, news
}

// until calls every millisecond until the condition is told, and returns how
// long that took.
func (s *site) until(secret string, want condition.Condition, most time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	for {
		v := s.call(secret, "POST /huge")
		synctest.Wait()
		if took := time.Since(began); v.Condition == want || took > most {
			if v.Condition != want {
				s.t.Fatalf("still %s after %v", v.Condition, took)
			}
			return took
		}
		time.Sleep(time.Millisecond)
	}
}

// TestChangesArePushed: another gateway's changes count at once where news
// arrive, and within MaxStale where all of them are lost.
func TestChangesArePushed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lossy bool
		most  time.Duration
	}{"pushed": {false, 0}, "lost": {true, defaultMaxStale}} {
		synctest.Test(t, func(t *testing.T) {
			here, there, news := gateways(t)
			news.lossy = c.lossy
			secret, key := here.create(NewKey{})
			other, _ := here.create(NewKey{Account: "other"})
			slowest := time.Duration(0)
			for _, step := range []struct {
				secret string
				change func() error
				want   condition.Condition
			}{
				{secret, func() error { _, err := there.Keys().Deactivate(t.Context(), key.ID); return err }, condition.KeyDeactivated},
				{secret, func() error { _, err := there.Keys().Reactivate(t.Context(), key.ID); return err }, condition.RateLimited},
				{secret, func() error { _, err := there.Keys().Revoke(t.Context(), key.ID); return err }, condition.KeyRevoked},
				{other, func() error { _, err := there.Keys().SetAccountState(t.Context(), "other", AccountUnpaid); return err }, condition.PaymentRequired},
				{other, func() error { _, err := there.Keys().SetAccountState(t.Context(), "other", AccountActive); return err }, condition.RateLimited},
				{other, func() error { _, err := there.Keys().SetAccountPlan(t.Context(), "other", "big"); return err }, ""},
			} {
				here.call(step.secret, "GET /items")
				if err := step.change(); err != nil {
					t.Fatal(err)
				}
				slowest = max(slowest, here.until(step.secret, step.want, 2*time.Second))
			}
			if slowest > c.most {
				t.Errorf("%s: a change took %v to count, want at most %v", name, slowest, c.most)
			}
			// A form of imported keys that did not exist a moment ago.
			const foreign = "sk_0123456789"
			here.call(foreign, "GET /items")
			must[Key](t)(there.Keys().Import(t.Context(), Imported{NewKey: NewKey{Account: "other"}, Plain: foreign}))
			if took := here.until(foreign, "", 2*time.Second); took > c.most {
				t.Errorf("%s: an import took %v to count", name, took)
			}
		})
	}
}

// TestLostNewsCauseNoStampede: after a connection was lost everything is read
// again, each record once, and nobody waits for it.
func TestLostNewsCauseNoStampede(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there, news := gateways(t)
		var secrets []string
		for range 50 {
			secret, key := here.create(NewKey{})
			here.call(secret, "GET /items")
			secrets = append(secrets, secret)
			news.lossy = true
			must[Key](t)(there.Keys().Deactivate(t.Context(), key.ID))
		}
		before, waited := news.reads.Load(), here.state.keys.waited.Load()
		time.Sleep(time.Millisecond)
		news.subs[0].lost()
		for _, secret := range secrets {
			for range 100 {
				if v := here.call(secret, "POST /huge"); v.Condition != condition.RateLimited && v.Condition != condition.KeyDeactivated {
					t.Fatal(v.Condition)
				}
			}
		}
		synctest.Wait()
		if reads := news.reads.Load() - before; reads > 51 { // and the account
			t.Errorf("%d reads of 50 keys and an account", reads)
		}
		if n := here.state.keys.waited.Load() - waited; n > 0 {
			t.Errorf("%d calls waited for the store", n)
		}
		for _, secret := range secrets {
			if v := here.call(secret, "GET /items"); v.Condition != condition.KeyDeactivated {
				t.Fatalf("a change whose news was lost: %s", v.Condition)
			}
		}
	})
}

// TestSenselessNews: whoever can write to the store can send anything.
func TestSenselessNews(t *testing.T) {
	t.Parallel()
	here, _, news := gateways(t)
	secret, _ := here.create(NewKey{})
	here.call(secret, "GET /items")
	for _, message := range []string{"", "key ", "key zz", "key " + secret, "account ", "account \x00", "imports of nothing", "else"} {
		if err := news.Notify(t.Context(), newsTopic, message); err != nil {
			t.Fatal(err)
		}
	}
	if v := here.call(secret, "GET /items"); !v.Admitted {
		t.Error(v.Condition)
	}
	for _, message := range news.told[:1] {
		if message == secret || len(newsTopic)+len(message) > 1024 {
			t.Errorf("told %q", message)
		}
	}
}

// TestWatchWithoutNews: a store without news is no error.
func TestWatchWithoutNews(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.Watch(t.Context()); err != nil {
		t.Error(err)
	}
}
