package failwell

import (
	"context"
	"net/http"
	"strconv"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/internal/failpoint"
)

// NotDone says that nothing of what the request asks for has been done, nor will
// be: for a handler that hands work on and knows that it was not taken. ctx is
// the request's. The request costs nothing then, and its idempotency key is
// free, so that it can be made again.
func NotDone(ctx context.Context) {
	if x := exchangeOf(ctx); x != nil {
		x.notDone.Store(true)
	}
}

// IdempotencyKey returns the key under which the request of a context is worked
// on once, without quotes; "" when there is none. A handler that passes work on
// may pass it on as well.
func IdempotencyKey(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil && x.keyed != nil {
		return x.keyed.reservation.IdempotencyKey()
	}
	return ""
}

// outcome is what is recorded of a keyed call; docs/design.md has the table.
type outcome uint8

const (
	finished outcome = iota
	released
	doubted
)

// outcome tells from what the handler did how the call ended. broken says that
// its request or its response broke off.
func (x *exchange) outcome(broken bool) outcome {
	switch {
	case x.notDone.Load():
		return released
	case broken, !x.keyed.passing && x.truncated():
		return doubted
	}
	return x.said()
}

// said tells what an answer says of the work by its head.
func (x *exchange) said() outcome {
	switch {
	case x.notDone.Load():
		return released
	case x.failed == condition.UpstreamTimeout, x.failed == condition.UpstreamUnreachable:
		return doubted
	case x.failed == condition.Unavailable, x.status == http.StatusServiceUnavailable:
		// With a Retry-After it says: not now. Without one it may as well come from
		// something in between that lost sight of the work; proxies answer 503 for
		// connections that were reset after the request was sent.
		if len(x.header("Retry-After"))+len(x.header(x.guard.state.retryAfterKey)) > 0 {
			return released
		}
		return doubted
	}
	switch x.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return released
	case http.StatusInternalServerError, http.StatusNotImplemented:
		return finished
	}
	if x.status < http.StatusInternalServerError {
		return finished
	}
	return doubted
}

// header returns a header of the captured answer.
func (x *exchange) header(name string) []string { return x.keyed.header[name] }

// truncated reports whether the handler has announced more than it wrote.
func (x *exchange) truncated() bool {
	length := x.keyed.header["Content-Length"]
	if len(length) != 1 || x.call.Method == http.MethodHead || !bodyAllowed(x.status) {
		return false
	}
	n, err := strconv.Atoi(length[0])
	return err == nil && n != len(x.keyed.answer)
}

// endingOf is how a call is settled whose answer is known: what did not succeed
// takes nothing of quotas, balances and storage.
func endingOf(status int) admission.Ending {
	if status >= http.StatusBadRequest {
		return admission.Failed
	}
	return admission.Done
}

// settle tells Admission how the call ended; only the first time counts.
func (g *Guard) settle(x *exchange) {
	if g.Admission == nil || !x.verdict.Admitted {
		return
	}
	x.charging.Lock()
	defer x.charging.Unlock()
	if x.stored != nil && x.call.Size < 0 {
		x.call.Size = x.stored.n.Load()
	}
	g.Admission.Settle(x.ctx, &x.call, &x.verdict, x.ending())
}

func (x *exchange) ending() admission.Ending {
	switch {
	case x.keyed != nil:
		return x.keyed.ending
	case x.repeated, x.verdict.Keyed: // what the key holds may be another's
		return admission.Left
	case x.notDone.Load(), !x.begun:
		return admission.Unsent
	}
	return endingOf(x.status)
}

func hitReconciling() { failpoint.Hit(failpoint.Reconciling) }

func hitReconciled() { failpoint.Hit(failpoint.Reconciled) }
