package admission

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// LocalLimiter keeps limits in this process. The zero value is ready to use; it
// must not be copied. All that concerns one owner stands behind one lock, so
// that a call over many limits is decided at once and exactly.
//
// A limit that is all free takes no memory: each decision looks over a few
// others and drops those. A busy one takes 24 bytes in a table that is at least
// an eighth and at most three quarters full.
type LocalLimiter struct {
	// Clock is Optional: nil means time.Now. It is called concurrently. A clock
	// with a monotonic reading is not disturbed when the time is set; one without
	// may go back, and then nobody waits longer than a window.
	Clock func() time.Time
	// Slots is Optional: the bound on memory, 24 bytes each. Three quarters of
	// them can be busy; beyond that, those nearest to being free are forgotten.
	// 0 means 4,194,304, about 100 MB when all are needed.
	Slots int

	once   sync.Once
	seed   maphash.Seed
	time   *timeline
	bound  int
	shards [limiterShards]limiterShard
}

var _ Limiter = (*LocalLimiter)(nil)

const (
	limiterShards = 128
	// elsewhere is how many decisions pass until one also sweeps a shard that
	// may have no traffic of its own.
	elsewhere      = 8
	sweptElsewhere = 32
)

type limiterShard struct {
	mu        sync.Mutex
	table     table
	asked     []asked // of the decision under way
	decisions uint32
	_         [32]byte // neighbours do not share a cache line
}

type asked struct {
	id         uint64
	place      int
	rule       rule
	held, next cell
}

func (l *LocalLimiter) prepare() {
	l.seed = maphash.MakeSeed()
	l.time = newTimeline(l.clock())
	slots := l.Slots
	if slots <= 0 {
		slots = 1 << 22
	}
	for l.bound = smallest; l.bound*2*limiterShards <= slots; {
		l.bound *= 2
	}
}

func (l *LocalLimiter) clock() time.Time {
	if l.Clock == nil {
		return time.Now()
	}
	return l.Clock()
}

// Take implements [Limiter]. It makes no allocation once its tables have their
// size, and returns no error.
func (l *LocalLimiter) Take(_ context.Context, owner string, demands []Demand, outcomes []Outcome) (bool, error) {
	l.once.Do(l.prepare)
	now := l.time.at(l.clock())
	place := uint32(maphash.String(l.seed, owner))
	s := &l.shards[place%limiterShards]
	s.mu.Lock()
	s.table.sweep(2+2*len(demands), now) // twice as many as it can add, and some
	s.table.reserve(len(demands), max(l.bound, 2*len(demands)))
	admitted := l.decide(s, now, demands, outcomes)
	s.decisions++
	n := s.decisions
	s.mu.Unlock()
	if n%elsewhere == 0 {
		l.sweepElsewhere(place+n/elsewhere, now)
	}
	return admitted, nil
}

// decide asks every limit first and writes only when all have room.
func (l *LocalLimiter) decide(s *limiterShard, now int64, demands []Demand, outcomes []Outcome) bool {
	s.asked = s.asked[:0]
	admitted := true
	for i := range demands {
		a := asked{id: l.identify(&demands[i]), rule: ruleOf(demands[i].Rate), held: cell{full: now}}
		a.place = s.table.find(a.id)
		if held := &s.table.slots[a.place]; held.id == a.id {
			a.held = held.cell
		}
		var d decision
		a.next, d = a.rule.take(a.held, now, demands[i].Cost)
		outcomes[i] = l.outcome(d)
		admitted = admitted && !outcomes[i].Refused
		s.asked = append(s.asked, a)
	}
	for i := range demands {
		a := &s.asked[i]
		switch {
		case !admitted && !outcomes[i].Refused: // tell how it stands without the call
			_, d := a.rule.take(a.held, now, 0)
			outcomes[i] = l.outcome(d)
		case admitted && demands[i].Cost > 0:
			s.table.put(a.place, a.id, a.next)
		}
	}
	return admitted
}

func (l *LocalLimiter) outcome(d decision) Outcome {
	return Outcome{
		Remaining: d.remaining, Reset: l.time.instant(d.reset),
		Refused: d.never || d.wait > 0, RetryAfter: time.Duration(d.wait), Never: d.never,
	}
}

// identify makes 64 bits of a name: among a million busy limits, two share
// theirs with a probability of 3 in 10^8. The seed keeps callers from choosing.
func (l *LocalLimiter) identify(d *Demand) uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 over the golden ratio
	id := maphash.String(l.seed, d.Limit)
	id = id*odd ^ maphash.String(l.seed, d.Subject)
	if d.Operation != "" {
		id = id*odd ^ maphash.String(l.seed, d.Operation)
	}
	return max(id, 1)
}

func (l *LocalLimiter) sweepElsewhere(i uint32, now int64) {
	s := &l.shards[i%limiterShards]
	if s.mu.TryLock() {
		s.table.sweep(sweptElsewhere, now)
		s.mu.Unlock()
	}
}
