// Package pebblestore keeps a store.Store in a directory of the local disk, in
// a Pebble database. It needs no server and belongs to one process at a time.
//
// A write is on disk when Swap or Delete returns; concurrent writers share the
// disk's syncs. Readers never see a record that a crash could take back.
package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

// stripeCount is the number of locks the keys share. 64 writers of different
// keys meet on one of 4096 in about half of all rounds, and then two of them
// take turns; a lock is 24 bytes.
const stripeCount = 4096

// Store is a store in a directory. It implements store.Store; Open makes one.
type Store struct {
	db       *pebble.DB
	opts     Options
	write    *pebble.WriteOptions
	sequence sequence
	space    space
	seed     maphash.Seed
	// A writer holds its key's stripe from the look at the present version until
	// its write is durable, and readers of the key wait for that.
	stripes [stripeCount]stripe
	writing atomic.Int64 // writes that may be visible and are not yet durable

	calls  sync.RWMutex // held for reading by every call, for writing by Close
	closed bool
	failed atomic.Pointer[error] // why the engine gave up

	cleaning sync.Mutex
	due      atomic.Int64 // no deadline in the index is earlier
	writes   atomic.Uint64
}

var _ store.Store = (*Store)(nil)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	if err := s.begin(ctx, store.CheckKey(key)); err != nil {
		return store.Record{}, err
	}
	defer s.leave()
	stripe := s.stripe(key)
	stripe.RLock()
	defer stripe.RUnlock()
	if h, ok := stripe.known(key); ok && h.version == 0 {
		return store.Record{}, store.ErrAbsent
	}
	there, live := false, false
	var r store.Record
	err := s.look(key, func(b []byte) error {
		h, value, err := splitRecord(b)
		there = true
		if live = err == nil && h.live(s.nowFor(h.deadline)); live {
			r = record(key, h, value)
		}
		return err
	})
	switch {
	case err != nil:
		return store.Record{}, err
	case !there:
		stripe.learn(key, header{})
	}
	if !live {
		return store.Record{}, store.ErrAbsent
	}
	return r, nil
}

// Swap implements store.Store.
func (s *Store) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if err := s.begin(ctx, store.CheckSwap(key, value, ttl)); err != nil {
		return 0, err
	}
	defer s.leave()
	if err := s.space.admit(len(key) + len(value)); err != nil {
		return 0, err
	}
	version, err := s.swap(key, old, value, ttl)
	if err != nil {
		return 0, err
	}
	s.cleanSometimes()
	return version, nil
}

func (s *Store) swap(key string, old store.Version, value []byte, ttl time.Duration) (_ store.Version, err error) {
	defer rescue(&err, s.fail)
	stripe := s.stripe(key)
	stripe.Lock()
	defer stripe.Unlock()
	before, err := s.header(stripe, key)
	if err != nil {
		return 0, err
	}
	var present store.Version
	if before.live(s.nowFor(before.deadline)) {
		present = before.version
	}
	if present != old {
		return 0, store.ErrConflict
	}
	after := header{}
	if ttl != 0 {
		after.deadline = store.Deadline(s.opts.Clock(), ttl)
	}
	if after.version, err = s.sequence.next(); err != nil {
		return 0, s.fail(err)
	}
	b := s.db.NewBatch()
	op := b.SetDeferred(1+len(key), headerSize+len(value))
	op.Key[0] = spaceRecord
	copy(op.Key[1:], key)
	putHeader(op.Value, after)
	copy(op.Value[headerSize:], value)
	err = errors.Join(op.Finish(), moveDeadline(b, key, before.deadline, after.deadline))
	if err = s.commit(b, err, s.write); err != nil {
		return 0, err
	}
	stripe.learn(key, after)
	if after.deadline != 0 {
		s.lowerDue(due(after.deadline))
	}
	return after.version, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, old store.Version) error {
	if err := s.begin(ctx, store.CheckKey(key)); err != nil {
		return err
	}
	defer s.leave()
	if err := s.space.admit(len(key)); err != nil {
		return err
	}
	if err := s.remove(key, old); err != nil {
		return err
	}
	s.cleanSometimes()
	return nil
}

func (s *Store) remove(key string, old store.Version) (err error) {
	defer rescue(&err, s.fail)
	stripe := s.stripe(key)
	stripe.Lock()
	defer stripe.Unlock()
	before, err := s.header(stripe, key)
	switch {
	case err != nil:
		return err
	case !before.live(s.nowFor(before.deadline)):
		return store.ErrAbsent
	case before.version != old:
		return store.ErrConflict
	}
	stripe.forget()
	return s.erase(key, before.deadline, s.write)
}

// Now implements store.Store.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := s.begin(ctx, nil); err != nil {
		return time.Time{}, err
	}
	defer s.leave()
	return s.opts.Clock(), nil
}

func (s *Store) stripe(key string) *stripe {
	return &s.stripes[maphash.String(s.seed, key)%stripeCount]
}

// stripe is the lock of the keys that share it, and the header of the one that
// was looked at or written last. Mostly the same key comes next: what is looked
// up and not there is inserted, what was inserted is completed, and the engine
// need not search all its levels for the same answer again. Nobody else writes to
// the engine, so what is known is true.
type stripe struct {
	sync.RWMutex
	last atomic.Pointer[lastHeader]
}

type lastHeader struct {
	key  string
	held header
}

// known is the key's header, if that is what was learned last; a version of 0 is
// absence. The caller holds the lock.
func (s *stripe) known(key string) (header, bool) {
	last := s.last.Load()
	if last == nil || last.key != key {
		return header{}, false
	}
	return last.held, true
}

// learn is called with what the engine holds, by readers too. The caller holds
// the lock.
func (s *stripe) learn(key string, h header) { s.last.Store(&lastHeader{strings.Clone(key), h}) }

// forget comes before a change whose outcome is not learned.
func (s *stripe) forget() { s.last.Store(nil) }

// nowFor spares records without a deadline the reading of the clock.
func (s *Store) nowFor(deadline int64) int64 {
	if deadline == 0 {
		return 0
	}
	return s.opts.Clock().UnixMilli()
}

func record(key string, h header, value []byte) store.Record {
	return store.Record{
		Key: key, Value: append([]byte{}, value...), Version: h.version, Expires: store.Expires(h.deadline),
	}
}

func readFailed(err error) error {
	if pebble.IsCorruptionError(err) || errors.Is(err, errShortRecord) {
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, ErrCorrupt, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
