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
// A window's units are all there at its beginning, and lost at its end. Its share is
// learned from what came here of a window that was used up, and kept in the same way, as if
// the window's units came back one by one: then each has its turn, and nobody hurries.
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
	// windowed says that units come back all at once; mine are those that came here
	// in the window that ends at fresh at the earliest, last those of the one before.
	windowed   bool
	mine, last int
	fresh      time.Time
	// seen says that the window was there from its beginning.
	seen bool
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
	// lack is the same of a window.
	lack = 0.02
	// Of what is left over above that, a share takes half into account for good.
	// Its lack makes each call slower by up to three tenths.
	quicker, slower = 0.5, 0.3
	// nearly is how much of a unit nobody waits for: it is the error of reckoning.
	nearly = 1e-6
)

// shared reports whether calls keep the distance of a share.
func (l *lane) shared() bool { return l.share.every > 0 && l.told.every == l.share.every }

// learn measures the share anew when a call got in.
func (h *share) learn(now time.Time, s *standing, before refusal, parked int) {
	waiting := max(h.awaited+parked, 0)
	if h.windowed = s.every <= 0; s.limit <= 0 || h.windowed && (s.window <= 0 || s.fresh.IsZero()) {
		return
	}
	h.alone, h.whole = s.every, time.Duration(float64(s.every)*s.limit)
	if h.windowed {
		h.alone, h.whole = time.Duration(float64(s.window)/s.limit), s.window
		h.count(s, waiting)
	}
	if !before.at.IsZero() {
		h.waited(now, before, waiting)
	} else if h.every > 0 {
		h.adjust(h.over(now, s))
	}
}

// count counts the units that came here in a window. Who has seen all of it, and most
// went elsewhere, has a share.
func (h *share) count(s *standing, waiting int) {
	switch past := s.fresh.Sub(h.fresh); {
	case past > h.whole/2:
		h.seen = past < 3*h.whole/2
		h.fresh, h.mine, h.last = s.fresh, 0, h.mine
	case past < 0 && -past <= h.sameEnd():
		h.fresh = s.fresh
	}
	h.mine++
	if h.every == 0 && h.seen && s.left < 1 && 3*(h.mine+waiting) < 2*int(s.limit) {
		h.every = h.whole / time.Duration(h.mine+waiting)
	}
}

// over is the part of a limit that is left over. Of a window that is what would be left
// over at its end, were it used evenly from now on.
func (h *share) over(now time.Time, s *standing) float64 {
	over := s.left / s.limit
	if h.windowed {
		over -= float64(max(h.end(s).Sub(now), 0)) / float64(h.whole)
	}
	return over
}

// end is when the window of an answer ends: the earliest instant that was told of it,
// since whole seconds are rounded up as a rule.
func (h *share) end(s *standing) time.Time {
	if past := s.fresh.Sub(h.fresh); past > 0 && past <= h.sameEnd() {
		return h.fresh
	}
	return s.fresh
}

func (h *share) sameEnd() time.Duration { return min(sameEnd, h.whole/4) }

// waited measures by the time that a call was in line. What came in meanwhile had
// its units in this time, and who waits here, or comes yet, would have had one.
func (h *share) waited(now time.Time, before refusal, waiting int) {
	took, again := now.Sub(before.at), before.at.After(h.grew)
	every := h.every
	switch {
	case !h.windowed:
		took /= time.Duration(max(h.served-before.served, 1)) + time.Duration(waiting)
		if every = max(every, took); h.every > 0 && again {
			// Others were in line because they are early, too: half is theirs.
			every = max(took, h.every+took/2)
		}
	case every == 0:
		every = h.whole / time.Duration(max(h.last, 1)+waiting)
	case again:
		// A window's line begins anew in the next one, wherever one stood.
		every = max(took-h.whole, every+every/5)
	}
	if every > max(h.every, h.alone) {
		h.every, h.grew = every, now
	}
}

// adjust makes the share larger when much is left over, and smaller when little is.
func (h *share) adjust(left float64) {
	size := float64(h.every) / float64(h.whole)
	e := left - h.aim()
	// Large shares hear often of what is left, and change no faster for it than others;
	// small ones hear rarely. A limit that is half free has been left by many.
	change := max(quicker*e*min(size*size, 1/size), left-0.5)
	switch {
	case h.windowed: // what is lost counts at once, and so does what will lack
		change = min(max(e*min(size, 1/size), -0.5), 0.5)
	case e < 0:
		change = slower * e / spare * min(size, 1/size)
	}
	if h.every -= time.Duration(change * float64(h.every)); h.every <= h.alone {
		h.every = 0 // alone again
	}
}

// aim is the part of the limit that should be left over. Of a window it is less than
// nothing, since a unit too many is lost for everybody, and one too few refuses one.
func (h *share) aim() float64 {
	more := droop * math.Log(float64(h.whole)/float64(h.every))
	if h.windowed {
		return min(max(more-lack, -2*lack), 0)
	}
	return min(max(spare+more, spare/2), 3*spare)
}

// ours makes the standing of the limit that of this process's share: of the surplus,
// each takes its part, and what lacks it waits for.
func (h *share) ours(now time.Time, s *standing) {
	if h.windowed != (s.every <= 0) || h.every == 0 {
		return
	}
	part := float64(h.alone) / float64(h.every)
	left := (h.over(now, s) - h.aim()) * s.limit * part
	if !h.windowed {
		// A reserve is put by gradually: that of an hour's limit takes minutes.
		left = max(left, -0.5)
	}
	s.left, s.limit, s.every = left, max(s.limit*part, 1), h.every
}

// turn is how long a call waits that has so many before it in this process.
func (l *lane) turn(now time.Time, before int) time.Duration {
	left, held := l.leftAt(now), max(l.held.Sub(now), 0)
	if left >= float64(before+1)-nearly {
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
