package admission

import (
	"slices"
	"sync/atomic"
	"time"
)

// Health tells how the store behind the limits does, for metrics. Numbers only
// grow; they count from the start of the process.
type Health struct {
	// Away says that limits go by their policies, because the store is away.
	Away bool
	// Since is when that began or ended; zero if it never did.
	Since time.Time
	// Outages counts how often that began.
	Outages uint64
	// KeysAway says that keys and accounts are served as they were read before,
	// because the store is away, and KeyOutages how often that began.
	KeysAway   bool
	KeyOutages uint64
	// Keys and Accounts tell how they were found.
	Keys, Accounts Lookups
	// Exact, Local, Open and Closed count decisions over limits whose state is in
	// the store: decided there, counted in this process, let in uncounted, and
	// refused with unavailable.
	Exact, Local, Open, Closed uint64
	// Errors counts what was asked of the store and failed or took too long.
	Errors uint64
	// Unsettled is how many settlements of ended calls the store has yet to take.
	Unsettled int64
	// Latency of what was asked of the store and succeeded.
	Latency Histogram
	// InFlightBytes and InFlightCalls are what Overload counts; the latter only
	// where it is adaptive, whose present bound is CallLimit.
	InFlightBytes, InFlightCalls, CallLimit int64
}

// Lookups counts how records were found.
type Lookups struct {
	// Hits were at hand, Misses had to be asked for, and Stale ones were served
	// although they were old, because the store was away.
	Hits, Misses, Stale uint64
}

// Histogram counts durations.
type Histogram struct {
	// Bounds are the upper bounds of all buckets but the last, which has none.
	Bounds []time.Duration
	// Counts has one number for each bucket, not added up: one more than Bounds.
	Counts []uint64
	// Sum of all durations.
	Sum time.Duration
}

// Health returns the present figures.
func (c *Controller) Health() Health {
	c.once.Do(c.prepare)
	b := &c.state.front.breaker
	h := Health{
		Away: b.open.Load(), Exact: b.counts.exact.Load(), Local: b.counts.local.Load(), Open: b.counts.open.Load(),
		Closed: b.counts.closed.Load(), Errors: b.counts.errors.Load(), Unsettled: c.state.debts.count.Load(), Latency: b.took.read(),
	}
	h.Outages = b.outages.Load()
	h.KeysAway, h.KeyOutages = c.state.outage.open.Load(), c.state.outage.times.Load()
	h.Keys, h.Accounts = c.state.keys.lookups(), c.state.accounts.lookups()
	if at := b.changed.Load(); at != 0 {
		h.Since = time.Unix(0, at)
	}
	if r := c.state.room; r != nil {
		h.InFlightBytes = r.bytes.Load()
		if r.adaptive != nil {
			h.InFlightCalls, h.CallLimit = int64(r.adaptive.Inflight()), int64(r.adaptive.Limit())
		}
	}
	return h
}

// latencyBounds span a store in the process and one that has almost timed out.
var latencyBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond,
	2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
}

type histogram struct {
	counts [len(latencyBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) read() Histogram {
	out := Histogram{Bounds: slices.Clone(latencyBounds[:]), Counts: make([]uint64, len(h.counts)), Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		out.Counts[i] = h.counts[i].Load()
	}
	return out
}
