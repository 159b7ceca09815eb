package admission

import (
	"context"
	"time"

	"github.com/failwell/failwell/store/meter"
)

// telling stands behind leases and tells the breaker when the store has really
// been asked and has answered.
type telling struct {
	meter   meter.Meter
	breaker *breaker
}

// Take implements meter.Meter.
func (x *telling) Take(ctx context.Context, t *meter.Taking) error {
	began := time.Now()
	err := x.meter.Take(ctx, t)
	if err == nil {
		x.breaker.answered(time.Since(began))
	}
	return err
}

// Settle implements meter.Meter.
func (x *telling) Settle(ctx context.Context, s *meter.Settlement) error {
	began := time.Now()
	err := x.meter.Settle(ctx, s)
	if err == nil {
		x.breaker.answered(time.Since(began))
	}
	return err
}

// Close is for the end of the process: it settles what the store did not take
// when calls ended, and gives units back that were taken ahead and not given out.
// What the store does not take until ctx ends is logged, and stays charged.
// Decisions after it ask the store.
func (c *Controller) Close(ctx context.Context) error {
	c.once.Do(c.prepare)
	c.state.debts.close(ctx)
	if c.state.leased == nil {
		return nil
	}
	return c.state.leased.Close(ctx)
}
