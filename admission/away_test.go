package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// trouble is what can be wrong with a store or a meter.
type trouble struct {
	now atomic.Pointer[func(context.Context) error]
}

func (x *trouble) begin(how func(context.Context) error) { x.now.Store(&how) }
func (x *trouble) end()                                  { x.now.Store(nil) }

func (x *trouble) meet(ctx context.Context) error {
	if how := x.now.Load(); how != nil {
		return (*how)(ctx)
	}
	return nil
}

var errDisk = errors.New("disk on fire")

func refuses(context.Context) error { return errDisk }
func panics(context.Context) error  { panic("broken driver") }

func hangs(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("store: %w", ctx.Err())
}

// troubledMeter stands for a server that processes share.
type troubledMeter struct {
	meter.Meter
	trouble
}

func (m *troubledMeter) Take(ctx context.Context, t *meter.Taking) error {
	if err := m.meet(ctx); err != nil {
		return err
	}
	return m.Meter.Take(ctx, t)
}

func (m *troubledMeter) Settle(ctx context.Context, s *meter.Settlement) error {
	if err := m.meet(ctx); err != nil {
		return err
	}
	return m.Meter.Settle(ctx, s)
}

// brokenStore is a store whose ledgers, and nothing else, are in trouble.
type brokenStore struct {
	store.Store
	trouble
}

func (s *brokenStore) Get(ctx context.Context, key string) (store.Record, error) {
	if strings.HasPrefix(key, LedgerPrefix) {
		if err := s.meet(ctx); err != nil {
			return store.Record{}, err
		}
	}
	return s.Store.Get(ctx, key)
}

func (s *brokenStore) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if strings.HasPrefix(key, LedgerPrefix) {
		if err := s.meet(ctx); err != nil {
			return 0, err
		}
	}
	return s.Store.Swap(ctx, key, old, value, ttl)
}

// newAway is a site whose meter can be brought into trouble, on the bubble's clock.
func newAway(t *testing.T, lines string) (*metered, *troubledMeter, *bytes.Buffer) {
	m := newMetered(t, lines)
	far := &troubledMeter{Meter: &meter.Local{}}
	log := &bytes.Buffer{}
	m.Controller = &Controller{
		Contract: m.Contract, Store: &store.Memory{}, Meter: far, Logger: slog.New(slog.NewTextHandler(log, nil)), StaleKeys: time.Hour, MaxStale: time.Hour,
	}
	m.secret, _ = m.create(NewKey{})
	m.fund(1000)
	return m, far, log
}

// TestLimitsAway is law 7 for limits: whatever becomes of the store, a decision
// comes within 20 ms, each limit goes by its policy, and nobody's key is doubted.
func TestLimitsAway(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]func(context.Context) error{"refuses": refuses, "hangs": hangs, "panics": panics} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, far, log := newAway(t, "")
				m.try("GET /free", 0)
				far.begin(how)
				slow := 0
				for i := range 30 {
					before := time.Now()
					v := m.try("GET /free", 0)
					took := time.Since(before)
					if !v.Admitted || took > defaultStoreTimeout || !v.Limits[0].Local {
						t.Fatalf("call %d: %s %v after %v", i, v.Condition, v.Cause, took)
					}
					if took > 0 {
						slow++
					}
				}
				if slow > tolerated {
					t.Errorf("%d calls have waited, the breaker should have opened after %d", slow, tolerated)
				}
				if v := m.try("GET /free", 0); v.Condition != condition.RateLimited || v.RetryAfter > 2*time.Second {
					t.Errorf("beyond the limit of one process: %s %v", v.Condition, v.RetryAfter)
				}
				for _, id := range []string{"POST /spend", "POST /pay", "POST /put", "POST /all"} {
					before := time.Now()
					if v := m.try(id, 10); v.Condition != condition.Unavailable || v.Cause == nil || time.Since(before) != 0 {
						t.Errorf("%s is closed: %s %v", id, v.Condition, v.Cause)
					}
				}
				time.Sleep(probeEvery)
				before := time.Now()
				m.try("GET /free", 0) // sends a probe off, in vain
				if took := time.Since(before); took != 0 {
					t.Errorf("a probe has held a caller up for %v", took)
				}
				synctest.Wait()
				h := m.Health()
				if !h.Away || h.Local < 30 || h.Closed != 4 || h.Exact == 0 || h.Errors < tolerated || h.Since.IsZero() {
					t.Errorf("%+v", h)
				}
				far.end()
				time.Sleep(probeEvery)
				m.begin("POST /run", 0) // sends the probe off, and does not wait
				synctest.Wait()
				if v := m.try("GET /free", 0); !v.Admitted || v.Limits[0].Local || v.Limit.Remaining != 28 { // less the one before, and this one: local counts are not added
					t.Errorf("back: %s, %+v", v.Condition, v.Limit)
				}
				if v := m.try("POST /spend", 0); !v.Admitted {
					t.Errorf("back: %s %v", v.Condition, v.Cause)
				}
				if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "is away") || !strings.Contains(log.String(), "is back") {
					t.Errorf("the log has %d lines:\n%s", n, log)
				}
			})
		})
	}
}

