package admission

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/store"
)

// running knows the reservations of this Controller that are under way, and
// renews their leases. No goroutine runs while there are none.
type running struct {
	once    sync.Once
	self    owner
	pending atomic.Int64 // calls of the store
	hands   hands
	limits  sync.Pool // of *limited

	mu    sync.Mutex
	turns map[uint64]*Reservation
	last  uint64
	// timer looks at the leases; nil while there are none.
	timer *time.Timer
	every time.Duration // between looks
	// waiting counts duplicates that wait for another call to end.
	waiting int
	// suspects are calls under way whose record is from the future.
	suspects map[string]suspicion
}

type suspicion struct {
	version store.Version
	since   time.Time
}

const (
	// maxWaiters bounds the duplicates that wait at once: each keeps its goroutine
	// and up to 64 KiB of a body. Further ones are told to come back.
	maxWaiters = 1024
	// maxSuspects bounds the records that are watched by our clock.
	maxSuspects = 1024
	// renewers is how many leases are renewed at once, so that a store some
	// milliseconds away keeps up with thousands of calls.
	renewers = 16
)

func (r *running) owner() owner {
	r.once.Do(func() {
		r.self.process = process
		_, _ = rand.Read(r.self.controller[:]) // it never fails, see crypto/rand
	})
	return r.self
}

// add gives a reservation its turn, before anybody can see its record.
func (r *running) add(x *Reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turns == nil {
		r.turns = make(map[uint64]*Reservation)
	}
	r.last++
	x.kept.turn = r.last
	r.turns[r.last] = x
	look := max(x.kept.lease/6, time.Millisecond)
	if r.timer != nil && look >= r.every {
		return
	}
	r.every = look
	if r.timer == nil || r.timer.Stop() { // else it is looking, and goes on by itself
		r.timer = time.AfterFunc(look, r.renew)
	}
}

func (r *running) get(turn uint64) *Reservation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turns[turn]
}

// drop forgets a reservation, after its record has got its last state.
func (r *running) drop(x *Reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turns[x.kept.turn] == x {
		delete(r.turns, x.kept.turn)
		close(x.over)
	}
}

func (r *running) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.turns)
}

// renew looks at all leases and renews those of which a third has gone by. Looks
// are a sixth of the shortest lease apart, so that none gets older than a half.
func (r *running) renew() {
	r.mu.Lock()
	due := make(chan *Reservation, len(r.turns))
	for _, x := range r.turns {
		due <- x
	}
	r.mu.Unlock()
	close(due)
	var all sync.WaitGroup
	for range min(len(due), renewers) {
		all.Go(func() {
			for x := range due {
				x.renew()
			}
		})
	}
	all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.turns) == 0 {
		r.timer = nil
		return
	}
	r.timer = time.AfterFunc(r.every, r.renew)
}

// queue lets one more duplicate wait, if there is room.
func (r *running) queue() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting >= maxWaiters {
		return false
	}
	r.waiting++
	return true
}

func (r *running) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
}

// suspect returns for how long a record is known to have this version.
func (r *running) suspect(key string, version store.Version) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if s, ok := r.suspects[key]; ok && s.version == version {
		return now.Sub(s.since)
	}
	if r.suspects == nil {
		r.suspects = make(map[string]suspicion)
	}
	for other := range r.suspects {
		if len(r.suspects) < maxSuspects {
			break
		}
		delete(r.suspects, other)
	}
	r.suspects[key] = suspicion{version, now}
	return 0
}

// Reserved is how many calls with an idempotency key are being worked on. Who
// ends the process waits until there are none: some have no caller any more.
func (c *Controller) Reserved() int {
	c.once.Do(c.prepare)
	return c.state.running.count()
}
