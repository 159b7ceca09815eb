package meter

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Leased is a Meter that asks another one less often: it takes units of rates
// ahead, a lease, and gives them out by itself. It refuses nobody without having
// asked the meter behind, and takes nothing ahead when little is left there.
//
// Overshoot: units that were taken ahead in one window may be given out in the
// next. Of a limit of L, the processes that share the meter behind admit together
// at most L + processes x lease in a window; when no time passes, at most L.
// A crash loses what was taken ahead until time frees it.
//
// Leased are Rate, Window, and an Allowance without a Hold. What must be known
// to all at once passes through: Balance, Capacity, Slots, and whatever is held.
// Limits below twice Parts are not worth a lease and pass through as well, and
// so do costs above a lease.
//
// Outcomes: where the meter behind was asked, they are its own, and Remaining
// has what is held here added. Otherwise Remaining and Reset are as of the last
// time it was asked: other processes may have used some of it since, and time
// may have freed more.
//
// It must not be copied after its first use, nor its fields changed.
type Leased struct {
	// Behind is Required: the meter that all share.
	Behind Meter
	// Clock is Optional: nil means time.Now. It is called concurrently.
	Clock func() time.Time
	// Parts is Optional: a lease is a limit, or its burst where that is less,
	// divided by Parts; 0 means 20.
	Parts int64
	// Idle is Optional: after how long without use a lease is given back; 0 means
	// a second.
	Idle time.Duration
	// Leases is Optional: how many limits can have a lease at once; 0 means
	// 65,536. The others pass through.
	Leases int

	once   sync.Once
	seed   maphash.Seed
	shards [shards]leaseShard
	// count is of all leases.
	count atomic.Int64
	timer leaseTimer
}

var _ Meter = (*Leased)(nil)

const (
	defaultParts  = 20
	defaultIdle   = time.Second
	defaultLeases = 1 << 16
)

func (l *Leased) prepare() { l.seed = maphash.MakeSeed() }

func (l *Leased) now() time.Time {
	if l.Clock == nil {
		return time.Now()
	}
	return l.Clock()
}

func (l *Leased) idle() time.Duration {
	if l.Idle <= 0 {
		return defaultIdle
	}
	return l.Idle
}

func (l *Leased) shard(owner string) *leaseShard {
	l.once.Do(l.prepare)
	return &l.shards[maphash.String(l.seed, owner)%shards]
}

// size is how many units of a limit are taken ahead at most; below 2 it is not
// worth doing.
func (l *Leased) size(t *Taking, d *Demand) int64 {
	switch k := d.Rule.Kind; {
	case k.Counts() && (k != Allowance || t.Hold != ""):
		return 0
	case k == Rate && d.Rule.Burst > 0:
		return min(d.Rule.Limit, d.Rule.Burst) / l.parts()
	}
	return d.Rule.Limit / l.parts()
}

func (l *Leased) parts() int64 {
	if l.Parts <= 0 {
		return defaultParts
	}
	return l.Parts
}

// Take implements [Meter]. The error is that of the meter behind.
func (l *Leased) Take(ctx context.Context, t *Taking) error {
	if err := t.Check(); err != nil {
		return err
	}
	s, now := l.shard(t.Owner), l.now()
	if s.give(t, now) {
		return nil
	}
	asks := l.prepareAsks(s, t, now)
	x := *t
	x.Demands, x.Outcomes = make([]Demand, len(t.Demands)), make([]Outcome, len(t.Demands))
	copy(x.Demands, t.Demands)
	for i := range asks {
		x.Demands[i].Cost = asks[i].cost
	}
	err := l.Behind.Take(ctx, &x)
	if err == nil && !x.Admitted && lessen(asks, &x) {
		err = l.Behind.Take(ctx, &x)
	}
	admitted := err == nil && x.Admitted
	l.finish(s, t, asks, &x, admitted, now)
	if err != nil {
		return err
	}
	copy(t.Outcomes, x.Outcomes)
	t.Admitted = admitted
	return nil
}

// lessen makes a taking ask for no more than the call needs, and reports whether
// that may change the decision.
func lessen(asks []ask, x *Taking) (less bool) {
	for i := range asks {
		if a := &asks[i]; a.cost > a.least {
			less = less || x.Outcomes[i].Refused
			a.cost = a.least
			x.Demands[i].Cost = a.least
		}
	}
	return less
}

// Settle implements [Meter]. It passes through.
func (l *Leased) Settle(ctx context.Context, x *Settlement) error { return l.Behind.Settle(ctx, x) }

// Close gives all leases back. A Take after it passes through; what one that is
// under way meanwhile takes ahead is lost until time frees it. The error is the
// first one of the meter behind.
func (l *Leased) Close(ctx context.Context) error {
	l.timer.close()
	return l.giveBack(ctx, time.Time{})
}
