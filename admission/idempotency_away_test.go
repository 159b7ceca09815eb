package admission

import (
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
)

// TestStoreAwayForKeys: a call whose key cannot be looked up or written is
// refused or runs unprotected, as the contract says, and in time also when the
// store hangs.
func TestStoreAwayForKeys(t *testing.T) {
	t.Parallel()
	for _, away := range []string{"closed", "open"} {
		for _, hang := range []bool{false, true} {
			for _, at := range []string{"look-up", "reservation"} {
				synctest.Test(t, func(t *testing.T) {
					d := newDesk(t, "wait: 2s", "wait: 2s, away: "+away)
					g := &gate{Store: d.store}
					c := d.process(1)
					c.Store, c.StoreTimeout = g, 20*time.Millisecond
					var logs strings.Builder
					c.Logger = slog.New(slog.NewTextHandler(&logs, nil))
					d.try(c, attempt{key: "warm"}) // the account is known
					release := make(chan struct{})
					shut := func() {
						g.mu.Lock()
						defer g.mu.Unlock()
						if hang {
							g.hang = release
						} else {
							g.err = store.ErrUnavailable
						}
					}
					call, p := d.attempt(attempt{key: "k"})
					call.Operation = operation(t, c.Contract, "POST /pay")
					var v Verdict
					if at == "look-up" {
						shut()
					}
					began := time.Now()
					c.Admit(t.Context(), call, &v)
					var r *Reservation
					if v.Keyed {
						shut()
						began = time.Now()
						var err error
						if r, err = c.Reserve(t.Context(), call, &v, p); err != nil {
							t.Fatal(err)
						}
					}
					took := time.Since(began)
					if took > 20*time.Millisecond {
						t.Errorf("%s, hang %v, at %s: took %v", away, hang, at, took)
					}
					refused := v.Condition == condition.Unavailable && v.HasRetryAfter
					if r != nil || refused != (away == "closed") || !refused && (v.Condition != "" || !v.Admitted) {
						t.Errorf("%s, hang %v, at %s: %+v", away, hang, at, v)
					}
					if warned := strings.Contains(logs.String(), "unprotected"); warned != (away == "open") {
						t.Errorf("log %q", logs.String())
					}
					g.mu.Lock()
					g.hang, g.err = nil, nil
					g.mu.Unlock()
					close(release)
					time.Sleep(7 * time.Second) // what was begun is put back, what nobody ended is given up
					if after := d.try(d.process(2), attempt{key: "k"}); after.Reservation == nil {
						t.Errorf("%s, hang %v, at %s: the key is blocked: %+v", away, hang, at, after.v)
					} else {
						done(t, after.Release(t.Context()))
					}
				})
			}
		}
	}
}

// TestMuteStore: a write that happened but was reported as failed is recognised.
func TestMuteStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		g := &gate{Store: d.store}
		c := d.process(1)
		c.Store = g
		a := attempt{key: "k", id: "one"}
		r := d.try(c, a).reserved(t)
		g.mu.Lock()
		g.mute = 1
		g.mu.Unlock()
		time.Sleep(2500 * time.Millisecond) // a renewal that seems to fail
		g.mu.Lock()
		if g.mute != 0 {
			t.Fatal("nothing was renewed")
		}
		g.mute = 1
		g.mu.Unlock()
		if err := r.Complete(t.Context(), &Answer{Status: 200}); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		d.try(d.process(2), a) // sees what it sees; the record is completed
		time.Sleep(2 * time.Second)
		if v := d.try(c, a).v; v.Answer == nil || c.Reserved() != 0 {
			t.Errorf("got %+v, %d reserved", v, c.Reserved())
		}
	})
}

// TestOwedOutcome: an answer that could not be kept is kept when the store is
// back, if that is within the lease.
func TestOwedOutcome(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{3 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			g := &gate{Store: d.store}
			c := d.process(1)
			c.Store = g
			a := attempt{key: "k", id: "one"}
			r := d.try(c, a).reserved(t)
			g.fail(store.ErrUnavailable)
			if err := r.Complete(t.Context(), &Answer{Status: 200}); err == nil || errors.Is(err, ErrLost) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(away)
			g.fail(nil)
			time.Sleep(2 * time.Second)
			v := d.try(c, a).v
			if kept := v.Answer != nil; kept != (away < 6*time.Second) {
				t.Errorf("away for %v: %+v", away, v)
			}
			if v.Answer == nil && v.Condition != condition.IdempotencyOutcomeUnknown {
				t.Errorf("got %+v", v)
			}
			if c.Reserved() != 0 {
				t.Errorf("%d reserved", c.Reserved())
			}
		})
	}
}

// TestEvicted: a store that lost the record of a call under way gets it again.
func TestEvicted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.process(1)
		a := attempt{key: "k", id: "one"}
		r := d.try(c, a).reserved(t)
		for record, err := range store.All(t.Context(), d.memory, idempotencyPrefix, 0) {
			done(t, err)
			done(t, d.memory.Delete(t.Context(), record.Key, record.Version))
		}
		done(t, r.Complete(t.Context(), &Answer{Status: 200}))
		if v := d.try(c, a).v; v.Answer == nil {
			t.Errorf("got %+v", v)
		}
	})
}

