package admission

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/store/meter"
)

// breaker keeps calls from waiting for a store that does not answer. It opens
// after a few failures in a row. From then on nobody waits: now and then a call
// sends a probe off and goes on without it, and the first one that succeeds
// closes the breaker. So no goroutine and no timer outlives the traffic.
type breaker struct {
	logger  *slog.Logger
	timeout time.Duration

	failures atomic.Int32
	open     atomic.Bool
	// late is when the first timeout in a row came, in Unix nanoseconds; 0 for none.
	late atomic.Int64
	// probed is when the last probe began, and changed when the breaker opened
	// or closed, in Unix nanoseconds.
	probed, changed atomic.Int64
	mu              sync.Mutex    // guards changes of open
	outages         atomic.Uint64 // how often it opened

	counts decisions
	took   histogram
}

const (
	// tolerated is how many failures in a row open the breaker. One timeout may
	// be a pause of the garbage collector; each one more costs a caller 20 ms.
	tolerated = 3
	// probeEvery bounds how long the store can be back unnoticed, given traffic.
	probeEvery = 250 * time.Millisecond
	// probeOwner cannot be the id of an account, whose ids are printable.
	probeOwner = "\x00probe"
)

// decisions counts how decisions were made that touch a limit in the store.
type decisions struct{ exact, local, open, closed, errors atomic.Uint64 }

// let reports whether the store may be asked.
func (b *breaker) let(f *front) bool {
	if !b.open.Load() {
		return true
	}
	now := time.Now().UnixNano()
	last := b.probed.Load()
	if now-last >= int64(probeEvery) && b.probed.CompareAndSwap(last, now) {
		go b.probe(f.asked)
	}
	return false
}

// probe takes from a limit that nobody else has, so that a store which can be
// read and not written counts as away.
func (b *breaker) probe(far meter.Meter) {
	ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
	defer cancel()
	rule := meter.Rule{Kind: meter.Window, Limit: 1 << 30, Per: time.Second}
	t := meter.Taking{
		Owner: probeOwner, Demands: []meter.Demand{{Limit: "probe", Subject: probeOwner, Rule: &rule, Cost: 1}},
		Outcomes: make([]meter.Outcome, 1),
	}
	began := time.Now()
	if err := guarded(ctx, func(ctx context.Context) error { return far.Take(ctx, &t) }); err != nil {
		b.counts.errors.Add(1)
		return
	}
	b.answered(time.Since(began))
}

func (b *breaker) answered(took time.Duration) {
	b.took.observe(took)
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
	if b.late.Load() != 0 {
		b.late.Store(0)
	}
	if b.open.Load() {
		b.turn(false, nil)
	}
}

// failed counts a failure. Callers who wait together see one and the same pause
// of the store, a hundred of them as well as three: timeouts count as failures in
// a row only where another caller's whole wait lies between them.
func (b *breaker) failed(err error) {
	b.counts.errors.Add(1)
	often := b.failures.Add(1) >= tolerated
	if errors.Is(err, context.DeadlineExceeded) {
		now := time.Now().UnixNano()
		b.late.CompareAndSwap(0, now)
		often = often && now-b.late.Load() >= int64(b.timeout)
	}
	if often {
		b.turn(true, err)
	}
}

// turn opens or closes the breaker, once, and says so in one line.
func (b *breaker) turn(open bool, cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open.Load() == open {
		return
	}
	now := time.Now()
	since := time.Unix(0, b.changed.Swap(now.UnixNano()))
	b.probed.Store(now.UnixNano())
	b.open.Store(open)
	if open {
		b.outages.Add(1)
	}
	switch {
	case b.logger == nil:
	case open:
		b.logger.Warn("the store of the limits is away: each limit goes by its policy until it is back", "err", cause)
	default:
		b.logger.Info("the store of the limits is back", "away", now.Sub(since).Round(time.Millisecond),
			"local", b.counts.local.Load(), "open", b.counts.open.Load(), "closed", b.counts.closed.Load())
	}
}
