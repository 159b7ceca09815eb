package admission

import (
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/failwell/failwell/contract/condition"
)

// Overload bounds what one process takes on at a time. A bound that is not set
// is none. It is shared by all Controllers that come from one by WithContract.
type Overload struct {
	// MaxBytes is Optional: how many bytes the bodies of all calls under way may
	// have together; 0 means no bound. A body counts from the decision until
	// Settle, with the size that was announced, else with the bound of its
	// operation. A body that is larger by itself is body_too_large.
	MaxBytes int64
	// Unannounced is Optional: what a body of unknown size counts where its
	// operation has no bound; 0 means 10 MiB, Guard's own.
	Unannounced int64
	// Adaptive is Optional: nil means that calls are not bounded by their number.
	Adaptive *Adaptive
}

// Adaptive bounds the calls under way by a number that follows how long they
// take: it falls when they begin to take longer and rises when they do not
// (failsafe-go's adaptive limiter, a descendant of TCP Vegas).
type Adaptive struct {
	// Least, Most and First are Optional: the smallest, the greatest and the
	// first number of calls; 0 means 8, 1024 and 64.
	Least, Most, First uint
}

const (
	defaultUnannounced = 10 << 20
	// shortestWait is what a caller is told at least, and as long as nothing is
	// known; longestWait at most: nobody can tell what is further ahead.
	shortestWait = 100 * time.Millisecond
	longestWait  = 30 * time.Second
)

// room is what calls under way take of this process.
type room struct {
	config Overload
	bytes  atomic.Int64
	// mean of how long calls take, in nanoseconds, the last ones counting most.
	mean     atomic.Int64
	adaptive adaptivelimiter.AdaptiveLimiter[any]
}

func newRoom(o *Overload) *room {
	r := &room{config: *o}
	if r.config.Unannounced <= 0 {
		r.config.Unannounced = defaultUnannounced
	}
	if a := o.Adaptive; a != nil {
		least, most := orDefault(a.Least, 8), orDefault(a.Most, 1024)
		most = max(most, least)
		first := min(max(orDefault(a.First, 64), least), most)
		r.adaptive = adaptivelimiter.NewBuilder[any]().WithLimits(least, most, first).Build()
	}
	return r
}

func orDefault(n, otherwise uint) uint {
	if n == 0 {
		return otherwise
	}
	return n
}

// bodyOf is what the body of a call counts.
func (r *room) bodyOf(call *Call) int64 {
	if call.Size >= 0 {
		return call.Size
	}
	bound := r.config.Unannounced
	if call.Operation != nil && call.Operation.MaxBody > 0 {
		bound = call.Operation.MaxBody
	}
	return min(bound, r.config.MaxBytes)
}

// room looks whether this process can take the call on.
func (d *deciding) room() bool {
	r := d.state.room
	if r == nil {
		return true
	}
	h := &d.v.holding
	if r.config.MaxBytes > 0 {
		n := r.bodyOf(d.call)
		if n > r.config.MaxBytes {
			d.fact("max_bytes", r.config.MaxBytes)
			d.fact("actual_bytes", n)
			return d.refuse(condition.BodyTooLarge)
		}
		held, ok := r.enter(n)
		if !ok {
			d.fact("limit", r.config.MaxBytes)
			d.fact("used", held)
			d.waitFor(r, float64(held+n-r.config.MaxBytes)/float64(max(held, 1)))
			return d.refuse(condition.Overloaded)
		}
		h.bytes = n
	}
	if r.adaptive != nil {
		permit, ok := r.adaptive.TryAcquirePermit()
		if !ok {
			d.waitFor(r, 1/float64(max(r.adaptive.Inflight(), 1)))
			return d.refuse(condition.Overloaded)
		}
		h.permit = permit
	}
	h.began = d.now
	return true
}

// enter counts n bytes if there is room for them; held is what was there before.
func (r *room) enter(n int64) (held int64, ok bool) {
	for {
		held = r.bytes.Load()
		if n > 0 && held+n > r.config.MaxBytes {
			return held, false
		}
		if r.bytes.CompareAndSwap(held, held+n) {
			return held, true
		}
	}
}

// waitFor tells when, at the present pace, the given part of the work under way
// has been done (Little's law).
func (d *deciding) waitFor(r *room, part float64) {
	wait := time.Duration(float64(r.mean.Load()) * part)
	d.v.RetryAfter, d.v.HasRetryAfter = min(max(wait, shortestWait), longestWait), true
}

// leave gives back what a call held. done says that it was worked on from
// beginning to end, so that the time it took means something.
func (r *room) leave(h *holding, took int64, done bool) {
	if r == nil {
		return
	}
	r.bytes.Add(-h.bytes)
	h.bytes = 0
	if done && took > 0 {
		mean := r.mean.Load()
		if mean == 0 {
			mean = took
		}
		r.mean.Store(mean + (took-mean)/8)
	}
	switch {
	case h.permit == nil:
	case done:
		h.permit.Record()
	default:
		h.permit.Drop()
	}
	h.permit = nil
}
