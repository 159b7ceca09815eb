package meter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// leaseShard is the leases of some owners.
type leaseShard struct {
	mu     sync.Mutex
	leases map[leaseName]*lease
}

type leaseName struct {
	kind                             Kind
	owner, limit, subject, operation string
}

func leaseNameOf(owner string, d *Demand) leaseName {
	return leaseName{d.Rule.Kind, owner, d.Limit, d.Subject, d.Operation}
}

// lease is units of one limit that were taken ahead.
type lease struct {
	rule  *Rule
	units int64
	// taken is what was charged last, at since or later.
	taken int64
	since time.Time
	used  time.Time
	// left and reset are what the meter behind said last; known says that it has.
	left  int64
	reset time.Time
	known bool
	// asking says that somebody is asking for more, so that nobody else does; busy
	// counts the calls that asked and are to put something back.
	asking bool
	busy   int
}

// ask is one demand as the meter behind gets it: at first cost, then least.
type ask struct {
	cost, least int64
	// local is what came out of the lease.
	local int64
	// lease is where it came from, or where what is left over goes; else nil.
	lease *lease
	// refill says that this call asks for more than it needs.
	refill bool
}

// roll drops what was taken in a window that is over.
func (x *lease) roll(now time.Time) {
	if x.rule.Kind != Rate && !now.Before(x.reset) {
		x.units = 0
	}
}

// want is how much to have after asking: less than a lease where not much more
// is left for all.
func (x *lease) want(size int64) int64 {
	if x.known {
		return min(size, x.left/2)
	}
	return size
}

// unspent is how much can be given back without anybody gaining by it: what time
// has not freed in the meantime.
func (x *lease) unspent(now time.Time) int64 {
	x.roll(now)
	if x.rule.Kind != Rate {
		return x.units
	}
	p := paceOf(x.rule)
	freed := int64((up(now.Sub(x.since))-1)/p.step) + 1
	return max(min(x.units, x.taken-freed), 0)
}

// give decides a call whose demands are all covered by leases, and reports
// whether it is one.
func (s *leaseShard) give(t *Taking, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range t.Demands {
		d := &t.Demands[i]
		x := s.find(t, d, now)
		if x == nil || d.Cost == 0 || x.units < d.Cost {
			return false
		}
	}
	for i := range t.Demands {
		x := s.leases[leaseNameOf(t.Owner, &t.Demands[i])]
		x.units -= t.Demands[i].Cost
		x.used = now
		t.Outcomes[i] = Outcome{Remaining: x.left + x.units, Reset: x.reset}
	}
	t.Admitted = true
	return true
}

// find returns the lease that covers a demand, as it is now, or nil.
func (s *leaseShard) find(t *Taking, d *Demand, now time.Time) *lease {
	if len(s.leases) == 0 || d.Rule.Kind.Counts() && t.Hold != "" {
		return nil
	}
	x := s.leases[leaseNameOf(t.Owner, d)]
	if x != nil {
		x.rule = d.Rule
		x.roll(now)
	}
	return x
}

// prepareAsks takes out of the leases what they have, and says what to ask for.
func (l *Leased) prepareAsks(s *leaseShard, t *Taking, now time.Time) []ask {
	asks := make([]ask, len(t.Demands))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range t.Demands {
		d, a := &t.Demands[i], &asks[i]
		a.cost, a.least = d.Cost, d.Cost
		x := s.find(t, d, now)
		size := l.size(t, d)
		if x == nil && d.Cost > 0 && size >= max(d.Cost, 2) {
			x = l.add(s, t, d)
		}
		if x == nil {
			continue
		}
		a.lease = x
		x.busy++
		switch {
		case d.Cost == 0 || d.Cost > size || x.asking && x.units < d.Cost:
			continue
		case x.units >= d.Cost:
			a.local, a.cost, a.least = d.Cost, 0, 0
			x.units -= d.Cost
		default:
			a.local, x.units, x.asking, a.refill = x.units, 0, true, true
			a.cost, a.least = max(d.Cost, x.want(size))-a.local, d.Cost-a.local
		}
		x.used = now
	}
	return asks
}

// add makes a lease of nothing yet, if there may be another one.
func (l *Leased) add(s *leaseShard, t *Taking, d *Demand) *lease {
	most := int64(l.Leases)
	if most <= 0 {
		most = defaultLeases
	}
	if l.count.Add(1) > most || !l.timer.start(l) {
		l.count.Add(-1)
		return nil
	}
	if s.leases == nil {
		s.leases = make(map[leaseName]*lease)
	}
	x := &lease{rule: d.Rule}
	s.leases[leaseNameOf(t.Owner, d)] = x
	return x
}

// finish keeps what is left over, or puts back what the leases gave to a call
// that was refused, and makes outcomes say what is held here.
func (l *Leased) finish(s *leaseShard, t *Taking, asks []ask, behind *Taking, admitted bool, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range asks {
		a, o := &asks[i], &behind.Outcomes[i]
		x := a.lease
		if x == nil {
			continue
		}
		x.busy--
		if a.refill {
			x.asking = false
		}
		switch {
		case !admitted:
			x.units += a.local
		case a.refill:
			x.units += a.local + a.cost - t.Demands[i].Cost
			x.taken, x.since = a.cost, began
		}
		if behind.Outcomes[i] != (Outcome{}) {
			x.left, x.reset, x.known = o.Remaining, o.Reset, true
			o.Remaining += x.units
		}
	}
}

// giveBack returns the leases that nobody has used since, or all of them if since
// is zero.
func (l *Leased) giveBack(ctx context.Context, since time.Time) (err error) {
	now := l.now()
	for i := range l.shards {
		s := &l.shards[i]
		var back []Settlement
		s.mu.Lock()
		for name, x := range s.leases {
			if x.busy > 0 || !since.IsZero() && x.used.After(since) {
				continue
			}
			if n := x.unspent(now); n > 0 {
				back = append(back, Settlement{Owner: name.owner, Changes: []Change{{Demand: Demand{
					Limit: name.limit, Subject: name.subject, Operation: name.operation, Rule: x.rule, Cost: n,
				}}}})
			}
			x.units = 0
			delete(s.leases, name)
			l.count.Add(-1)
		}
		s.mu.Unlock()
		for j := range back {
			if failed := l.Behind.Settle(ctx, &back[j]); err == nil {
				err = failed
			}
		}
	}
	return err
}

// leaseTimer gives idle leases back while there are any.
type leaseTimer struct {
	running atomic.Bool
	mu      sync.Mutex
	timer   *time.Timer
	closed  bool
}

// start has the timer run; false once it was closed.
func (m *leaseTimer) start(l *Leased) bool {
	if m.running.Load() {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	if m.running.CompareAndSwap(false, true) {
		m.timer = time.AfterFunc(l.idle(), l.tick)
	}
	return true
}

func (m *leaseTimer) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.running.Store(false)
	if m.timer != nil {
		m.timer.Stop()
	}
}

// tick gives back what is idle. What the meter behind does not take back is lost
// until time frees it.
func (l *Leased) tick() {
	ctx, cancel := context.WithTimeout(context.Background(), l.idle())
	_ = l.giveBack(ctx, l.now().Add(-l.idle()))
	cancel()
	m := &l.timer
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
	case l.count.Load() > 0:
		m.timer.Reset(l.idle())
	default:
		m.running.Store(false)
		if l.count.Load() > 0 && m.running.CompareAndSwap(false, true) { // one was added just now
			m.timer.Reset(l.idle())
		}
	}
}
