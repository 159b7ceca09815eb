package meter

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// Local keeps limits in this process. The zero value is ready to use; it must
// not be copied. All that concerns one owner stands behind one lock, so that a
// call over many limits is decided at once and exactly.
//
// A limit that is all free takes no memory: each decision looks over a few
// others and drops those. A busy rate takes 24 bytes in a table that is at least
// an eighth and at most three quarters full. Counters and appointments take a
// few hundred bytes each; a counter is never forgotten while something is taken
// of it, and appointments are remembered for one limit in 64 Slots.
type Local struct {
	// Clock is Optional: nil means time.Now. It is called concurrently. A clock
	// with a monotonic reading is not disturbed when the time is set; one without
	// may go back, and then nobody waits longer than a window.
	Clock func() time.Time
	// Slots is Optional: the bound on memory for rates, 24 bytes each. Three
	// quarters of them can be busy; beyond that, those nearest to being free are
	// forgotten. 0 means 4,194,304, about 100 MB when all are needed.
	Slots int

	once   sync.Once
	seed   maphash.Seed
	line   *timeline
	bound  int
	shards [shards]shard
}

var _ Meter = (*Local)(nil)

const (
	shards = 128
	// elsewhere is how many decisions pass until one also sweeps a shard that
	// may have no traffic of its own.
	elsewhere      = 16
	sweptElsewhere = 32
)

func (l *Local) prepare() {
	l.seed = maphash.MakeSeed()
	l.line = newTimeline(l.clock())
	slots := l.Slots
	if slots <= 0 {
		slots = 1 << 22
	}
	for l.bound = smallest; l.bound*2*shards <= slots; {
		l.bound *= 2
	}
}

func (l *Local) clock() time.Time {
	if l.Clock == nil {
		return time.Now()
	}
	return l.Clock()
}

func (l *Local) now() Instant {
	if l.Clock == nil {
		return l.line.now()
	}
	return l.line.at(l.Clock())
}

// Take implements [Meter]. It makes no allocation for rates once its tables have
// their size. The only error is ErrInvalid.
func (l *Local) Take(_ context.Context, t *Taking) error {
	if err := t.Check(); err != nil {
		return err
	}
	l.once.Do(l.prepare)
	at := l.now()
	o := owner{t.Owner, maphash.String(l.seed, t.Owner)}
	s := &l.shards[o.hash%shards]
	s.mu.Lock()
	s.reserve(len(t.Demands), l.bound, at.Now)
	for i := range t.Demands {
		s.load(&t.Demands[i], o, l.seed)
	}
	t.Decide(s.states, at)
	for i := range t.Demands {
		s.keep(i, &t.Demands[i], at, t.Admitted && t.Demands[i].Cost > 0)
	}
	s.decisions++
	n := s.decisions
	s.mu.Unlock()
	if n%elsewhere == 0 {
		l.sweepElsewhere(uint32(o.hash%shards)+n/elsewhere, at)
	}
	return nil
}

// Settle implements [Meter]. The only error is ErrInvalid.
func (l *Local) Settle(_ context.Context, x *Settlement) error {
	if err := x.Check(); err != nil {
		return err
	}
	l.once.Do(l.prepare)
	at := l.now()
	o := owner{x.Owner, maphash.String(l.seed, x.Owner)}
	s := &l.shards[o.hash%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserve(len(x.Changes), l.bound, at.Now)
	for i := range x.Changes {
		s.load(&x.Changes[i].Demand, o, l.seed)
	}
	x.Resolve(s.states, at)
	for i := range x.Changes {
		s.keep(i, &x.Changes[i].Demand, at, true)
	}
	return nil
}

func (l *Local) sweepElsewhere(i uint32, at Instant) {
	s := &l.shards[i%shards]
	if s.mu.TryLock() {
		s.table.sweep(sweptElsewhere, at.Now)
		s.sweepCounters(at)
		s.sweepQueues(at)
		s.mu.Unlock()
	}
}
