package admission

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/store/meter"
)

// debts are settlements that the store did not take when their calls ended,
// because it was away or too slow. Each is tried again until it is taken. That
// the first attempt may have been taken all the same does not matter: a claim is
// settled once. Nothing runs while there are none.
type debts struct {
	pay    func(context.Context, *meter.Settlement) error
	logger *slog.Logger

	mu    sync.Mutex
	owed  []debt // those that were tried last are last
	timer *time.Timer
	pause time.Duration
	// late counts what was paid since there were none.
	late int
	// stop ends the attempts under way, and closed says that there are no more.
	stop   context.CancelFunc
	closed bool
	// working is held by whoever makes a round.
	working sync.Mutex
	// count is of all that are owed, those that are being tried too.
	count atomic.Int64
}

type debt struct {
	*meter.Settlement

	since time.Time
	// keep is for how long the hold lasts, if nobody renews it.
	keep time.Duration
}

const (
	// maxDebts bounds the memory of an outage, at some 400 bytes each.
	maxDebts = 1 << 14
	// payers is how many are tried at once when the store answers.
	payers = 16
	// A debt is tried again after firstPause, and after twice as long each time
	// that the store does not answer, up to longestPause.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

var (
	errDebts  = errors.New("too many settlements wait for the store")
	errEnding = errors.New("the process ends")
)

// owe has a settlement tried again, or says why not.
func (d *debts) owe(s *meter.Settlement, keep time.Duration) error {
	if d.count.Add(1) > maxDebts {
		d.count.Add(-1)
		return errDebts
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		d.count.Add(-1)
		return errEnding
	}
	d.owed = append(d.owed, debt{s, time.Now(), keep})
	if d.timer == nil {
		d.pause = firstPause
		d.timer = time.AfterFunc(d.pause, d.turn)
	}
	return nil
}

// turn tries all, and comes back while there are any.
func (d *debts) turn() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d.mu.Lock()
	d.stop = cancel
	d.mu.Unlock()
	paid := d.round(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return
	case len(d.owed) == 0:
		d.timer = nil
		if d.logger != nil && d.late > 0 {
			d.logger.Info("the store has taken all that could not be settled when calls ended", "settlements", d.late)
		}
		d.late = 0
		return
	case paid:
		d.pause = firstPause
	default:
		d.pause = min(2*d.pause, longestPause)
	}
	d.timer.Reset(d.pause)
}

// round tries what is owed, one after the other until the store has taken one,
// and several at once from then on until it does not. It reports whether any was
// taken.
func (d *debts) round(ctx context.Context) (paid bool) {
	d.working.Lock()
	defer d.working.Unlock()
	due := d.due()
	first := 0
	for ; first < min(len(due), tolerated) && !paid; first++ {
		paid = d.try(ctx, due[first])
	}
	var next, failures atomic.Int64
	next.Store(int64(first))
	var all sync.WaitGroup
	for range payers {
		if !paid {
			break
		}
		all.Go(func() {
			for failures.Load() < tolerated {
				i := int(next.Add(1)) - 1
				if i >= len(due) {
					return
				}
				if !d.try(ctx, due[i]) {
					failures.Add(1)
				}
			}
		})
	}
	all.Wait()
	if tried := int(next.Load()); tried < len(due) {
		d.mu.Lock()
		d.owed = slices.Concat(due[tried:], d.owed) // they come first next time
		d.mu.Unlock()
	}
	return paid
}

func (d *debts) due() []debt {
	d.mu.Lock()
	defer d.mu.Unlock()
	due := d.owed
	d.owed = nil
	return due
}

// try puts one that was not taken last, or gives it up: when its hold is over, and
// there is nothing to settle any more, or when it has none and may have been taken.
func (d *debts) try(ctx context.Context, x debt) (paid bool) {
	bounded, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	err := guarded(bounded, func(ctx context.Context) error { return d.pay(ctx, x.Settlement) })
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.count.Add(-1)
		d.late++
		return true
	case time.Since(x.since) > x.keep, errors.Is(err, meter.ErrInvalid), x.Hold == "" && !unasked(err):
		d.count.Add(-1)
		d.lost(err, 1)
		return false
	}
	d.owed = append(d.owed, x)
	return false
}

func (d *debts) lost(cause error, n int) {
	if d.logger != nil {
		d.logger.Warn("what calls took was not settled, it stays charged", "settlements", n, "err", cause)
	}
}

// close tries once more what is owed, until ctx ends, and says how many are left.
func (d *debts) close(ctx context.Context) {
	d.mu.Lock()
	d.closed = true
	if d.stop != nil {
		d.stop()
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	for ctx.Err() == nil && d.round(ctx) {
		continue
	}
	if n := len(d.due()); n > 0 {
		d.count.Add(int64(-n))
		d.lost(errEnding, n)
	}
}

// unasked reports whether an error says that the store was not even asked.
func unasked(err error) bool {
	return errors.Is(err, errAway) || errors.Is(err, errSlowStore) || errors.Is(err, errBusyStore) || errors.Is(err, errUnbegun)
}

// owe sees to a settlement that the store did not take. Rates are left to time.
// What is given back without a hold can only be tried again where the store was
// not asked: nothing would tell a second time from the first.
func (c *Controller) owe(ctx context.Context, s *meter.Settlement, cause error) {
	later := *s
	later.Changes = slices.DeleteFunc(slices.Clone(s.Changes), func(x meter.Change) bool { return !x.Rule.Kind.Counts() })
	if len(later.Changes) == 0 {
		return
	}
	now := c.state.time.at(c.now())
	if later.Hold != "" || unasked(cause) {
		full := c.state.debts.owe(&later, c.holds(&later))
		if full == nil {
			c.warn(ctx, now, "what a call took could not be settled yet, it is tried again until the store takes it", "err", cause)
			return
		}
		cause = errors.Join(full, cause)
	}
	c.warn(ctx, now, "what a call took could not be given back, it stays charged", "err", cause)
}

// holds is how long what a settlement is about is held at least.
func (c *Controller) holds(s *meter.Settlement) time.Duration {
	for i := range s.Changes {
		if k := s.Changes[i].Rule.Kind; k == meter.Allowance || k == meter.Balance {
			return c.keep()
		}
	}
	return c.lease()
}
