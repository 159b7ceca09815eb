package redisstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store"
)

// Store is a store on a Redis server or cluster. It implements store.Store,
// store.Notifier and store.Checker; Open makes one.
type Store struct {
	link   link
	layout layout
	opts   Options
	sweeps sweeps
	// The scripts of the meter; tests give them a clock.
	take, settle *rueidis.Lua

	calls  sync.RWMutex // held for reading by every call, for writing by Close
	closed atomic.Bool
	ended  chan struct{} // closed with the store, for what goes on between calls
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Notifier = (*Store)(nil)
	_ store.Checker  = (*Store)(nil)
	_ store.Restorer = (*Store)(nil)
)

// Shared says that other processes can use the server at the same time.
func (s *Store) Shared() bool { return true }

// begin guards a call; after a nil error the caller must leave.
func (s *Store) begin(ctx context.Context, invalid error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: not started: %w", err)
	}
	// Close waits for those who are in, and nobody waits for Close.
	if s.closed.Load() || !s.calls.TryRLock() {
		return store.ErrClosed
	}
	if s.closed.Load() {
		s.calls.RUnlock()
		return store.ErrClosed
	}
	if invalid != nil {
		s.calls.RUnlock()
		return invalid
	}
	return nil
}

func (s *Store) leave() { s.calls.RUnlock() }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	if err := s.begin(ctx, store.CheckKey(key)); err != nil {
		return store.Record{}, err
	}
	defer s.leave()
	name := s.layout.record(s.layout.bucket(key), key)
	b, err := s.link.read(ctx, func(b rueidis.Builder) rueidis.Completed {
		return b.Get().Key(name).Build()
	}).AsBytes()
	if rueidis.IsRedisNil(err) {
		return store.Record{}, store.ErrAbsent
	}
	if err != nil {
		return store.Record{}, s.link.failed(err)
	}
	r, err := parseRecord(key, b)
	if err != nil {
		return store.Record{}, s.link.foreign(name)
	}
	if s.expired(r) {
		return store.Record{}, store.ErrAbsent
	}
	return r, nil
}

// expired looks at the clock of a test; the server has judged by its own.
func (s *Store) expired(r store.Record) bool {
	return s.opts.Clock != nil && !r.Expires.IsZero() && !s.opts.Clock().Before(r.Expires)
}

// Swap implements store.Store.
func (s *Store) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if err := s.begin(ctx, store.CheckSwap(key, value, ttl)); err != nil {
		return 0, err
	}
	defer s.leave()
	keys, args := s.swapping(key, old, value, s.life(ttl))
	answer, err := s.link.eval(ctx, swapScript, keys, args).AsInt64()
	switch {
	case err != nil:
		return 0, s.link.failed(err)
	case answer == answerForeign:
		return 0, s.link.foreign(keys[0])
	case answer == answerConflict:
		return 0, store.ErrConflict
	}
	s.sweepSometimes() // a sweep is nobody's call
	return store.Version(answer), nil
}

// swapping are the keys and arguments of the script. The value is copied: a call
// that is given up may still be in the queue.
func (s *Store) swapping(key string, old store.Version, value []byte, life string) (keys, args []string) {
	bucket := s.layout.bucket(key)
	keys = []string{s.layout.record(bucket, key), s.layout.index(bucket), s.layout.sequence(bucket)}
	args = append(make([]string, 0, 5), versionText(old), string(value), life, key)
	if s.opts.Clock != nil {
		args = append(args, decimal(s.opts.Clock().UnixMilli()))
	}
	return keys, args
}

// life is a time to live as the script takes it: microseconds to be counted by
// the server or, on the clock of a test, the deadline.
func (s *Store) life(ttl time.Duration) string {
	switch {
	case ttl == 0:
		return "0"
	case s.opts.Clock != nil:
		return "@" + decimal(store.Deadline(s.opts.Clock(), ttl))
	}
	return decimal(int64((ttl-1)/time.Microsecond) + 1)
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, old store.Version) error {
	if err := s.begin(ctx, store.CheckKey(key)); err != nil {
		return err
	}
	defer s.leave()
	bucket := s.layout.bucket(key)
	record := s.layout.record(bucket, key)
	args := append(make([]string, 0, 3), versionText(old), key)
	if s.opts.Clock != nil {
		args = append(args, decimal(s.opts.Clock().UnixMilli()))
	}
	answer, err := s.link.eval(ctx, deleteScript, []string{record, s.layout.index(bucket)}, args).AsInt64()
	switch {
	case err != nil:
		return s.link.failed(err)
	case answer == answerForeign:
		return s.link.foreign(record)
	case answer == answerConflict:
		return store.ErrConflict
	case answer == answerAbsent:
		return store.ErrAbsent
	}
	s.sweepSometimes() // a sweep is nobody's call
	return nil
}

// Now implements store.Store. In a cluster it is the clock of one node, always
// the same one while the slots stay where they are.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := s.begin(ctx, nil); err != nil {
		return time.Time{}, err
	}
	defer s.leave()
	if s.opts.Clock != nil {
		return s.opts.Clock(), nil
	}
	micros, err := s.link.eval(ctx, clockScript, []string{s.layout.sequence(0)}, nil).AsInt64()
	if err != nil {
		return time.Time{}, s.link.failed(err)
	}
	return time.UnixMicro(micros), nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	close(s.ended)
	s.calls.Lock() // the calls under way, and a sweep, have ended
	defer s.calls.Unlock()
	s.link.close()
	return nil
}
