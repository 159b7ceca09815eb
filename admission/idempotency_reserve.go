package admission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/internal/failpoint"
	"github.com/failwell/failwell/store"
)

// Reserve decides whether an admitted call with an idempotency key may be worked
// on. It is called when the call is known to be valid, and only if the verdict
// is Keyed; nothing may have been sent to anybody before. One of these holds:
//
//   - there is a reservation: the record is durable, and the call may be worked on;
//   - v.Answer is set: it is a repetition, whose answer is given once more;
//   - v.Condition is set: it is refused;
//   - none of them: the store is away, and the contract has the call run unprotected.
//
// An error is the payload's own: its stream could not be read. Whatever comes
// out, an admitted call has to be settled: with Left, unless there is a
// reservation. A call that waited for another one which then did nothing is
// decided upon anew, also by its limits: v may then not be Admitted any more.
func (c *Controller) Reserve(ctx context.Context, call *Call, v *Verdict, p *Payload) (*Reservation, error) {
	x := reserving{
		Controller: c, call: call, v: v, p: p, f: &v.found, seen: v.found.version,
		until: time.Now().Add(c.Contract.Idempotency.Wait), anew: maxAnew,
	}
	for {
		r, again, err := x.step(ctx)
		if !again || err != nil {
			return r, err
		}
	}
}

// reserving is one Reserve under way.
type reserving struct {
	*Controller
	call *Call
	v    *Verdict
	p    *Payload
	f    *lookup
	// seen is the version of the record for which the call was charged.
	seen store.Version
	// until is how long a duplicate may wait, anew how often a call may be
	// decided upon anew.
	until time.Time
	anew  int
}

// maxAnew: who finds the key free so often, and taken again, may come back later.
const maxAnew = 3

// step acts on what was found. again says that something else is there now.
func (x *reserving) step(ctx context.Context) (r *Reservation, again bool, err error) {
	state := x.f.state()
	if k := x.f.kept; state != stateReleased && k.payload != nil && (x.p.Stream == nil || x.final(state)) {
		same, err := x.p.matches(x.call, k.payload)
		if err != nil {
			return nil, false, err
		}
		if !same {
			x.refuse(condition.IdempotencyMismatch)
			return nil, false, nil
		}
	}
	switch state {
	case stateReleased:
		r, again = x.take(ctx)
		return r, again, nil
	case stateInFlight:
		return nil, x.wait(ctx), nil
	case stateCompleted:
		failpoint.Hit(failpoint.Replaying)
		x.v.Answer = &x.f.kept.answer
	case stateTombstone:
		x.refuse(condition.IdempotencyNotReplayable)
	case stateUnknown:
		if x.unknownPolicy(x.call.Operation) != "" {
			r, again = x.take(ctx)
			return r, again, nil
		}
		again = x.f.dead && x.doubt(ctx)
		if !again && x.v.Condition == "" {
			x.refuse(condition.IdempotencyOutcomeUnknown)
		}
	}
	return nil, again, nil
}

// final reports whether nothing but the end of the record's life changes it.
func (x *reserving) final(s recordState) bool {
	return s == stateCompleted || s == stateTombstone || s == stateUnknown && x.unknownPolicy(x.call.Operation) == ""
}

func (x *reserving) refuse(of condition.Condition) { x.v.Condition = of }

// take puts the record in flight. What was found has to be what the call was
// charged for.
func (x *reserving) take(ctx context.Context) (r *Reservation, again bool) {
	if x.v.repeat || x.f.version != x.seen {
		return nil, x.restart(ctx)
	}
	rules := &x.Contract.Idempotency
	now := time.Now()
	r = &Reservation{c: x.Controller, key: x.f.key, said: x.f.said, v: x.v, begun: now, fresh: now, over: make(chan struct{}), version: x.f.version}
	r.kept = kept{
		state: stateInFlight, keep: max(rules.Keep.Truncate(time.Millisecond), time.Millisecond),
		lease: max(rules.Lease.Truncate(time.Millisecond), time.Millisecond), owner: x.state.running.owner(), claim: x.v.holding.claim,
	}
	r.kept.answer.RequestID = x.call.RequestID
	before, after := failpoint.Reserving, failpoint.Reserved
	if x.f.state() == stateUnknown {
		before, after = failpoint.Retaking, failpoint.Retaken
		r.kept.payload = x.f.kept.payload
		r.doubtful = true
		if r.asking = x.unknownPolicy(x.call.Operation) == unknownReconcile; r.asking {
			r.kept.answer.RequestID = x.f.kept.answer.RequestID
		}
	}
	if x.p.Stream == nil {
		whole := x.p.fingerprint(x.call)
		r.kept.payload = &whole
	}
	x.state.running.add(r)
	failpoint.Hit(before)
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.write(ctx, x.reserveTimeout())
	switch {
	case err == nil:
		failpoint.Hit(after)
		return r, false
	case errors.Is(err, ErrLost):
		r.ended = true
		x.state.running.drop(r)
		return nil, x.refresh(ctx)
	}
	// It may be there or come to be. Nothing was done under it: what was before
	// is put back as soon as the store is.
	r.ended, r.owing = true, true
	r.kept.state = stateReleased
	if x.f.kept != nil {
		r.kept.state, r.kept.answer.RequestID = x.f.state(), x.f.kept.answer.RequestID
	}
	x.away(ctx, err)
	return nil, false
}

