package admission

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/failwell/failwell/internal/failpoint"
	"github.com/failwell/failwell/store"
)

// Reservation is the right to work on a call, once. It has to be ended by one
// of Complete, Tombstone, Release and Unknown; what they have written is durable
// when they return nil. Its lease is renewed until then. After [ErrLost] the call
// is another's and nobody knows what became of it; after any other error the
// store is away: the end is written as soon as it is back, and until then, or
// when the process ends before, the outcome is unknown.
//
// Its methods may be used from any goroutine. The end of a context does not end
// them: each waits for the store for up to a third of the lease.
type Reservation struct {
	c *Controller
	// key of the record, said is the caller's own.
	key, said string
	// v is the verdict on the call.
	v *Verdict
	// begun and fresh are by our clock: when the call began, and when the record
	// was last written.
	begun, fresh time.Time
	// over is closed when the reservation has ended.
	over chan struct{}

	mu sync.Mutex
	// asking says that the service is to be asked before there is work to do,
	// doubtful that an earlier call may have done it.
	asking, doubtful bool

	kept    kept
	version store.Version
	ended   bool
	lost    bool
	// owing says that kept is the last state and could not be written.
	owing bool
}

// ErrLost says that a reservation is not this process's any more.
var ErrLost = errors.New("admission: another process took the idempotency key over, this one was too slow")

var errEnded = errors.New("admission: the reservation has ended before")

// releasedFor is how long the trace of a released record stays: longer than any
// call takes from the look at its key to the reservation.
const releasedFor = 10 * time.Minute

// IdempotencyKey returns the key as the caller chose it, without quotes.
func (r *Reservation) IdempotencyKey() string { return r.said }

// Expected returns the fingerprint that the payload must have, when it is known
// from an earlier call and could not be compared yet.
func (r *Reservation) Expected() (Fingerprint, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept.payload == nil {
		return Fingerprint{}, false
	}
	return *r.kept.payload, true
}

// Fingerprint tells what the payload was, once its body has been read.
func (r *Reservation) Fingerprint(f Fingerprint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept.payload = &f
}

// Reconcile reports whether the service has to be asked first what became of
// the call: an earlier one, whose request id is returned, has no known outcome.
// Of an answer the caller tells Complete, of no word Unknown; if the call never
// happened, Begin.
func (r *Reservation) Reconcile() (requestID string, ask bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.answer.RequestID, r.asking
}

// Begin says that the earlier call never happened, and that this one is worked
// on now, under its own request id.
func (r *Reservation) Begin(requestID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asking, r.doubtful, r.kept.answer.RequestID = false, false, requestID
}

// Doubtful reports whether an earlier call of unknown outcome may have done the
// work: then that this one did not leaves the outcome unknown, and Release does
// the same as Unknown.
func (r *Reservation) Doubtful() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.doubtful
}

// Complete keeps the answer, to be replayed. One that is too large for a store
// leaves a tombstone. The request id is the reservation's.
func (r *Reservation) Complete(ctx context.Context, a *Answer) error {
	err := r.end(ctx, failpoint.Completing, failpoint.Completed, func(k *kept) {
		k.state = stateCompleted
		a.RequestID = k.answer.RequestID
		k.answer = *a
		if k.room() > store.MaxValue && len(k.encode()) > store.MaxValue {
			k.bury(a.Status, int64(len(a.Body)), sha256.Sum256(a.Body))
		}
	})
	r.v.final = err == nil
	return err
}

// Tombstone says that the work was done and that its answer is not kept. size
// and digest (SHA-256) are of its body, as far as it is known.
func (r *Reservation) Tombstone(ctx context.Context, status int, size int64, digest [sha256.Size]byte) error {
	err := r.end(ctx, failpoint.Burying, failpoint.Buried, func(k *kept) { k.bury(status, size, digest) })
	r.v.final = err == nil
	return err
}

// Release says that nothing was done, or that the call is to be repeated: the
// key is free. The call is to be settled before, so that whoever takes the key next
// finds the charge given back.
func (r *Reservation) Release(ctx context.Context) error {
	return r.end(ctx, failpoint.Releasing, failpoint.Released, func(k *kept) {
		k.state = stateReleased
		if r.doubtful {
			k.state = stateUnknown
		}
	})
}

// Unknown says that nobody knows what became of the call.
func (r *Reservation) Unknown(ctx context.Context) error {
	return r.end(ctx, failpoint.Doubting, failpoint.Doubted, func(k *kept) { k.state = stateUnknown })
}

func (k *kept) bury(status int, size int64, digest [sha256.Size]byte) {
	k.state, k.size, k.digest = stateTombstone, size, digest
	k.answer = Answer{RequestID: k.answer.RequestID, Status: status}
}

func (r *Reservation) end(ctx context.Context, before, after failpoint.Point, change func(*kept)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return errEnded
	case r.lost:
		r.ended = true
		return ErrLost
	}
	r.ended = true
	change(&r.kept)
	failpoint.Hit(before)
	err := r.write(ctx, r.kept.lease/3)
	if err == nil {
		failpoint.Hit(after)
	}
	if err == nil || errors.Is(err, ErrLost) {
		r.c.state.running.drop(r)
		return err
	}
	r.owing = true
	return fmt.Errorf("admission: the outcome could not be recorded: %w", err)
}

// write puts the record into the store. A write of which it is not known whether
// it happened is found again by the owner and the turn that are in the record.
func (r *Reservation) write(ctx context.Context, limit time.Duration) error {
	began := time.Now()
	until := began.Add(limit)
	r.kept.age = began.Sub(r.begun)
	ttl := r.kept.keep
	if r.kept.state == stateReleased {
		ttl = min(ttl, releasedFor)
	}
	value := r.kept.encode()
	for ; ; began = time.Now() {
		version, err := r.c.swap(ctx, r.key, r.version, value, ttl, until.Sub(began))
		switch {
		case err == nil:
			r.version, r.fresh = version, began
			return nil
		case !errors.Is(err, store.ErrConflict):
			return err
		}
		there, record, err := r.c.fetch(ctx, r.key, time.Until(until))
		switch {
		case err != nil:
			return err
		case there == nil:
			r.version = 0 // expired or evicted; whoever came between would be there
			continue
		case there.owner != r.kept.owner || there.turn != r.kept.turn || record.Version == r.version:
			r.lost = true
			return ErrLost
		}
		r.version = record.Version
		if r.kept.state != stateInFlight && there.state == r.kept.state {
			return nil
		}
	}
}

// renew writes the record again when a third of the lease has gone by, or its
// last state when that could not be written before.
func (r *Reservation) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := time.Since(r.fresh)
	switch {
	case r.owing:
		if err := r.write(context.Background(), r.kept.lease/6); err == nil || errors.Is(err, ErrLost) || since > r.kept.lease {
			r.owing = false
			r.c.state.running.drop(r)
		}
	case !r.ended && !r.lost && since >= r.kept.lease/3:
		failpoint.Hit(failpoint.Renewing)
		if r.write(context.Background(), r.kept.lease/6) == nil {
			failpoint.Hit(failpoint.Renewed)
		}
	}
}
