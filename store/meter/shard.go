package meter

import (
	"hash/maphash"
	"sync"
)

// shard is the limits of some owners: rates in a table, their appointments and
// the counters in maps.
type shard struct {
	mu        sync.Mutex
	table     table
	decisions uint32
	// states and places are of the decision under way, spare are empty queues.
	states   []State
	places   []place
	queues   map[uint64]*queue
	counters map[counterName]*counter
	spare    []*queue
	// appointed bounds queues.
	appointed int
	_         [32]byte // neighbours do not share a cache line
}

// counterName is a counter's whole name: units are worth too much for a hash.
type counterName struct {
	kind                      Kind
	limit, subject, operation string
}

// place is where a rate was found: in the table, and whether it has a queue.
type place struct {
	id     uint64
	slot   int
	queued bool
	// limit is the name of a limit, which the next decision often asks for as well,
	// and hash is that name's.
	limit string
	hash  uint64
}

// owner is whom a decision is about, and the hash of the name.
type owner struct {
	name string
	hash uint64
}

const (
	// queuesPerSlot bounds how many limits have appointments, as a share of what
	// a table may grow to.
	queuesPerSlot = 64
	// swept is how many counters and queues are looked at now and then.
	swept = 4
	// stretch is how many slots are swept in one go: memory is quick in a row. Each
	// decision adds one to them, and each cell that comes some more.
	stretch = 32
)

// reserve makes room for n limits. It moves cells, so it comes before load.
func (s *shard) reserve(n, bound int, now Micros) {
	s.states, s.places = s.states[:0], s.places[:0]
	if n > cap(s.states) {
		s.states, s.places = make([]State, 0, n), make([]place, 0, n)
	}
	if s.table.unswept++; s.table.unswept >= stretch {
		s.table.sweep(s.table.unswept, now)
		s.table.unswept = 0
	}
	s.table.reserve(n, max(bound, 2*n))
	s.appointed = max(bound/queuesPerSlot, smallest)
}

func (s *shard) load(d *Demand, o owner, seed maphash.Seed) {
	k, n := d.Rule.Kind, len(s.states)
	s.states, s.places = s.states[:n+1], s.places[:n+1]
	state, p := &s.states[n], &s.places[n] // both keep what the next decision may ask for
	state.kind, state.known, state.cell, state.queue, state.counter = k, true, cell{}, nil, nil
	if k.Counts() {
		state.counter = s.counters[nameOf(d)]
		return
	}
	if p.limit != d.Limit || p.hash == 0 {
		p.limit, p.hash = d.Limit, maphash.String(seed, d.Limit)
	}
	p.id = identify(p.hash, d, o, seed)
	p.slot, p.queued = s.table.find(p.id), false
	if held := &s.table.slots[p.slot]; held.id == p.id {
		state.cell = held.cell
	}
	if len(s.queues) > 0 {
		state.queue, p.queued = s.queues[p.id]
	}
	if n := len(s.spare); n > 0 && state.queue == nil {
		state.queue, s.spare = s.spare[n-1], s.spare[:n-1]
	}
}

// keep writes back what a decision left of a limit.
func (s *shard) keep(i int, d *Demand, at Instant, charged bool) {
	p, state := &s.places[i], &s.states[i]
	if d.Rule.Kind.Counts() {
		s.keepCounter(d, state, at)
		return
	}
	if charged && (state.cell.full > at.Now || s.table.slots[s.table.find(p.id)].id == p.id) {
		s.table.put(p.slot, p.id, state.cell)
	}
	switch q := state.queue; {
	case q == nil, p.queued && !q.empty():
	case p.queued:
		delete(s.queues, p.id)
		s.recycle(q)
	case q.empty():
		s.recycle(q)
	default:
		s.keepQueue(p.id, q, at)
	}
}

func (s *shard) keepCounter(d *Demand, state *State, at Instant) {
	name := nameOf(d)
	if state.Idle(at) {
		delete(s.counters, name)
		return
	}
	if s.counters[name] == state.counter {
		return
	}
	if s.counters == nil {
		s.counters = make(map[counterName]*counter)
	}
	s.sweepCounters(at)
	s.counters[name] = state.counter
}

// keepQueue remembers the appointments of another rate, if there is room.
func (s *shard) keepQueue(id uint64, q *queue, at Instant) {
	if len(s.queues) >= s.appointed {
		s.sweepQueues(at)
	}
	if len(s.queues) >= s.appointed {
		s.recycle(q)
		return
	}
	if s.queues == nil {
		s.queues = make(map[uint64]*queue)
	}
	s.queues[id] = q
}

func (s *shard) recycle(q *queue) {
	*q = queue{entries: q.entries[:0]}
	s.spare = append(s.spare, q)
}

// sweepCounters drops a few counters that say nothing any more.
func (s *shard) sweepCounters(at Instant) {
	n := 0
	for name, c := range s.counters {
		if n++; n > swept {
			break
		}
		state := State{kind: name.kind, known: true, counter: c}
		if state.Idle(at) {
			delete(s.counters, name)
		}
	}
}

// sweepQueues drops a few queues of appointments that have all passed.
func (s *shard) sweepQueues(at Instant) {
	n := 0
	for id, q := range s.queues {
		if n++; n > swept {
			break
		}
		state := State{queue: q}
		if state.Idle(at) {
			delete(s.queues, id)
			s.recycle(q)
		}
	}
}

func nameOf(d *Demand) counterName {
	return counterName{d.Rule.Kind, d.Limit, d.Subject, d.Operation}
}

// identify makes 64 bits of a name, whose first part has the hash limit: among a
// million busy limits, two share theirs with a probability of 3 in 10^8. The seed
// keeps callers from choosing.
func identify(limit uint64, d *Demand, o owner, seed maphash.Seed) uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 over the golden ratio
	subject := o.hash
	if d.Subject != o.name {
		subject = maphash.String(seed, d.Subject)
	}
	id := limit*odd ^ subject
	if d.Operation != "" {
		id = id*odd ^ maphash.String(seed, d.Operation)
	}
	return max(id*odd^uint64(d.Rule.Kind), 1)
}
