package admission

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"strconv"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// chooseMeter sets up who decides over limits, as Controller.Meter documents.
func (c *Controller) chooseMeter(s *state) {
	near := &meter.Local{Clock: c.Clock}
	f := &s.front
	f.near, f.breaker.logger, f.breaker.timeout = near, c.Logger, c.storeTimeout()
	itself, ok := c.Store.(meter.Meter)
	switch {
	case c.Meter != nil:
		f.far = c.Meter
	case ok:
		f.far = itself
	case c.Store == nil:
		f.far, f.private = near, true
	case store.Shared(c.Store):
		f.far = &Ledger{Store: c.Store}
	default:
		f.far, f.private = &Ledger{Store: c.Store, Rates: near}, true
	}
	f.asked = f.far
	if c.Leased && !f.private {
		s.leased = &meter.Leased{Behind: &telling{f.far, &f.breaker}, Clock: c.Clock}
		f.far, f.leased = s.leased, true
	}
	if c.Overload != nil {
		s.room = newRoom(c.Overload)
	}
	s.renewals.every = c.lease() / 3
	s.renewals.renew = func(x *renewal) {
		if err := s.again(x, c.storeTimeout()); err != nil {
			c.warn(context.Background(), s.time.at(c.now()), "the lease of a running call could not be renewed", "err", err)
		}
	}
	s.prefix = "call/" + rand.Text() + "/"
	s.claims.Store(mathrand.Uint64()) //nolint:gosec // only has to differ from other processes' numbers
	s.debts.pay, s.debts.logger = f.asked.Settle, c.Logger
	s.renewals.late = func(x *renewal) { c.leave(x.left(), x.local) }
	f.doubted = func(t *meter.Taking, cause error) {
		for _, x := range undoing(t) {
			if x.Hold != "" {
				c.owe(context.Background(), x, cause)
			}
		}
	}
}

// leave gives a claim back.
func (c *Controller) leave(x *meter.Settlement, local bool) {
	ctx := context.Background()
	if err := c.state.front.settle(ctx, x, local, &patience{limit: c.storeTimeout()}); err != nil {
		c.owe(ctx, x, err)
	}
}

// claim numbers a claim as no other process does, as far as chance allows, and
// never 0.
func (s *state) claim() uint64 { return s.claims.Add(1)%meter.MaxUnits + 1 }

// unique names a hold as no other process names one.
func (s *state) unique() string {
	return s.prefix + strconv.FormatUint(s.holds.Add(1), 36)
}
