package pebblestore

import (
	"bytes"
	"context"
	"fmt"

	"github.com/failwell/failwell/store"
)

// change has decide look at what there is of a key and say what shall be instead,
// and returns when that is durable or ctx ends. Mostly nothing on the way can
// block: the key is nobody else's at the moment, and what there is of it is known.
func (s *Store) change(ctx context.Context, key string, value []byte, decide func(before header) (after header, err error)) error {
	stripe := s.stripe(key)
	var w *pending
	var err error
	switch {
	case !stripe.TryLock():
		w, err = s.aside(ctx, func(value []byte) (*pending, error) {
			stripe.Lock()
			return s.decided(ctx, stripe, key, value, decide)
		}, value)
	case s.atHand(stripe, key):
		w, err = s.decided(ctx, stripe, key, value, decide)
	default:
		w, err = s.aside(ctx, func(value []byte) (*pending, error) {
			return s.decided(ctx, stripe, key, value, decide)
		}, value)
	}
	if err != nil {
		return err
	}
	if err := s.committer.wait(ctx, w); err != nil {
		return err
	}
	s.cleanSometimes(ctx)
	return nil
}

// atHand reports whether all is known that a decision about a key needs, and
// there are versions left to give out.
func (s *Store) atHand(stripe *stripe, key string) bool {
	_, known := s.known(stripe, key)
	return known && s.sequence.ready()
}

// decided queues what decide says. The caller has locked the stripe, which is
// free when the change is durable or none is made.
func (s *Store) decided(ctx context.Context, stripe *stripe, key string, value []byte, decide func(header) (header, error)) (w *pending, err error) {
	defer func() {
		if w == nil {
			stripe.Unlock()
		}
	}()
	defer s.caught(&err)
	if ctx.Err() != nil { // it has waited for its turn too long
		return nil, fmt.Errorf("store: %w", context.Cause(ctx))
	}
	before, err := s.header(stripe, key)
	if err != nil {
		return nil, err
	}
	after, err := decide(before)
	if err != nil {
		return nil, err
	}
	return s.submit(key, before, after, value)
}

// aside runs what may have to wait for another call or for the disk, and leaves
// it to itself when ctx ends.
func (s *Store) aside(ctx context.Context, run func(value []byte) (*pending, error), value []byte) (*pending, error) {
	if ctx.Done() == nil {
		return run(value)
	}
	type result struct {
		w   *pending
		err error
	}
	value = bytes.Clone(value) // the caller may be gone when it is looked at
	done := make(chan result, 1)
	s.hands.lend(func() {
		w, err := run(value)
		done <- result{w, err}
	})
	select {
	case r := <-done:
		return r.w, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the disk is slow, the write may still happen: %w", store.ErrUnavailable, context.Cause(ctx))
	}
}
