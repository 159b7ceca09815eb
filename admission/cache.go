package admission

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// cache keeps up to a bound of decoded records. A library's cache would weigh
// frequency against recency; here a miss costs one read of the store, and what
// may be dropped is decided among a few, so that a bounded map is enough.
type cache[K comparable, T any] struct {
	seed   maphash.Seed
	bound  int // entries of one shard
	shards [cacheShards]cacheShard[K, T]
}

const (
	cacheShards = 64
	// rivals is how many entries are compared when one must go.
	rivals = 8
)

type cacheShard[K comparable, T any] struct {
	mu      sync.RWMutex
	entries map[K]*entry[T]
	// found counts look-ups that found an entry, trusted or not. It stands beside
	// the lock, whose cache line each look-up writes to anyway.
	found atomic.Uint64
}

// entry is a record as it was read. Its value is never written to.
type entry[T any] struct {
	value *T
	// read is when reading it began, so that a change before that is in it.
	read int64
	// used is the tick of the last use, coarse, so that few uses write.
	used atomic.Int64
	// renewing is set by the one who reads it again.
	renewing atomic.Bool
}

// tick is about a second.
func tick(now int64) int64 { return now >> 30 }

func newCache[K comparable, T any](bound int) *cache[K, T] {
	return &cache[K, T]{seed: maphash.MakeSeed(), bound: max(bound/cacheShards, 1)}
}

func (c *cache[K, T]) shard(k K) *cacheShard[K, T] {
	return &c.shards[maphash.Comparable(c.seed, k)%cacheShards]
}

func (c *cache[K, T]) get(k K, now int64) *entry[T] {
	s := c.shard(k)
	s.mu.RLock()
	e := s.entries[k]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	s.found.Add(1)
	if e.used.Load() != tick(now) {
		e.used.Store(tick(now))
	}
	return e
}

func (c *cache[K, T]) put(k K, value *T, now int64) {
	e := &entry[T]{value: value, read: now}
	e.used.Store(tick(now))
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = make(map[K]*entry[T])
	}
	if _, there := s.entries[k]; !there && len(s.entries) >= c.bound {
		s.evict()
	}
	s.entries[k] = e
}

func (c *cache[K, T]) drop(k K) {
	s := c.shard(k)
	s.mu.Lock()
	delete(s.entries, k)
	s.mu.Unlock()
}

// evict drops the least recently used of a few entries; a map is walked from a
// random place.
func (s *cacheShard[K, T]) evict() {
	var victim K
	var oldest *entry[T]
	seen := 0
	for k, e := range s.entries {
		if oldest == nil || e.used.Load() < oldest.used.Load() {
			victim, oldest = k, e
		}
		if seen++; seen == rivals {
			break
		}
	}
	delete(s.entries, victim)
}

func (c *cache[K, T]) len() (n int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}
