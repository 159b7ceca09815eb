package failwell

import (
	"cmp"
	"context"
	"net/http"
	"time"
)

// CallOptions are wishes for single calls, which travel in the context; see
// [WithOptions]. A field that is zero leaves it to the [Transport].
type CallOptions struct {
	// MaxAttempts counts all tries of the call; 1 never repeats.
	MaxAttempts int
	// MaxWait is [Transport].MaxWait of the call; negative is no bound.
	MaxWait time.Duration
	// AttemptTimeout is [Transport].AttemptTimeout of the call; negative is none.
	AttemptTimeout time.Duration
	// Timeout is for the whole call, waits included, until the final response's
	// headers are there, and for a failure its body. The call ends at once when a
	// wait would outlast it. Reading the body of a success is not limited by it,
	// unlike by a deadline of the context, which counts as well.
	Timeout time.Duration
	// IdempotencyKey goes with every attempt, unless the request has one in its
	// header. It belongs to one call: two under one key are the same call to the
	// server. Where there is no contract, its header is Idempotency-Key; where the
	// contract has none, it is not sent.
	IdempotencyKey string
	// NoKeys keeps the transport from adding a key of its own.
	NoKeys bool
	// NoPacing sends the call at once, whatever is known of its limit.
	NoPacing bool
}

type optionsKey struct{}

// WithOptions returns a context whose calls go by o. What o leaves open stays as
// the context had it, so that options for a program, a task and a call add up.
func WithOptions(ctx context.Context, o CallOptions) context.Context {
	if outer := optionsOf(ctx); outer != nil {
		o.MaxAttempts = cmp.Or(o.MaxAttempts, outer.MaxAttempts)
		o.MaxWait = cmp.Or(o.MaxWait, outer.MaxWait)
		o.AttemptTimeout = cmp.Or(o.AttemptTimeout, outer.AttemptTimeout)
		o.Timeout = cmp.Or(o.Timeout, outer.Timeout)
		o.IdempotencyKey = cmp.Or(o.IdempotencyKey, outer.IdempotencyKey)
		o.NoKeys = o.NoKeys || outer.NoKeys
		o.NoPacing = o.NoPacing || outer.NoPacing
	}
	return context.WithValue(ctx, optionsKey{}, &o)
}

func optionsOf(ctx context.Context) *CallOptions {
	o, _ := ctx.Value(optionsKey{}).(*CallOptions)
	return o
}

// rulesOf are the rules for one call.
func (t *Transport) rulesOf(req *http.Request) *clientRules {
	r := t.rules()
	o := optionsOf(req.Context())
	if o == nil {
		return r
	}
	own := *r
	own.attempts = cmp.Or(o.MaxAttempts, r.attempts)
	own.maxWait = cmp.Or(o.MaxWait, r.maxWait)
	own.timeout = cmp.Or(o.AttemptTimeout, r.timeout)
	if o.Timeout > 0 {
		own.deadline = t.now().Add(o.Timeout)
	}
	own.key, own.noKeys, own.noPacing = o.IdempotencyKey, r.noKeys || o.NoKeys, r.noPacing || o.NoPacing
	return &own
}
