package pebblestore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/failwell/failwell/store"
)

// change is what a caller wants of a key. It goes by value: most are decided on the
// caller's goroutine and never leave its stack.
type change struct {
	key    string
	old    store.Version
	value  []byte
	ttl    time.Duration
	remove bool
}

// change decides about a change by what there is of the key, and returns when it is
// durable or ctx ends. Mostly nothing on the way can block: the key is nobody else's
// at the moment, and what there is of it is known.
func (s *Store) change(ctx context.Context, c change) (store.Version, error) {
	stripe := s.stripe(c.key)
	var w *pending
	var err error
	switch {
	case !stripe.TryLock():
		w, err = s.aside(ctx, stripe, c, true)
	case s.atHand(stripe, c.key):
		w, err = s.decided(ctx, stripe, &c)
	default:
		w, err = s.aside(ctx, stripe, c, false)
	}
	if err != nil {
		return 0, err
	}
	after := w.known.held.version
	if err := s.committer.wait(ctx, w); err != nil {
		return 0, err
	}
	s.cleanSometimes(ctx)
	return after, nil
}

// atHand reports whether all is known that a decision about a key needs, and
// there are versions left to give out.
func (s *Store) atHand(stripe *stripe, key string) bool {
	_, known := s.known(stripe, key)
	return known && s.sequence.ready()
}

// decided queues what is decided. The caller has locked the stripe, which is free
// when the change is durable or none is made.
func (s *Store) decided(ctx context.Context, stripe *stripe, c *change) (w *pending, err error) {
	defer func() {
		if w == nil {
			stripe.Unlock()
		}
	}()
	defer s.caught(&err)
	if ctx.Err() != nil { // it has waited for its turn too long
		return nil, fmt.Errorf("store: %w", context.Cause(ctx))
	}
	before, err := s.header(stripe, c.key)
	if err != nil {
		return nil, err
	}
	after, err := s.decide(c, before)
	if err != nil {
		return nil, err
	}
	return s.submit(c.key, before, after, c.value)
}

// decide is what shall be of a key instead of what there is.
func (s *Store) decide(c *change, before header) (after header, err error) {
	var present store.Version
	if before.live(s.nowFor(before.deadline)) {
		present = before.version
	}
	switch {
	case c.remove && present == 0:
		return header{}, store.ErrAbsent
	case present != c.old:
		return header{}, store.ErrConflict
	case c.remove:
		return header{}, nil
	case c.ttl != 0:
		after.deadline = store.Deadline(s.opts.Clock(), c.ttl)
	}
	if after.version, err = s.sequence.next(); err != nil {
		return header{}, s.fail(err)
	}
	return after, nil
}

// aside decides on another goroutine, since that may have to wait for another call,
// which has the stripe then, or for the disk; and leaves it to itself when ctx ends.
func (s *Store) aside(ctx context.Context, stripe *stripe, c change, lock bool) (*pending, error) {
	run := func(c *change) (*pending, error) {
		if lock {
			stripe.Lock()
		}
		return s.decided(ctx, stripe, c)
	}
	if ctx.Done() == nil {
		return run(&c)
	}
	type result struct {
		w   *pending
		err error
	}
	c.value = bytes.Clone(c.value) // the caller may be gone when it is looked at
	done := make(chan result, 1)
	s.hands.lend(func() {
		w, err := run(&c)
		done <- result{w, err}
	})
	select {
	case r := <-done:
		return r.w, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the disk is slow, the write may still happen: %w", store.ErrUnavailable, context.Cause(ctx))
	}
}
