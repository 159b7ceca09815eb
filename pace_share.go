package failwell

import (
	"math"
	"time"
)

// Several processes may call under one key. None sees the others, and all are told
// of the same limit: each would take what is left for its own, come at once and be
// refused, and each call that gets in would take two attempts. So a lane learns its
// share: how long a unit takes to come to this process.
//
// A refusal tells it first. Callers wait at a server in a line, and how long it took
// to get through is how long it takes until all others had their turn. From then on
// calls keep that distance, longer or shorter by what is left over in the limit,
// which all processes see: each unit above what should be left brings everybody
// sooner by what one unit takes to come back, so that together they use up the
// surplus of one round within the next. What is left over slowly changes the share,
// too, and thereby settles at a few hundredths of the limit: enough that nobody is
// refused by chance, and none is lost.
//
// The figures below are from TestCrowdsLearnTheirShare, whose results are in
// docs/performance.md.

// share is what a lane knows of its part of a limit.
type share struct {
	// every is how long a unit takes to come to this process; 0 is not known.
	every time.Duration
	// alone is how long it would if there were no others, whole how long all units
	// of the limit take.
	alone, whole time.Duration
	// served are the calls that were admitted. awaited are those that the server has
	// told when to come.
	served  uint64
	awaited int
	// grew is when the share was last made smaller, which is a longer distance.
	grew time.Time
}

// refusal is when a call was refused first, and how many had been admitted by then.
type refusal struct {
	at     time.Time
	served uint64
}

const (
	// spare is the part of a limit that is left over where a share is one unit in
	// the time of the whole limit. It is more for larger shares, by droop for each
	// factor e, and less for smaller ones, so that unequal shares grow alike.
	spare, droop = 0.05, 0.01
	// Of what is left over above that, a share takes half into account for good.
	// Its lack makes each call slower by up to three tenths.
	quicker, slower = 0.5, 0.3
)

// shared reports whether calls keep the distance of a share.
func (l *lane) shared() bool { return l.told.every > 0 && l.share.every >= l.told.every }

// learn measures the share anew when a call got in. That is only of use where units
// come back one by one: what nobody used of a window is lost with its end.
func (h *share) learn(now time.Time, s *standing, before refusal, parked int) {
	if s.every <= 0 || s.limit <= 0 {
		return
	}
	h.alone, h.whole = s.every, time.Duration(float64(s.every)*s.limit)
	if !before.at.IsZero() {
		h.waited(now, before, parked)
	} else if h.every > 0 {
		h.adjust(s.left / s.limit)
	}
}

// waited measures by the time that a call was in line. What came in meanwhile had
// its units in this time, and who waits here, or comes yet, would have had one.
func (h *share) waited(now time.Time, before refusal, parked int) {
	n := max(h.served-before.served, 1) + uint64(max(h.awaited+parked, 0))
	took := now.Sub(before.at) / time.Duration(n)
	every := max(h.every, took)
	if h.every > 0 && before.at.After(h.grew) {
		// Others were in line because they are early, too: half is theirs.
		every = max(took, h.every+took/2)
	}
	if every > h.every {
		h.every, h.grew = every, now
	}
}

// adjust makes the share larger when much is left over, and smaller when little is.
func (h *share) adjust(left float64) {
	size := float64(h.every) / float64(h.whole)
	e := left - h.aim()
	// Large shares hear often of what is left, and grow no faster for it than others;
	// small ones hear rarely. A limit that is half free has been left by many.
	change := max(quicker*e*min(size*size, 1/size), left-0.5)
	if e < 0 {
		change = slower * e / spare * min(1, 1/size)
	}
	h.every -= time.Duration(change * float64(h.every))
}

// aim is the part of the limit that should be left over.
func (h *share) aim() float64 {
	return min(max(spare+droop*math.Log(float64(h.whole)/float64(h.every)), spare/2), 3*spare)
}

// ours makes the standing of the limit that of this process's share: of the surplus,
// each takes its part, and what lacks it waits for.
func (h *share) ours(s *standing) {
	if s.every <= 0 || h.every <= s.every {
		return
	}
	part := float64(h.alone) / float64(h.every)
	s.left, s.limit, s.every = (s.left-h.aim()*s.limit)*part, max(s.limit*part, 1), h.every
}

// turn is how long a call waits that has so many before it in this process.
func (l *lane) turn(now time.Time, before int) time.Duration {
	left, held := l.leftAt(now), max(l.held.Sub(now), 0)
	if left >= float64(before+1) {
		return held
	}
	next := time.Duration(max(1-left, 0) * float64(l.told.every))
	// Those behind go faster once there is more than was thought, at best as fast as
	// the limit has units. They look again by then.
	each := max(next, l.share.alone/2)
	return max(held, next+time.Duration(before)*each, time.Millisecond)
}

// glance is after how long a call that waits looks whether its turn has come sooner.
func (h *share) glance() time.Duration { return max(h.whole/16, time.Millisecond) }
