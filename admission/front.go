package admission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store/meter"
)

// front stands before the meters. While the one that asks the store answers, it
// decides; when it does not, each limit goes by its policy, and what is counted
// in this process meanwhile is not added to the store's counts later: it may
// never come back, and a crowd of old counts would then refuse callers who have
// done nothing since.
type front struct {
	// far asks the store. It returns soon after its context has ended.
	far meter.Meter
	// asked is the meter in the store itself, without leases before it.
	asked meter.Meter
	// leased says that far may answer without the store, so that its answers say
	// nothing about it.
	leased bool
	// near counts in this process and does not fail.
	near meter.Meter
	// doubted is told of what may have been taken, although nobody waited for it.
	doubted func(t *meter.Taking, cause error)
	// private says that no other process uses the store: rates and slots are near.
	private bool
	breaker breaker
}

var (
	errAway  = errors.New("the store of the limits is away, and a limit of this call is closed then")
	errPanic = errors.New("the meter panicked")
)

// remote reports whether a limit's state is in the store.
func (f *front) remote(k meter.Kind) bool {
	return !f.private || k == meter.Allowance || k == meter.Balance || k == meter.Capacity
}

func (f *front) anyRemote(s *scratch) bool {
	if !f.private {
		return true
	}
	if !s.counts {
		return false
	}
	for _, l := range s.of {
		if f.remote(l.rule.Kind) {
			return true
		}
	}
	return false
}

// take decides. local says that the store was needed and away, and that what
// was taken was taken in this process. An error says that nothing was decided.
func (f *front) take(ctx context.Context, s *scratch, p *patience) (local bool, err error) {
	if !f.anyRemote(s) {
		return false, f.near.Take(ctx, &s.taking)
	}
	if f.breaker.let(f) { // a probe outlives the call that sends it off
		if err = f.ask(ctx, p, func(ctx context.Context) error { return f.far.Take(ctx, &s.taking) }); err == nil {
			f.breaker.counts.exact.Add(1)
			return false, nil
		}
		if !unasked(err) && !errors.Is(err, meter.ErrInvalid) {
			f.doubted(&s.taking, err)
		}
		if context.Cause(ctx) != nil || errors.Is(err, meter.ErrInvalid) {
			return false, err
		}
	} else {
		err = errAway
	}
	return true, f.alone(ctx, s, err)
}

// ask waits for the store as long as the decision has patience.
func (f *front) ask(ctx context.Context, p *patience, do func(context.Context) error) error {
	left := p.left()
	if left <= 0 {
		return errSlowStore // keys took it all; that says nothing about limits
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	err := guarded(bounded, do)
	switch took := time.Since(began); {
	case err == nil:
		if !f.leased {
			f.breaker.answered(took)
		}
	case errors.Is(err, meter.ErrInvalid), ctx.Err() != nil:
	case left < p.limit/2 && bounded.Err() != nil:
	default:
		f.breaker.failed(err)
	}
	return err
}

// guarded turns a panic into an error: a broken driver must not end calls that
// can do without it.
func guarded(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	return do(ctx)
}

// alone decides without the store: a limit that is closed refuses the call,
// one that is open is not looked at, and the others are counted here.
func (f *front) alone(ctx context.Context, s *scratch, cause error) error {
	kept := 0
	for i, l := range s.of {
		away := contract.AwayLocal
		if f.remote(l.rule.Kind) {
			away = l.away
		}
		if away == contract.AwayClosed && s.demands[i].Cost > 0 {
			f.breaker.counts.closed.Add(1)
			return fmt.Errorf("admission: %s: %w", l.name, cause)
		}
		if away == contract.AwayLocal {
			s.demands[kept], s.of[kept] = s.demands[i], l
			kept++
		}
	}
	s.demands, s.of = s.demands[:kept], s.of[:kept]
	s.room()
	t := &s.taking
	if kept == 0 {
		t.Admitted = true
		f.breaker.counts.open.Add(1)
		return nil
	}
	f.breaker.counts.local.Add(1)
	return f.near.Take(ctx, t)
}

// look asks how limits stand, and charges nothing.
func (f *front) look(ctx context.Context, s *scratch, p *patience) error {
	if !f.anyRemote(s) {
		return f.near.Take(ctx, &s.taking)
	}
	if !f.breaker.let(f) { // as above
		return errAway
	}
	return f.ask(ctx, p, func(ctx context.Context) error { return f.far.Take(ctx, &s.taking) })
}

// settle ends what take began, in the meters where it was taken.
func (f *front) settle(ctx context.Context, s *meter.Settlement, local bool, p *patience) error {
	remote := false
	for i := range s.Changes {
		remote = remote || f.remote(s.Changes[i].Rule.Kind)
	}
	switch {
	case len(s.Changes) == 0:
		return nil
	case local || !remote:
		return f.near.Settle(ctx, s)
	case !f.breaker.let(f): // as above
		return errAway
	}
	return f.ask(ctx, p, func(ctx context.Context) error { return f.far.Settle(ctx, s) })
}

// renew takes a hold once more where it was taken.
func (f *front) renew(ctx context.Context, t *meter.Taking, local bool, p *patience) error {
	remote := false
	for i := range t.Demands {
		remote = remote || f.remote(t.Demands[i].Rule.Kind)
	}
	switch {
	case local || !remote:
		return f.near.Take(ctx, t)
	case !f.breaker.let(f): // as above
		return errAway
	}
	return f.ask(ctx, p, func(ctx context.Context) error { return f.far.Take(ctx, t) })
}
