package failwell

import (
	"sync"
	"time"
)

// standing is what a response tells of the limit that its call counted against.
type standing struct {
	// left are the calls that the limit still admits.
	left float64
	// limit is what it admits when none was made; 0 when that is not told.
	limit float64
	// fresh is when the whole of it is there again, on this process's clock; zero
	// when that is not told.
	fresh time.Time
	// every is how long one call takes to be free again, where they come back one
	// by one; 0 where they come back all at once, or nobody knows.
	every time.Duration
	// window is after how long they all come back; 0 when that is not told.
	window time.Duration
	// lowest is the least that was told to be left of the window that ends about then.
	lowest float64
	ends   time.Time
}

// lane is the calls that share one limit. Whoever would exceed it is given an
// instant at which there is room, each another one, so that nobody has to be
// refused to find out.
//
// Limits whose units come back one by one are used as they do. The units of a
// window are used as they are asked for: to spread them would delay calls that
// are admitted. Those who wait for the next window go through its first tenth,
// as many as it has units, then the next.
type lane struct {
	key uint64
	mu  sync.Mutex
	// told is the latest standing, with left being less those under way; known
	// says that there is one, seen when it was told.
	told  standing
	known bool
	seen  time.Time
	// under way are calls that were sent and not answered, parked those that wait.
	under, parked int
	// tickets is the one that was given last, queued are those that have one.
	tickets ticket
	queued  int
	// given are the instants that were given from base on; see [lane.slot].
	base  time.Time
	given int
	// held is until when the server refuses, by its own word.
	held time.Time
	used time.Time
	// share is this process's of the limit, where others use it as well.
	share share
}

// crowded is how much faster than evenly those go who waited for a window.
const crowded = 10

// ticket is a parked call's place among those that wait for a unit of the share;
// 0 is that of one that has an instant of its own.
type ticket int

// enter asks for a place. wait 0 is now, and counts the call as sent. Otherwise
// the caller comes back then, with [lane.leave]; ok is false, and nothing is
// reserved, when that is longer than most.
func (l *lane) enter(now time.Time, most time.Duration) (mine ticket, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = now
	if !l.known {
		l.under++
		return 0, 0, true
	}
	left := l.leftAt(now)
	if l.shared() {
		if wait, ok = l.bounded(now, l.queued, most); wait == 0 {
			l.sent()
		}
		if wait == 0 || !ok {
			return 0, wait, ok
		}
		l.parked++
		l.queued++
		l.tickets++
		return l.tickets, min(wait, l.share.glance()), true
	}
	if earliest := l.earliest(now, left); l.slot().Before(earliest) {
		l.base, l.given = earliest, 0
	}
	wait = l.slot().Sub(now)
	switch {
	case wait > most:
		return 0, wait, false
	case wait <= 0 && left >= 1: // the units that are left are no queue
		l.sent()
		return 0, 0, true
	}
	l.given++
	if wait <= 0 {
		l.sent()
		return 0, 0, true
	}
	l.parked++
	return 0, wait, true
}

// bounded is the turn of a call that waits no longer than most. How much others
// take is a guess, which refuses nobody.
func (l *lane) bounded(now time.Time, before int, most time.Duration) (wait time.Duration, ok bool) {
	wait = l.turn(now, before)
	if wait > most && !now.Before(l.held) {
		return 0, true
	}
	return wait, wait <= most
}

// leave ends the wait of a parked call. It goes when wait is 0, and otherwise waits
// again, or enters again: when the server has said meanwhile that it refuses, or it
// would have to wait for longer than most.
func (l *lane) leave(now time.Time, mine ticket, most time.Duration) (wait time.Duration, enters bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = now
	ok := mine == 0 || l.shared()
	if ok && mine > 0 {
		before := max(int(mine-l.tickets)+l.queued-1, 0)
		if wait, ok = l.bounded(now, before, most); ok && wait > 0 {
			return min(wait, l.share.glance()), false
		}
	}
	l.unpark(mine)
	if !ok || now.Before(l.held) {
		return 0, true
	}
	l.sent()
	return 0, false
}

// forgo gives back the instant of a parked call that does not go.
func (l *lane) forgo(mine ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unpark(mine)
	if mine == 0 {
		l.given = max(l.given-1, 0)
	}
}