// TestDamagedRecord: what cannot be read is nobody's permission to work, also
// where a store that is away would be.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "wait: 2s", "wait: 2s, away: open")
	c := d.process(1)
	done(t, d.try(c, attempt{key: "k"}).reserved(t).Release(t.Context()))
	for record, err := range store.All(t.Context(), d.memory, idempotencyPrefix, 0) {
		done(t, err)
		if _, err := d.memory.Swap(t.Context(), record.Key, record.Version, []byte{99, 1, 2}, 0); err != nil {
			t.Fatal(err)
		}
	}
	r := d.try(c, attempt{key: "k"})
	r.want(t, condition.Unavailable)
	if !errors.Is(r.v.Cause, errRecord) {
		t.Errorf("cause %v", r.v.Cause)
	}
}

// TestClockGoesBack: a store's clock that jumps back an hour blocks no key for
// longer than a lease, and does not end a call under way.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var back atomic.Int64
		d.memory.Clock = func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
		g := &gate{Store: d.store}
		dead, alive, c := d.process(1), d.process(2), d.process(3)
		dead.Store = g
		d.try(dead, attempt{key: "dead"}).reserved(t)
		r := d.try(alive, attempt{key: "alive"}).reserved(t)
		g.fail(errors.New("killed"))
		back.Store(int64(time.Hour))
		d.try(c, attempt{key: "dead"}).want(t, condition.IdempotencyInProgress)
		for range 13 {
			time.Sleep(500 * time.Millisecond)
			d.try(c, attempt{key: "alive"}).want(t, condition.IdempotencyInProgress)
		}
		d.try(c, attempt{key: "dead"}).want(t, condition.IdempotencyOutcomeUnknown)
		done(t, r.Complete(t.Context(), &Answer{Status: 200}))
		if v := d.try(c, attempt{key: "alive"}).v; v.Answer == nil {
			t.Errorf("got %+v", v)
		}
	})
}

// TestWaiting: a duplicate waits for the first call and gets its answer,
// whichever process runs it; never longer than it is willing to.
func TestWaiting(t *testing.T) {
	t.Parallel()
	for _, far := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "wait: 2s", "wait: 2s, in_flight: wait")
			c := d.process(1)
			from := c
			if far {
				from = d.process(2)
			}
			a := attempt{key: "k", id: "one"}
			r := d.try(c, a).reserved(t)
			began := time.Now()
			results := make([]result, 8)
			var all sync.WaitGroup
			for i := range results {
				all.Go(func() { results[i] = d.try(from, a) })
			}
			time.Sleep(time.Second)
			done(t, r.Complete(t.Context(), &Answer{Status: 200, Body: []byte("done")}))
			all.Wait()
			for i := range results {
				if v := results[i].v; v.Answer == nil || string(v.Answer.Body) != "done" {
					t.Errorf("far %v: %+v", far, v)
				}
			}
			if took := time.Since(began); took > time.Second+longestPoll {
				t.Errorf("far %v: waited %v", far, took)
			}

			a.key = "slow"
			r = d.try(c, a).reserved(t)
			began = time.Now()
			late := d.try(from, a)
			late.want(t, condition.IdempotencyInProgress)
			if took := time.Since(began).Round(100 * time.Millisecond); took != 2*time.Second {
				t.Errorf("far %v: waited %v", far, took)
			}
			if late.v.RetryAfter < time.Second || late.v.RetryAfter > 6*time.Second {
				t.Errorf("retry after %v", late.v.RetryAfter)
			}

			// The first does nothing after all: the next one is decided upon anew.
			go func() {
				time.Sleep(time.Second)
				_ = r.Release(t.Context())
			}()
			next := d.try(from, a)
			done(t, next.reserved(t).Release(t.Context()))
			if next.v.repeat || next.v.hold == "" {
				t.Error("it works without being charged for it")
			}
		})
	}
}

// TestTooManyWait: beyond the bound a duplicate is told to come back.
func TestTooManyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "wait: 2s", "wait: 2s, in_flight: wait")
		c := d.process(1)
		r := d.try(c, attempt{key: "k"}).reserved(t)
		c.state.running.waiting = maxWaiters
		began := time.Now()
		d.try(c, attempt{key: "k"}).want(t, condition.IdempotencyInProgress)
		if time.Since(began) > 0 {
			t.Error("it waited")
		}
		done(t, r.Release(t.Context()))
	})
}

// TestRaceToReserve: who was charged while the key was free, and finds it free
// again after somebody else had it, is charged anew.
func TestRaceToReserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.process(1)
		slow, p := d.attempt(attempt{key: "k"})
		slow.Operation = operation(t, c.Contract, "POST /pay")
		var v Verdict
		c.Admit(t.Context(), slow, &v)
		left := v.Limit.Remaining
		done(t, d.try(d.process(2), attempt{key: "k"}).reserved(t).Release(t.Context()))
		r, err := c.Reserve(t.Context(), slow, &v, p)
		if r == nil || err != nil {
			t.Fatalf("got %+v, %v", v, err)
		}
		if v.Limit.Remaining >= left {
			t.Error("it was not decided upon anew")
		}
		done(t, r.Release(t.Context()))
	})
}

// TestNoStore says what is missing.
func TestNoStore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.process(1)
	c.Store = nil
	call, _ := d.attempt(attempt{operation: "POST /open", key: "k"})
	call.Operation = operation(t, c.Contract, "POST /open")
	var v Verdict
	c.Admit(t.Context(), call, &v)
	if v.Admitted || v.Condition != condition.Unavailable || !strings.Contains(fmt.Sprint(v.Cause), "Controller.Store") {
		t.Errorf("got %+v", v)
	}
}