// TestCrowdAtAStoreThatHangs: a crowd that waits together may have met one
// pause; the next one finds that it is an outage, and it is logged once.
func TestCrowdAtAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, far, log := newAway(t, "limits: {away: open}")
		far.begin(hangs)
		for crowd, lines := range []int{0, 1, 1} {
			var wg sync.WaitGroup
			before := time.Now()
			for range 50 {
				wg.Go(func() {
					if v := m.try("GET /free", 0); !v.Admitted {
						t.Error(v.Condition)
					}
				})
			}
			wg.Wait()
			took, want := time.Since(before), defaultStoreTimeout
			if crowd > 1 {
				want = 0 // it is known by now
			}
			if took != want || strings.Count(log.String(), "\n") != lines {
				t.Errorf("crowd %d took %v, log:\n%s", crowd+1, took, log)
			}
		}
	})
}

// TestAwayPolicies: each limit has its own, and a closed one decides.
func TestAwayPolicies(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]map[string]condition.Condition{
		"limits: {away: open, counters_away: open}":     {"GET /free": "", "POST /spend": "", "POST /all": ""},
		"limits: {away: closed, counters_away: open}":   {"GET /free": condition.Unavailable, "POST /spend": condition.Unavailable},
		"limits: {away: open, counters_away: closed}":   {"GET /free": "", "POST /run": "", "POST /put": condition.Unavailable},
		"limits: {away: local, counters_away: local}":   {"GET /free": "", "POST /spend": "", "POST /pay": condition.BalanceInsufficient},
		"limits: {away: closed, counters_away: closed}": {"POST /run": condition.Unavailable},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, far, _ := newAway(t, lines)
			far.begin(refuses)
			for id, of := range want {
				if v := m.try(id, 10); v.Condition != of || v.Admitted != (of == "") {
					t.Errorf("%s, %s: %q %v, want %q", lines, id, v.Condition, v.Cause, of)
				}
			}
			if strings.Contains(lines, "{away: open") {
				for range 100 {
					if v := m.try("GET /free", 0); !v.Admitted || len(v.Limits) != 0 {
						t.Fatalf("open means uncounted: %s %+v", v.Condition, v.Limits)
					}
				}
			}
		})
	}
}

// TestSlotsAway: what was taken in this process is freed in this process.
func TestSlotsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, far, _ := newAway(t, "")
		call, v := m.begin("POST /run", 0) // on the server
		far.begin(refuses)
		for range 5 {
			a, va := m.begin("POST /run", 0)
			b, vb := m.begin("POST /run", 0)
			if _, over := m.begin("POST /run", 0); !va.Admitted || !vb.Admitted || over.Condition != condition.ConcurrencyExceeded {
				t.Fatal(va.Condition, vb.Condition, over.Condition)
			}
			m.Settle(t.Context(), a, va, Done)
			m.Settle(t.Context(), b, vb, Failed)
		}
		m.Settle(t.Context(), call, v, Done) // cannot be told, and ends with its lease
		far.end()
		time.Sleep(defaultLease)
		m.try("GET /free", 0)
		synctest.Wait()
		if got := m.usage("concurrency").Used; got != 0 {
			t.Errorf("%d slots are taken", got)
		}
	})
}