func (l *lane) unpark(mine ticket) {
	l.parked--
	if mine > 0 {
		l.queued--
	}
}

// join counts a call that the server itself told when to come.
func (l *lane) join(now time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = now
	l.sent()
}

func (l *lane) sent() {
	l.under++
	l.told.left--
}

// leftAt is how many calls the limit admits now, for all that is known.
func (l *lane) leftAt(now time.Time) float64 {
	s := &l.told
	switch {
	case s.every > 0:
		left := s.left + float64(now.Sub(l.seen))/float64(s.every)
		return min(left, s.limit-float64(l.under))
	case !s.fresh.IsZero() && !now.Before(s.fresh):
		l.renew(now)
	}
	return s.left
}

// renew begins a window of which no response has told yet.
func (l *lane) renew(now time.Time) {
	s := &l.told
	if s.window <= 0 || s.limit <= 0 {
		l.known = false
		s.left = 1
		return
	}
	s.fresh = now.Add(s.window - now.Sub(s.fresh)%s.window)
	s.left, s.lowest, s.ends = s.limit-float64(l.under), s.limit, s.fresh
}

// earliest is when there is room, were nobody in the queue.
func (l *lane) earliest(now time.Time, left float64) time.Time {
	s := &l.told
	at := later(now, l.held)
	switch {
	case left >= 1:
		return at
	case s.every > 0:
		return later(at, now.Add(time.Duration((1-left)*float64(s.every))))
	}
	return later(at, s.fresh)
}

// slot is the first instant that nobody was given.
func (l *lane) slot() time.Time {
	s := &l.told
	if s.every > 0 || s.limit < 1 {
		return l.base.Add(time.Duration(l.given) * s.every)
	}
	limit := int(s.limit)
	step := s.window / time.Duration(limit) / crowded
	return l.base.Add(time.Duration(l.given/limit)*s.window + time.Duration(l.given%limit)*step)
}

// saw takes in what a response tells; ok is false when that is nothing. admitted
// is the limit's word on the call, before whether it had refused it at first.
func (l *lane) saw(now time.Time, s standing, ok, admitted bool, before refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.under--
	if !ok {
		return
	}
	if admitted {
		l.share.served++
	}
	if s.limit <= 0 {
		s.limit = max(l.told.limit, s.left+1)
	}
	if s.window <= 0 && s.every <= 0 {
		s.window = max(l.told.window, s.fresh.Sub(now))
	}
	if admitted {
		l.share.learn(now, &s, before, l.parked+l.under)
	}
	l.share.ours(now, &s)
	l.told, l.known, l.seen = l.reckon(s), true, now
}

// sameEnd is how far apart the ends of a window may be told: headers and Date are in
// whole seconds, and answers take a while. What has no end but moves on with each
// answer is beyond that soon.
const sameEnd = 2 * time.Second

// reckon takes calls under way off what is left. The limit may have counted some of
// them already: answers come in another order than they were given. Of a window that
// has been told of before it is known how many went, and nothing comes back before its
// end, so that what one reckons oneself holds as long as no answer contradicts it.
func (l *lane) reckon(s standing) standing {
	if !l.known || l.shared() || s.every > 0 || s.fresh.Sub(l.told.ends).Abs() > min(sameEnd, s.window/4) {
		s.lowest, s.ends, s.left = s.left, s.fresh, s.left-float64(l.under)
		return s
	}
	s.lowest, s.ends = min(s.left, l.told.lowest), l.told.ends
	s.left = min(max(l.told.left, s.lowest-float64(l.under)), s.lowest)
	return s
}

// refused takes in that the limit itself refused a call and named its next
// instant: whoever asks from now on comes after that.
// It returns how many calls had been admitted by then.
func (l *lane) refused(now time.Time, wait time.Duration) (served uint64) {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known {
		return 0 // nothing tells when there is room again
	}
	l.told.left = min(l.told.left, 0)
	l.held = later(l.held, now.Add(wait))
	// The first instant is that of the call that was refused.
	if !l.slot().After(l.held) {
		l.base, l.given = l.held, 1
	}
	return l.share.served
}

// await counts calls that the server told when to come, and that have not yet.
func (l *lane) await(n int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.share.awaited += n
}

// lost ends a call that got no response, or one that tells nothing.
func (l *lane) lost() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.under--
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
