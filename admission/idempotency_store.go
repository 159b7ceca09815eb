package admission

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/failwell/failwell/store"
)

// maxPending bounds the calls of the store that idempotency may have under way,
// for a store that neither answers nor obeys its deadline. Beyond it the store
// counts as away.
const maxPending = 4096

// within makes a call of the store and does not wait longer than limit for it,
// whether or not the driver obeys a deadline. A write that was not waited for may
// still happen. It does not end with the caller: what was begun is to be known.
func within[T any](ctx context.Context, s *running, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if limit <= 0 {
		return none, errSlowStore
	}
	if s.pending.Add(1) > maxPending {
		s.pending.Add(-1)
		return none, errBusyStore
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	done := make(chan result, 1)
	s.lend(func() {
		var r result
		defer func() {
			if p := recover(); p != nil { // no caller's panic barrier is around this goroutine
				r.err = fmt.Errorf("the store panicked: %v", p)
			}
			s.pending.Add(-1)
			done <- r
		}()
		r.value, r.err = call(ctx)
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, errSlowStore
	}
}

// hands are goroutines that call the store. While others are under way one stays
// for the next call: a new one would have to grow its stack each time, to what
// an engine's commit takes. None stays after the last.
type hands struct {
	mu   sync.Mutex
	idle []chan func()
}

// lend has a goroutine run f, the one that was used last or a new one.
func (r *running) lend(f func()) {
	h := &r.hands
	h.mu.Lock()
	if n := len(h.idle); n > 0 {
		next := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		next <- f
		return
	}
	h.mu.Unlock()
	go func() {
		more := make(chan func(), 1)
		for ok := true; ok; f, ok = <-more {
			f()
			r.rest(more)
		}
	}()
}

// rest keeps a goroutine, unless nothing is under way: then all may go.
func (r *running) rest(more chan func()) {
	h := &r.hands
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, more)
	if r.pending.Load() > 0 {
		return
	}
	for _, more := range h.idle {
		close(more)
	}
	h.idle = nil
}

// get reads a record, and does not wait longer than limit for it.
func (c *Controller) get(ctx context.Context, key string, limit time.Duration) (store.Record, error) {
	if !store.Prompt(c.Store) {
		return within(ctx, &c.state.running, limit, func(ctx context.Context) (store.Record, error) { return c.Store.Get(ctx, key) })
	}
	if limit <= 0 {
		return store.Record{}, errSlowStore
	}
	l := c.state.running.limit(limit)
	defer c.state.running.release(l)
	return c.Store.Get(l, key) // as within; what was begun does not end with its caller
}

// swap writes one, and does not wait longer than limit for it either.
func (c *Controller) swap(ctx context.Context, key string, old store.Version, value []byte, ttl, limit time.Duration) (store.Version, error) {
	if !store.Prompt(c.Store) {
		return within(ctx, &c.state.running, limit, func(ctx context.Context) (store.Version, error) {
			return c.Store.Swap(ctx, key, old, value, ttl)
		})
	}
	if limit <= 0 {
		return 0, errSlowStore
	}
	l := c.state.running.limit(limit)
	defer c.state.running.release(l)
	return c.Store.Swap(l, key, old, value, ttl) // as within; what was begun does not end with its caller
}

// fetch reads a record; kept is nil when there is none.
func (c *Controller) fetch(ctx context.Context, key string, limit time.Duration) (*kept, store.Record, error) {
	if c.Store == nil {
		return nil, store.Record{}, errNoStore
	}
	record, err := c.get(ctx, key, limit)
	switch {
	case errors.Is(err, store.ErrAbsent):
		return nil, store.Record{}, nil
	case err != nil:
		return nil, record, fmt.Errorf("reading a record: %w", err)
	}
	k, err := decodeKept(record.Value)
	return k, record, err
}

var errNoStore = errors.New("idempotency keys need a Controller.Store")

// seek reads the record of f.key and finds out whether a call under way is
// still believed in.
func (c *Controller) seek(ctx context.Context, f *lookup, limit time.Duration) error {
	*f = lookup{key: f.key, said: f.said}
	until := time.Now().Add(limit)
	k, record, err := c.fetch(ctx, f.key, limit)
	if err != nil || k == nil {
		return err
	}
	if k.state == stateInFlight && k.owner == c.state.running.owner() && c.state.running.get(k.turn) == nil {
		// One of ours that is not under way. It may have ended since it was read; if
		// it has not, nobody will end it.
		seen := record.Version
		if k, record, err = c.fetch(ctx, f.key, time.Until(until)); err != nil || k == nil {
			return err
		}
		f.dead = k.state == stateInFlight && record.Version == seen
	}
	f.kept, f.version = k, record.Version
	if k.state != stateInFlight || f.dead {
		return nil
	}
	return c.believe(ctx, f, record.Expires, time.Until(until))
}

// believe judges a call under way by where it runs.
func (c *Controller) believe(ctx context.Context, f *lookup, expires time.Time, limit time.Duration) error {
	k, running := f.kept, &c.state.running
	f.remaining = k.lease
	switch {
	case k.owner == running.owner():
		return nil // it is under way in this process, whatever any clock says
	case k.owner.process != running.owner().process && !store.Shared(c.Store):
		f.dead = true // the process that ran it is gone, or it could not be here
		return nil
	}
	now, err := within(ctx, running, limit, c.Store.Now)
	if err != nil {
		return fmt.Errorf("reading the clock: %w", err)
	}
	since := now.Sub(expires.Add(-k.keep))
	if since < 0 {
		// The clock went back. The owner writes again within its lease, by any
		// clock; if nothing changes for so long by ours, it is gone.
		since = running.suspect(f.key, f.version)
	}
	f.remaining = k.lease - since
	f.dead = f.remaining < 0
	return nil
}