// TestOnePauseIsNoOutage: callers who wait together see one pause of the store,
// and the next caller finds it back.
func TestOnePauseIsNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, far, log := newAway(t, "")
		m.try("GET /free", 0) // so that no key has to be read
		crowd := func() {
			var all sync.WaitGroup
			for range 10 * tolerated {
				all.Go(func() { m.try("GET /free", 0) })
			}
			all.Wait()
		}
		far.begin(hangs)
		crowd()
		far.end()
		if v := m.try("GET /free", 0); m.Health().Away || !v.Admitted || v.Limits[0].Local || log.Len() > 0 {
			t.Errorf("after one pause: %s %+v\n%s", v.Condition, v.Limits, log)
		}
		far.begin(hangs)
		crowd()
		crowd()
		if !m.Health().Away {
			t.Error("a store that is silent for two waits is not taken for one that is away")
		}
	})
}

// TestOneFailureIsNone: a store that answers in between is not away, and a
// caller who leaves is not the store's failure.
func TestOneFailureIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, far, log := newAway(t, "")
		for range 10 {
			far.begin(hangs)
			for range tolerated - 1 {
				m.try("GET /free", 0)
			}
			far.end()
			time.Sleep(2 * time.Second)
			m.try("GET /free", 0)
		}
		far.begin(hangs)
		for range 10 {
			ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
			call, v := &Call{Credential: m.secret, Operation: operation(t, m.Contract, "GET /free")}, &Verdict{}
			m.Admit(ctx, call, v)
			if v.Condition != condition.Unavailable {
				t.Errorf("who left: %s", v.Condition)
			}
			leave()
		}
		if m.Health().Away || log.Len() > 0 {
			t.Errorf("away: %s", log)
		}
	})
}

// TestLedgerAway: where the store is this process's own, what is counted in
// memory goes on, and what is durable is closed, also when the driver is deaf.
func TestLedgerAway(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"refuses": false, "hangs, deaf": true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMetered(t, "")
			broken := &brokenStore{Store: &store.Memory{}}
			m.Controller = &Controller{Contract: m.Contract, Store: broken, StaleKeys: time.Hour, MaxStale: time.Hour}
			m.secret, _ = m.create(NewKey{})
			m.fund(100)
			m.try("POST /spend", 0)
			gate := make(chan struct{})
			broken.begin(func(ctx context.Context) error {
				if deaf {
					<-gate
				}
				return refuses(ctx)
			})
			for range 10 {
				before := time.Now()
				v := m.try("POST /spend", 0)
				if took := time.Since(before); v.Condition != condition.Unavailable || v.Cause == nil || took > defaultStoreTimeout {
					t.Errorf("%s: %s %v after %v", name, v.Condition, v.Cause, took)
				}
			}
			for _, id := range []string{"GET /free", "POST /run"} {
				before := time.Now()
				if v := m.try(id, 0); !v.Admitted || v.Limits[0].Local || time.Since(before) != 0 {
					t.Errorf("%s: %s: %s %v", name, id, v.Condition, v.Cause)
				}
			}
			broken.end()
			close(gate)
			time.Sleep(probeEvery)
			m.try("POST /spend", 0)
			synctest.Wait()
			if v := m.try("POST /spend", 0); !v.Admitted {
				t.Errorf("%s, back: %s %v", name, v.Condition, v.Cause)
			}
			synctest.Wait()
			if got := m.usage("credits").Used; got != 10 {
				t.Errorf("%s: %d credits are used by two calls of 5", name, got)
			}
		})
	}
}
