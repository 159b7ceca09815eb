package admission

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/failwell/failwell/store"
)

// ledgerClock is the store's clock as this process knows it.
type ledgerClock struct {
	shared bool

	mu sync.Mutex
	// here and there are one instant, on this process's clock and on the store's.
	here, there time.Time
}

// clockEvery is how often the store's clock is read. Clocks of computers drift
// by up to 200 ppm, a millisecond in that time.
const clockEvery = 5 * time.Second

// now tells the store's time.
func (c *ledgerClock) now(ctx context.Context, s store.Store) (time.Time, error) {
	if !c.shared {
		now, err := s.Now(ctx) // it is in this process
		if err != nil {
			return time.Time{}, fmt.Errorf("admission: ledger: %w", err)
		}
		return now, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := time.Now()
	if !c.here.IsZero() && before.Sub(c.here) < clockEvery {
		return c.there.Add(before.Sub(c.here)), nil
	}
	there, err := s.Now(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("admission: ledger: reading the store's clock: %w", err)
	}
	// It was read at some time in between: the middle is wrong by half of it.
	after := time.Now()
	c.here, c.there = after, there.Add(after.Sub(before)/2)
	return c.there, nil
}
