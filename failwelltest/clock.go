package failwelltest

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Clock is time that nobody has to wait for: Sleep sets it forward and returns.
// Its methods fit the fields of a transport:
//
//	transport := &failwell.Transport{Now: clock.Now, Sleep: clock.Sleep, …}
//
// The zero Clock begins at 2000-01-01T00:00:00Z. It is safe for concurrent use;
// sleeps of several goroutines add up, so for a crowd testing/synctest is better.
type Clock struct {
	mu     sync.Mutex
	passed time.Duration
	waits  []time.Duration
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).Add(c.passed)
}

// Sleep passes d at once. Where the context has ended it passes nothing and
// returns the context's error.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err //nolint:wrapcheck // it is the caller's own
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
	c.waits = append(c.waits, d)
	return nil
}

// Advance sets the clock forward without anybody waiting.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
}

// Waits are the sleeps so far, in their order.
func (c *Clock) Waits() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.waits)
}
