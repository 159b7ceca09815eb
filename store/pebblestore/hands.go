package pebblestore

import (
	"context"
	"fmt"
	"sync"

	"github.com/failwell/failwell/store"
)

// hands are goroutines for what may have to wait, for the disk or for another
// call, so that whoever asked for it need not. They stay until the store is
// closed: a new one would have to grow its stack each time, to what a search of
// the engine takes.
type hands struct {
	mu     sync.Mutex
	idle   []chan func() // the one that was used last is the last
	closed bool
	all    sync.WaitGroup
}

// maxIdleHands is how many may have nothing to do.
const maxIdleHands = 64

// lend has a goroutine run f. Only calls under way may ask for it.
func (h *hands) lend(f func()) {
	h.mu.Lock()
	if n := len(h.idle); n > 0 {
		next := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		next <- f
		return
	}
	h.mu.Unlock()
	h.all.Go(func() {
		more := make(chan func(), 1)
		for ok := true; ok; f, ok = <-more {
			f()
			if !h.rest(more) {
				return
			}
		}
	})
}

func (h *hands) rest(more chan func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.idle) >= maxIdleHands {
		return false
	}
	h.idle = append(h.idle, more)
	return true
}

// dismiss lets all go and waits for them. There may be no call under way.
func (h *hands) dismiss() {
	h.mu.Lock()
	h.closed = true
	for _, more := range h.idle {
		close(more)
	}
	h.idle = nil
	h.mu.Unlock()
	h.all.Wait()
}

// reading is a look at a record that may have to wait. It is used again after one
// that was waited for.
type reading struct {
	s    *Store
	key  string
	r    store.Record
	err  error
	done chan struct{}
	run  func()
}

func (s *Store) newReading() *reading {
	x, _ := s.readings.Get().(*reading)
	if x == nil {
		x = &reading{s: s, done: make(chan struct{}, 1)}
		x.run = func() {
			defer func() { x.done <- struct{}{} }()
			defer x.s.caught(&x.err)
			x.r, x.err = x.s.get(x.key)
		}
	}
	return x
}

// getAside has a record read, and stops waiting for it when ctx ends.
func (s *Store) getAside(ctx context.Context, key string) (store.Record, error) {
	x := s.newReading()
	x.key = key
	s.hands.lend(x.run)
	select {
	case <-x.done:
		r, err := x.r, x.err
		x.r, x.err, x.key = store.Record{}, nil, ""
		s.readings.Put(x)
		return r, err
	case <-ctx.Done():
		return store.Record{}, fmt.Errorf("%w: the disk is slow: %w", store.ErrUnavailable, context.Cause(ctx))
	}
}
