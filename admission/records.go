package admission

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// records reads one kind of record through a cache. A record is trusted for
// lease after it was read, then read again: that bounds how long a change made
// on another node stays unseen, without anybody being told. Half-way, one
// caller has it read again in the background, so that busy records are always
// at hand. News from other nodes drop it at once.
//
// While the store cannot be reached, what was read before is served until it is
// stale, because nobody can change it there either. That the store says there
// is no such record is an answer, not a failure.
//
// What is absent is not remembered: guesses cannot fill the memory.
type records[K comparable, T any] struct {
	what  string
	lease int64 // nanoseconds
	stale int64 // nanoseconds; not above lease: nothing outlives its lease
	clock func() int64
	// store is shared by all records of one store.
	store *outage
	// doubted is the instant since which news may have been missed: what was
	// read before is read again in the background when it is next used.
	doubted atomic.Int64
	// waited counts look-ups that found nothing that could be trusted, expired
	// those of them that found something older, staled those that were then
	// answered with it.
	waited, expired, staled atomic.Uint64

	// load returns nil for a record that is absent.
	load  func(ctx context.Context, k K) (*T, error)
	cache *cache[K, T]

	mu      sync.Mutex
	flights map[K]*flight[T]
	aloft   int
}

// flight is one read of the store, shared by all who ask for the record.
type flight[T any] struct {
	done  chan struct{}
	began int64
	value *T
	err   error
}

// maxFlights bounds the reads of one kind that a store which does not answer
// can hold up. Beyond it, what is not cached is unavailable at once.
const maxFlights = 1024

// patience is what a decision has left to wait for the store. It starts with
// the first wait.
type patience struct {
	limit time.Duration
	until time.Time
}

func (p *patience) left() time.Duration {
	if p.until.IsZero() {
		p.until = time.Now().Add(p.limit)
		return p.limit
	}
	return time.Until(p.until)
}

var (
	errSlowStore = errors.New("the store did not answer in time")
	errBusyStore = errors.New("too many reads of the store are pending")
	errStoreAway = errors.New("the store has not answered for a while")
	// errDamaged says that the store answered, with something unreadable.
	errDamaged = errors.New("damaged")
)

// get returns a record that must not be changed, or nil if there is none.
func (r *records[K, T]) get(ctx context.Context, k K, now int64, p *patience) (*T, error) {
	e := r.cache.get(k, now)
	if e != nil {
		age := now - e.read
		if 0 <= age && age < r.lease {
			if (age >= r.lease/2 || e.read < r.doubted.Load()) && e.renewing.CompareAndSwap(false, true) {
				r.renew(ctx, k, now, p.limit)
			}
			return e.value, nil
		}
		r.expired.Add(1)
		if age < 0 || age >= r.stale {
			e = nil
		}
	}
	r.waited.Add(1)
	value, err := r.ask(ctx, k, e != nil, now, p)
	if err == nil || e == nil || errors.Is(err, errDamaged) || context.Cause(ctx) != nil {
		return value, err
	}
	r.staled.Add(1)
	return e.value, nil
}

// lookups returns how look-ups were answered so far.
func (r *records[K, T]) lookups() Lookups {
	var found uint64
	for i := range r.cache.shards {
		found += r.cache.shards[i].found.Load()
	}
	expired, stale := r.expired.Load(), r.staled.Load()
	return Lookups{Hits: found - min(expired, found), Stale: stale, Misses: r.waited.Load() - stale}
}

// renew reads a record again that nobody waits for.
func (r *records[K, T]) renew(ctx context.Context, k K, now int64, limit time.Duration) {
	if !r.store.knownAway(now) {
		r.fly(ctx, k, limit)
	}
}

// ask reads a record. Where there is a stale one to fall back on, nobody waits
// for a store that is known to be away, not even who looks whether it is back.
func (r *records[K, T]) ask(ctx context.Context, k K, stale bool, now int64, p *patience) (*T, error) {
	away := r.store.open.Load()
	if away && r.store.knownAway(now) {
		return nil, fmt.Errorf("admission: reading %s: %w", r.what, errStoreAway)
	}
	f := r.fly(ctx, k, p.limit)
	switch {
	case f == nil:
		return nil, fmt.Errorf("admission: reading %s: %w", r.what, errBusyStore)
	case away && stale:
		return nil, fmt.Errorf("admission: reading %s: %w", r.what, errStoreAway)
	}
	return r.wait(ctx, f, p)
}

func (r *records[K, T]) wait(ctx context.Context, f *flight[T], p *patience) (*T, error) {
	timer := time.NewTimer(p.left())
	defer timer.Stop()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("admission: reading %s: %w", r.what, context.Cause(ctx))
	case <-timer.C:
		return nil, fmt.Errorf("admission: reading %s: %w", r.what, errSlowStore)
	}
}

// fly joins the read of k under way or starts one; nil when there are too many.
// A read does not end with the caller who began it: others may wait for it.
func (r *records[K, T]) fly(ctx context.Context, k K, limit time.Duration) *flight[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[k]; f != nil {
		return f
	}
	if r.aloft >= maxFlights {
		return nil
	}
	if r.flights == nil {
		r.flights = make(map[K]*flight[T])
	}
	r.aloft++
	f := &flight[T]{done: make(chan struct{}), began: r.clock()}
	r.flights[k] = f
	go r.read(context.WithoutCancel(ctx), k, f, limit)
	return f
}

func (r *records[K, T]) read(ctx context.Context, k K, f *flight[T], limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// A store that does not obey the deadline stands in nobody else's way.
	stop := context.AfterFunc(ctx, func() {
		r.forget(k, f)
		r.store.failed(r.clock(), errSlowStore)
	})
	defer stop()
	f.value, f.err = r.loadSafely(ctx, k)
	switch {
	case f.err == nil || errors.Is(f.err, errDamaged):
		r.store.answered(r.clock())
	case stop(): // else it took too long, which is counted already
		r.store.failed(r.clock(), f.err)
	}
	if f.err != nil {
		f.err = fmt.Errorf("admission: reading %s: %w", r.what, f.err)
	}
	r.mu.Lock()
	r.aloft--
	if r.flights[k] == f { // else it was changed meanwhile, or took too long
		delete(r.flights, k)
		switch {
		case f.err != nil:
		case f.value == nil:
			r.cache.drop(k)
		default:
			r.cache.put(k, f.value, f.began)
		}
	}
	r.mu.Unlock()
	close(f.done)
}

// loadSafely turns a panic into an error: no caller's panic barrier is around
// this goroutine, and a broken driver must not end the process.
func (r *records[K, T]) loadSafely(ctx context.Context, k K) (value *T, err error) {
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("the store panicked: %v", p)
		}
	}()
	return r.load(ctx, k)
}

func (r *records[K, T]) forget(k K, f *flight[T]) {
	r.mu.Lock()
	if r.flights[k] == f {
		delete(r.flights, k)
	}
	r.mu.Unlock()
}

// doubt has everything that was read until now read again, each in the
// background when it is next used.
func (r *records[K, T]) doubt() { r.doubted.Store(r.clock()) }

// changed makes a change of this process's own visible to all decisions that
// begin after it, also if an older read is under way. A nil value says that the
// record must be read again.
func (r *records[K, T]) changed(k K, value *T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flights, k)
	if value == nil {
		r.cache.drop(k)
		return
	}
	r.cache.put(k, value, r.clock())
}
