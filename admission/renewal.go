package admission

import (
	"context"
	"sync"
	"time"

	"github.com/failwell/failwell/store/meter"
)

// renewals keeps the leases of calls that run long: of slots and of storage that
// is being filled. One timer serves all of them; it runs only while there are any.
type renewals struct {
	// every is a third of a lease: two renewals may fail.
	every time.Duration
	renew func(*renewal)
	// late gives back what was renewed after its call had ended.
	late func(*renewal)

	mu      sync.Mutex
	running map[*renewal]struct{}
	timer   *time.Timer
}

// renewal is what one call has to take again.
type renewal struct {
	owner, hold string
	claim       uint64
	lease, keep time.Duration
	demands     []meter.Demand
	local       bool
	// old says that the call has been running when the timer last went off, over
	// that it has ended and nothing is to stay held.
	old, over bool
}

// left is what gives it back.
func (x *renewal) left() *meter.Settlement {
	s := &meter.Settlement{Owner: x.owner, Hold: x.hold, Claim: x.claim, Left: true}
	for i := range x.demands {
		s.Changes = append(s.Changes, meter.Change{Demand: x.demands[i]})
	}
	return s
}

// add begins to look after what the call holds.
func (r *renewals) add(h *holding, s *scratch) {
	x := &renewal{owner: s.taking.Owner, hold: s.taking.Hold, claim: s.taking.Claim, lease: s.taking.Lease, keep: s.taking.Keep, local: h.local}
	for i := range s.demands {
		if s.demands[i].Rule.Kind.Counts() {
			x.demands = append(x.demands, s.demands[i])
		}
	}
	h.lease = x
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil {
		r.running = make(map[*renewal]struct{})
	}
	r.running[x] = struct{}{}
	if r.timer == nil {
		r.timer = time.AfterFunc(r.every, r.turn)
	}
}

// drop ends that, if it ever began.
func (r *renewals) drop(h *holding, ending Ending) {
	if h.lease == nil {
		return
	}
	r.mu.Lock()
	delete(r.running, h.lease)
	h.lease.over = ending != Unknown
	r.mu.Unlock()
	h.lease = nil
}

// turn renews what has been held for a whole turn, and comes back while there
// is anything to renew.
func (r *renewals) turn() {
	r.mu.Lock()
	var due []*renewal
	for x := range r.running {
		if x.old {
			due = append(due, x)
		}
		x.old = true
	}
	r.mu.Unlock()
	for _, x := range due {
		if !r.runs(x) {
			continue
		}
		if r.renew(x); r.ended(x) { // it may have been put anew
			r.late(x)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.running) == 0 {
		r.timer = nil
		return
	}
	r.timer.Reset(r.every)
}

func (r *renewals) runs(x *renewal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.running[x]
	return ok
}

func (r *renewals) ended(x *renewal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return x.over
}

// again takes a hold once more, which renews it and charges nothing.
func (s *state) again(x *renewal, timeout time.Duration) error {
	t := meter.Taking{
		Owner: x.owner, Hold: x.hold, Claim: x.claim, Renew: true, Lease: x.lease, Keep: x.keep, Demands: x.demands, Outcomes: make([]meter.Outcome, len(x.demands)),
	}
	return s.front.renew(context.Background(), &t, x.local, &patience{limit: timeout})
}
