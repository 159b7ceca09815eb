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
	stripes   [stripeCount]stripe
	writing   atomic.Int64 // commits that may be visible and are not yet durable
	committer committer
	spare     *spareLog
	present   presence
	hands     hands
	readings  sync.Pool // of *reading

	calls   sync.RWMutex // held for reading by every call, for writing by Close
	closed  bool
	closing chan struct{} // is closed by Close
	filling sync.WaitGroup
	failed  atomic.Pointer[error] // why the engine gave up

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
	switch {
	case s.knowsAbsent(key):
		return store.Record{}, store.ErrAbsent
	case ctx.Done() == nil:
		return s.get(key)
	}
	return s.getAside(ctx, key)
}

// knowsAbsent reports whether a key is known to have no record, without a wait.
func (s *Store) knowsAbsent(key string) bool {
	stripe := s.stripe(key)
	if !stripe.TryRLock() {
		return false
	}
	defer stripe.RUnlock()
	h, known := s.known(stripe, key)
	return known && h.version == 0
}

// known is what is known of a key without a look into the engine. The caller holds
// the stripe's lock.
func (s *Store) known(stripe *stripe, key string) (header, bool) {
	if h, ok := stripe.known(key); ok {
		return h, true
	}
	return header{}, s.present.absent(s.hash(key))
}

func (s *Store) get(key string) (store.Record, error) {
	stripe := s.stripe(key)
	stripe.RLock()
	defer stripe.RUnlock()
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
		s.fillSometimes()
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
	return s.change(ctx, change{key: key, old: old, value: value, ttl: ttl})
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
	_, err := s.change(ctx, change{key: key, old: old, remove: true})
	return err
}

// Prompt reports that calls end with their context, whatever the disk does; see
// store.Prompt.
func (*Store) Prompt() bool { return true }

// Now implements store.Store.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := s.begin(ctx, nil); err != nil {
		return time.Time{}, err
	}
	defer s.leave()
	return s.opts.Clock(), nil
}

func (s *Store) stripe(key string) *stripe {
	return &s.stripes[s.hash(key)%stripeCount]
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
