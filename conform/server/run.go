package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// run sends what is planned. What has no answer is for the rules, but for the
// very first request: then there is no server.
func (k *checker) run(ctx context.Context) error {
	k.began = k.config.Clock()
	probes := k.plan()
	if len(probes) == 0 {
		return fmt.Errorf("%w: there is nothing to send", ErrConfig)
	}
	k.planned = len(probes)
	for i := 0; i < len(probes); i++ {
		k.done = i
		var err error
		switch p := probes[i]; p.kind {
		case kindFirst:
			group := i
			for i+1 < len(probes) && slices.Contains(repetitions, probes[i+1].kind) {
				i++
			}
			err = k.repeat(ctx, probes[group:i+1])
		case kindFill:
			err = k.exhaust(ctx, p)
		case kindSpend:
			err = k.spend(ctx, p)
		case kindCrowd:
			err = k.throng(ctx, p)
		default:
			_, err = k.patient(ctx, p, nil)
		}
		if errors.Is(err, errSpent) {
			return nil
		}
		if err != nil {
			return err
		}
		if first := k.seen[0]; i == 0 && first.err != nil {
			return fmt.Errorf("%w: %w", ErrUnreachable, first.err)
		}
		if last := k.seen[len(k.seen)-1]; k.refusedKey(last) {
			return fmt.Errorf("%w: the key that should work is refused: %s: %s", ErrConfig, last.line(), last.outcome())
		}
	}
	return nil
}

// hindered reports whether a limit, or a server that asks for another try, came
// before what should be learnt.
func (k *checker) hindered(x *exchange) bool {
	if !x.failed || !x.failure.HasRetryAfter || slices.Contains(x.want, x.failure.Condition) {
		return false
	}
	switch x.failure.Condition {
	case condition.RateLimited, condition.ConcurrencyExceeded, condition.Overloaded, condition.Unavailable:
		return true
	}
	return false
}

// barred reports whether the key that should work is let in, but not to this:
// what else is wrong with a call may then be told or not.
func (k *checker) barred(x *exchange) bool {
	if !x.failed || x.request.key != validKey && x.request.key != otherKey {
		return false
	}
	switch x.failure.Condition {
	case condition.PermissionDenied, condition.FeatureUnavailable, condition.QuotaExhausted, condition.BalanceInsufficient,
		condition.PaymentRequired, condition.StorageExhausted, condition.ConcurrencyExceeded, condition.Overloaded:
		return !slices.Contains(x.want, x.failure.Condition)
	}
	return false
}

// refusedKey reports whether the key that should work is not let in at all.
func (k *checker) refusedKey(x *exchange) bool {
	return x.kind == kindPlain && x.request.key == validKey && x.status == http.StatusUnauthorized
}

// repetitions follow the first call under an idempotency key.
var repetitions = []kind{kindAgain, kindOther, kindElsewhere, kindAccount, kindAtOnce}

// repeat makes a call under an idempotency key, and its repetitions if it succeeds.
func (k *checker) repeat(ctx context.Context, group []*probe) error {
	first, err := k.patient(ctx, group[0], nil)
	if err != nil || !first.succeeded() {
		return err
	}
	var together []*probe
	for _, p := range group[1:] {
		if p.kind == kindAtOnce {
			together = append(together, p)
			continue
		}
		if _, err := k.patient(ctx, p, first); err != nil {
			return err
		}
	}
	return k.together(ctx, together)
}

func (x *exchange) succeeded() bool {
	return x.err == nil && x.status >= 200 && x.status < 300 && !x.failed
}

// together sends requests at the same time.
func (k *checker) together(ctx context.Context, probes []*probe) error {
	if k.count+len(probes) > k.config.MaxRequests {
		return errSpent
	}
	if err := k.pause(ctx); err != nil {
		return err
	}
	out := make([]*exchange, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		k.count++
		k.config.Sent(k.count, p.about())
		all.Go(func() { out[i] = k.exchange(ctx, p, nil) })
	}
	all.Wait()
	k.last = k.config.Clock()
	if ctx.Err() != nil {
		return context.Cause(ctx) // calls that were cut short say nothing of the others
	}
	k.seen = append(k.seen, out...)
	return nil
}

// exhaust uses a limit up, then comes again at once, a little before the wait is
// over, and when it is.
func (k *checker) exhaust(ctx context.Context, p *probe) error {
	last, err := k.fill(ctx, p)
	if err != nil || last == nil {
		return err
	}
	again := func(kind kind, subject string, before *exchange) (*exchange, error) {
		next := *p
		next.kind, next.subject = kind, subject
		return k.doNow(ctx, &next, before)
	}
	full, err := again(kindFull, "right after the limit was used up", nil)
	if err != nil || !k.limited(full) || !full.failure.HasRetryAfter {
		return err
	}
	wait, told := full.failure.RetryAfter, k.config.Clock()
	if wait > k.config.Patience {
		k.unlimited = fmt.Sprintf("the wait of %v is longer than the check's patience of %v", wait, k.config.Patience)
		return nil
	}
	if early := wait - grain(wait) - max(50*time.Millisecond, 2*full.took); early > 50*time.Millisecond {
		if err := k.config.Sleep(ctx, early); err != nil {
			return err
		}
		if _, err := again(kindEarly, "before the wait is over", full); err != nil {
			return err
		}
	}
	if err := k.config.Sleep(ctx, wait-k.config.Clock().Sub(told)); err != nil {
		return err
	}
	_, err = again(kindOnTime, "when the wait is over", full)
	return err
}

// grain is what a wait was rounded up by at most: most are in whole seconds.
func grain(wait time.Duration) time.Duration {
	if wait%time.Second == 0 {
		return time.Second
	}
	return time.Millisecond
}

// fill calls until it is refused; nil with a reason in k.unlimited when it never is.
func (k *checker) fill(ctx context.Context, p *probe) (*exchange, error) {
	for {
		if k.config.MaxRequests-k.count < 4 {
			k.unlimited = fmt.Sprintf("%d calls did not use the limit up, and more may not be sent", k.filled())
			return nil, nil //nolint:nilnil // the reason is noted
		}
		x, err := k.doNow(ctx, p, nil)
		switch {
		case err != nil:
			return nil, err
		case k.limited(x):
			return x, nil
		case x.err != nil || x.status >= http.StatusBadRequest:
			k.unlimited = p.line() + " was answered with " + x.outcome()
			return nil, nil //nolint:nilnil,nilerr // as above
		}
	}
}

// limited reports whether a rate limit refused.
func (k *checker) limited(x *exchange) bool {
	return x.failed && (x.failure.Condition == condition.RateLimited || x.status == 429)
}
