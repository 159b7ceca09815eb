package store

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shardCount = 64
	// sweepMax is how many expired records one call reclaims from one shard. A
	// call adds at most one record, so 4 shrinks a backlog while it grows.
	sweepMax = 4
	// sweepEvery is how many reads of a shard pass before one looks at another
	// shard; writes always do. Traffic on one key thus reclaims everywhere.
	sweepEvery = 8
)

// Memory is a Store inside this process; nothing outlives it. The zero value is
// ready to use and must not be copied after its first use. Expired records are
// reclaimed by later calls on any key, a few at a time; no goroutine runs.
type Memory struct {
	// Clock is Optional: nil means time.Now. It is called concurrently.
	Clock func() time.Time

	start    sync.Once
	seed     maphash.Seed
	closed   atomic.Bool
	versions atomic.Uint64
	shards   [shardCount]shard
}

var _ Store = (*Memory)(nil)

type shard struct {
	mu      sync.RWMutex
	entries map[string]*entry
	peak    int // most entries since the map was made
	keys    ordered
	expiry  expiryHeap
	next    atomic.Int64 // earliest deadline, 0 if none; written under mu
	reads   atomic.Uint32
	_       [32]byte // neighbours do not share a cache line
}

// entry is one record. Its value is replaced, never written to, so that readers
// may copy it after they released the lock.
type entry struct {
	key      string
	value    []byte
	version  Version
	deadline int64 // see Deadline
	place    int   // in the expiry heap, if deadline is not 0
}

func (e *entry) live(now int64) bool { return e.deadline == 0 || now < e.deadline }

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key string) (Record, error) {
	if err := m.check(ctx, CheckKey(key)); err != nil {
		return Record{}, err
	}
	i := m.shardOf(key)
	s := &m.shards[i]
	s.mu.RLock()
	e := s.entries[key]
	var held entry
	if e != nil {
		held = *e
	}
	closed := m.closed.Load()
	s.mu.RUnlock()
	if closed {
		return Record{}, ErrClosed
	}
	if reads := s.reads.Add(1); reads%sweepEvery == 0 {
		m.sweep(i + int(reads/sweepEvery))
	}
	if e == nil || !held.live(m.nowFor(held.deadline)) {
		return Record{}, ErrAbsent
	}
	return record(key, &held), nil
}

// Swap implements Store.
func (m *Memory) Swap(ctx context.Context, key string, old Version, value []byte, ttl time.Duration) (Version, error) {
	if err := m.check(ctx, CheckSwap(key, value, ttl)); err != nil {
		return 0, err
	}
	value = bytes.Clone(value)
	i := m.shardOf(key)
	version, err := m.swap(&m.shards[i], key, old, value, ttl)
	if err == nil {
		m.sweep(i)
		m.sweep(int(version % shardCount))
	}
	return version, err
}

func (m *Memory) swap(s *shard, key string, old Version, value []byte, ttl time.Duration) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return 0, ErrClosed
	}
	e := s.entries[key]
	var present Version
	if e != nil && e.live(m.nowFor(e.deadline)) {
		present = e.version
	}
	if present != old {
		return 0, ErrConflict
	}
	var deadline int64
	if ttl != 0 {
		deadline = Deadline(m.now(), ttl)
	}
	return m.put(s, key, value, deadline), nil
}

// put writes a record whatever is there. The caller holds the shard's lock.
func (m *Memory) put(s *shard, key string, value []byte, deadline int64) Version {
	e := s.entries[key]
	if e == nil {
		e = &entry{key: strings.Clone(key)}
		s.insert(e)
	}
	e.value = value
	e.version = Version(m.versions.Add(1))
	s.setDeadline(e, deadline)
	return e.version
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, key string, old Version) error {
	if err := m.check(ctx, CheckKey(key)); err != nil {
		return err
	}
	i := m.shardOf(key)
	err := m.remove(&m.shards[i], key, old)
	m.sweep(i + int(m.shards[i].reads.Add(1)))
	return err
}

func (m *Memory) remove(s *shard, key string, old Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	switch {
	case m.closed.Load():
		return ErrClosed
	case e == nil || !e.live(m.nowFor(e.deadline)):
		return ErrAbsent
	case e.version != old:
		return ErrConflict
	}
	s.drop(e)
	return nil
}

// Now implements Store.
func (m *Memory) Now(ctx context.Context) (time.Time, error) {
	if err := m.check(ctx, nil); err != nil {
		return time.Time{}, err
	}
	return m.now(), nil
}

// Close implements Store. It gives all memory back.
func (m *Memory) Close() error {
	m.closed.Store(true)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.entries, s.keys, s.expiry = nil, ordered{}, nil
		s.next.Store(0)
		s.mu.Unlock()
	}
	return nil
}

func (m *Memory) check(ctx context.Context, invalid error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: not started: %w", err)
	}
	if m.closed.Load() {
		return ErrClosed
	}
	return invalid
}

func (m *Memory) now() time.Time {
	if m.Clock == nil {
		return time.Now()
	}
	return m.Clock()
}

// nowFor spares records without a deadline the reading of the clock.
func (m *Memory) nowFor(deadline int64) int64 {
	if deadline == 0 {
		return 0
	}
	return m.now().UnixMilli()
}

func (m *Memory) shardOf(key string) int {
	m.start.Do(func() { m.seed = maphash.MakeSeed() })
	return int(maphash.String(m.seed, key) % shardCount)
}

// sweep reclaims a few expired records of one shard, unless somebody is at it.
func (m *Memory) sweep(i int) {
	s := &m.shards[i%shardCount]
	next := s.next.Load()
	if next == 0 {
		return
	}
	now := m.now().UnixMilli()
	if now < next || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	for range sweepMax {
		if len(s.expiry) == 0 || s.expiry[0].live(now) {
			return
		}
		s.drop(s.expiry[0])
	}
}

func (s *shard) insert(e *entry) {
	if s.entries == nil {
		s.entries = make(map[string]*entry)
		s.peak = 0
	}
	s.entries[e.key] = e
	s.peak = max(s.peak, len(s.entries))
	s.keys.add(e)
}

func (s *shard) drop(e *entry) {
	s.setDeadline(e, 0)
	s.keys.remove(e)
	delete(s.entries, e.key)
	if len(s.entries) == 0 && s.peak > runMax {
		s.entries = nil // a map keeps its buckets until it goes
	}
}

func (s *shard) setDeadline(e *entry, deadline int64) {
	before := e.deadline
	e.deadline = deadline
	switch {
	case before == 0 && deadline != 0:
		s.expiry.add(e)
	case before != 0 && deadline == 0:
		s.expiry.remove(e)
	case before != 0:
		s.expiry.fix(e)
	}
	var next int64
	if len(s.expiry) > 0 {
		next = s.expiry[0].deadline
	}
	s.next.Store(next)
}

func record(key string, e *entry) Record {
	return Record{Key: key, Value: append([]byte{}, e.value...), Version: e.version, Expires: Expires(e.deadline)}
}
