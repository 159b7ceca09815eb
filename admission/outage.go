package admission

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// outage remembers that the store of keys and accounts does not answer, so that
// only one caller now and then waits to see whether it does again. It opens and
// looks as often as the breaker of the limits, apart from which it stands: limits
// can be kept elsewhere, and a store may still be read that takes no writes.
// Instants are nanoseconds of the timeline.
type outage struct {
	logger *slog.Logger
	// stale is how long what was read is served meanwhile; for the log.
	stale time.Duration

	failures atomic.Int32
	open     atomic.Bool
	probed   atomic.Int64 // when somebody last looked
	mu       sync.Mutex   // guards changes of open
	since    int64
	times    atomic.Uint64 // how often it began
}

// knownAway reports whether the store is away and now is not the time to look.
func (o *outage) knownAway(now int64) bool {
	if !o.open.Load() {
		return false
	}
	last := o.probed.Load()
	return now-last < int64(probeEvery) && now >= last || !o.probed.CompareAndSwap(last, now)
}

func (o *outage) answered(now int64) {
	if o.failures.Load() != 0 {
		o.failures.Store(0)
	}
	if o.open.Load() {
		o.turn(false, now, nil)
	}
}

func (o *outage) failed(now int64, err error) {
	if o.failures.Add(1) >= tolerated && !o.open.Load() {
		o.turn(true, now, err)
	}
}

// turn begins or ends the outage, once, and says so in one line.
func (o *outage) turn(open bool, now int64, cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open.Load() == open {
		return
	}
	o.probed.Store(now)
	o.open.Store(open)
	away := time.Duration(now - o.since)
	o.since = now
	if open {
		o.times.Add(1)
	}
	switch {
	case o.logger == nil:
	case open:
		o.logger.Warn("the store of the keys is away: those read before are served until it is back", "for", o.stale, "err", cause)
	default:
		o.logger.Info("the store of the keys is back", "away", away.Round(time.Millisecond))
	}
}