// reservePatience is how long a reservation is waited for where StoreTimeout says
// nothing. It is a durable write: 64 writers queue for a server's disk longer
// than a decision on a limit may take, and who gives up gets a 503 for a store
// that works.
const reservePatience = 250 * time.Millisecond

func (c *Controller) reserveTimeout() time.Duration {
	if c.StoreTimeout <= 0 {
		return reservePatience
	}
	return c.StoreTimeout
}

// refresh looks at the record again. It reports false when that was not
// possible and the call has been decided upon.
func (x *reserving) refresh(ctx context.Context) bool {
	if err := x.seek(ctx, x.f, x.storeTimeout()); err != nil {
		x.away(ctx, err)
		return false
	}
	return true
}

// away decides about a call whose reservation cannot be made. One that was not
// charged for work may not do any.
func (x *reserving) away(ctx context.Context, cause error) {
	d := deciding{Controller: x.Controller, call: x.call, v: x.v, now: x.state.time.at(x.now())}
	if x.v.repeat {
		x.v.RetryAfter, x.v.HasRetryAfter = awayWait, true
		d.undecided(condition.Unavailable, fmt.Errorf("admission: idempotency key: %w", cause))
		return
	}
	x.v.Keyed = !d.unprotected(ctx, cause)
}

// doubt makes it durable that a call's outcome is unknown, so that whoever ran it
// cannot complete it any more. It reports true when the record has changed.
func (x *reserving) doubt(ctx context.Context) (changed bool) {
	k := *x.f.kept
	k.state, k.owner, k.turn = stateUnknown, owner{}, 0 // its owner must not take this for its own word
	failpoint.Hit(failpoint.Doubting)
	_, err := within(ctx, &x.state.running, x.storeTimeout(), func(ctx context.Context) (store.Version, error) {
		return x.Store.Swap(ctx, x.f.key, x.f.version, k.encode(), k.keep)
	})
	switch {
	case err == nil:
		failpoint.Hit(failpoint.Doubted)
	case errors.Is(err, store.ErrConflict):
		return x.refresh(ctx)
	default:
		x.away(ctx, err)
	}
	return false
}

// restart decides anew about a call that was not charged for being worked on,
// now that it could be.
func (x *reserving) restart(ctx context.Context) (again bool) {
	if x.anew--; x.anew < 0 {
		x.inProgress()
		return false
	}
	ending := Left
	if x.v.repeat { // nothing but rates was taken
		ending = Unsent
	}
	x.Settle(ctx, x.call, x.v, ending)
	x.Admit(ctx, x.call, x.v)
	x.seen = x.f.version
	return x.v.Admitted && x.v.Keyed
}

// wait waits for the end of another call with the key, where the contract wants
// it. It reports whether there is news; otherwise the call has been refused.
func (x *reserving) wait(ctx context.Context) (news bool) {
	running := &x.state.running
	if x.Contract.Idempotency.InFlight != inFlightWait || !running.queue() {
		x.inProgress()
		return false
	}
	defer running.leave()
	deadline, cancel := context.WithDeadline(ctx, x.until)
	defer cancel()
	for pause := firstPoll; x.sleep(deadline, pause); pause = min(pause*2, longestPoll) {
		f := lookup{key: x.f.key, said: x.f.said}
		if err := x.seek(ctx, &f, x.storeTimeout()); err != nil {
			continue // it may come back before the wait is over
		}
		*x.f = f
		if f.state() != stateInFlight {
			return true
		}
	}
	x.inProgress()
	return false
}

const (
	firstPoll   = 10 * time.Millisecond
	longestPoll = 250 * time.Millisecond
	// pollHere is for calls of this process, whose end is heard of.
	pollHere = time.Second
)

// sleep lets a while pass, or a shorter one when the call ends that is waited
// for and it runs here. It reports false when there is no time left.
func (x *reserving) sleep(ctx context.Context, pause time.Duration) bool {
	var over <-chan struct{}
	if k := x.f.kept; k.owner == x.state.running.owner() {
		if r := x.state.running.get(k.turn); r != nil {
			over, pause = r.over, pollHere
		}
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return ctx.Err() == nil
}

// inProgress refuses a duplicate of a call under way. When that will end nobody
// knows: the longer it takes, the longer the caller is asked to wait, but never
// beyond the time at which the outcome is given up.
func (x *reserving) inProgress() {
	wait := time.Second
	if k := x.f.kept; k != nil {
		age := k.age + k.lease - x.f.remaining
		if r := x.state.running.get(k.turn); r != nil && k.owner == x.state.running.owner() {
			age = time.Since(r.begun)
		}
		wait = max(min(age, x.f.remaining), time.Second)
	}
	x.v.RetryAfter, x.v.HasRetryAfter = wait, true
	x.refuse(condition.IdempotencyInProgress)
}
