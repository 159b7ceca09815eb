package failwell

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// call is what is known of a call after its first attempt failed.
type call struct {
	transport *Transport
	rules     *clientRules
	// req is what the first attempt sent.
	req *http.Request
	// lane is where its calls queue, nil for nowhere. appointed says that the
	// server itself told when to come again.
	lane      *lane
	appointed bool
	refused   refusal
	// secrets are those of the request as it was sent.
	secrets  *secrets
	attempts []Attempt
	few      [2]Attempt // where the first attempts stand
	stopped  Stop
	// at is when the outcome of the last attempt was there.
	at time.Time
	// The last failure: of a response when header is set, else cause. Nobody
	// reads it before glimpse is told.
	failure *contract.Failure // for reading only
	header  http.Header
	body    []byte
	cause   error
	glimpse glimpse
	// front is the beginning of the last failure's body.
	front replayed
	// telling guards the glimpse once the call is over.
	telling sync.Mutex
	// succeeded: there is no failure any more.
	succeeded bool
	// ctx is the request's, with the call in it, once there is one.
	ctx callContext
	// last is the latest repetition, marked what the final response names.
	last, marked *http.Request
}

// glimpse is a response of which only is known what decides about a repetition.
// Most calls succeed then, and nobody asks what it said.
type glimpse struct {
	// of is its attempt, from 1; 0 is none.
	of     int
	status int
	header http.Header
	body   []byte
	at     time.Time
}

// maxGlimpse is how long a body is kept unread beside a call.
const maxGlimpse = 4 << 10

// look reads the outcome of an attempt; it reports whether that was a failure.
func (c *call) look(resp *http.Response, watch *wire, err error, began time.Time) bool {
	t := c.transport
	c.cause = nil
	if c.secrets == nil {
		c.secrets = t.secretsOf(c.req)
	}
	c.attempts = append(c.attempts, Attempt{At: began})
	a := &c.attempts[len(c.attempts)-1]
	failed := true
	if err != nil {
		c.tell()
		c.at = t.now()
		f := networkFailure(err, c.rules.client.Network)
		if t.hopeless(c.req) {
			f.Condition, f.Retry = Unknown, condition.Never
		}
		c.failure, c.header, c.body, c.cause = &f, nil, nil, c.secrets.cleanError(plainSpeech(err))
		a.Reason = c.cause.Error()
		a.describe(&f)
	} else {
		a.Status = resp.StatusCode
		failed = c.rules.mayFail(resp) && c.read(resp)
		watch.done()
		if !failed {
			c.at = t.now()
		}
	}
	a.Duration = c.at.Sub(began)
	if !failed {
		t.attempted(c.req, *a)
	}
	return failed
}

// read takes the failure out of a response and leaves the body as it was.
func (c *call) read(resp *http.Response) bool {
	t, body := c.transport, c.front.peek(resp)
	c.at = t.now()
	r := contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
	seen := t.Contract.Glance(r, c.at)
	f := seen
	if seen == nil {
		f = &contract.Failure{}
	} else if seen.Retry == condition.RetryUnknown { // which settled changes
		own := *seen
		f = &own
	}
	if !settled(f, seen != nil, r.Status) {
		return false
	}
	c.tell() // there is room for one
	c.failure, c.header, c.body = f, nil, nil
	c.glimpse = glimpse{of: len(c.attempts), status: resp.StatusCode, header: resp.Header, body: body, at: c.at}
	if len(t.Hooks) > 0 || t.Logger != nil || len(body) > maxGlimpse {
		c.tell()
	}
	return true
}

// tell reads the glimpse in full, without the credentials that may be echoed.
func (c *call) tell() {
	g := c.glimpse
	if g.of == 0 {
		return
	}
	c.glimpse = glimpse{}
	f, header, body, ok := readFailure(c.transport.Contract, contract.Response{Status: g.status, Header: g.header, Body: g.body}, c.secrets, g.at)
	if !ok { // what made a success a failure was a credential
		f = contract.Failure{Status: g.status}
		settleAdvice(&f)
	}
	c.attempts[g.of-1].describe(&f)
	if !c.succeeded {
		c.failure, c.header, c.body = &f, header, body
	}
}

func (a *Attempt) describe(f *contract.Failure) {
	a.Condition, a.RequestID = f.Condition, f.RequestID
	e := Error{Failure: *f}
	a.Code = e.Name()
	if a.Reason == "" {
		var room [64]byte
		a.Reason = string(append(strconv.AppendInt(append(append(room[:0], a.Code...), " ("...), int64(a.Status), 10), ')'))
	}
}

// note tells what follows on the last attempt.
func (c *call) note(wait time.Duration, stopped Stop) {
	a := &c.attempts[len(c.attempts)-1]
	a.Wait, a.Stopped, c.stopped = wait, stopped, stopped
	t := c.transport
	t.attempted(c.req, *a)
	if t.Logger == nil {
		return
	}
	attrs := []slog.Attr{slog.Int("attempt", len(c.attempts)), slog.Any("error", c.failed())}
	if stopped == "" {
		attrs = append(attrs, slog.Duration("wait", wait))
	}
	t.Logger.LogAttrs(c.req.Context(), slog.LevelInfo, "attempt failed", attrs...)
}

type callKey struct{}

// callContext is a context that leads to a call.
type callContext struct {
	context.Context //nolint:containedctx // one call's own

	call *call
}

func (x *callContext) Value(key any) any {
	if key == (callKey{}) {
		return x.call
	}
	return x.Context.Value(key)
}

// end hands the last outcome to the caller. A response carries what [Check]
// wants to know in the context of its request: unlike a body of a type of our
// own, that survives being wrapped, by http.Client's timeout for one.
func (c *call) end(resp *http.Response, err error) (*http.Response, error) {
	e := c.gaveUp()
	if err != nil {
		return nil, e
	}
	c.mark(resp)
	return resp, nil
}

func (c *call) mark(resp *http.Response) {
	if c.marked = c.last; c.marked == nil {
		c.marked = c.named()
	}
	resp.Request = c.marked
}

// named is a copy of the request that leads to the call.
func (c *call) named() *http.Request {
	if c.ctx.call == nil {
		c.ctx = callContext{c.req.Context(), c}
	}
	return c.req.WithContext(&c.ctx)
}

// succeed keeps what it took, for [Attempts].
func (c *call) succeed(resp *http.Response) {
	c.failure, c.header, c.body, c.cause, c.stopped = nil, nil, nil, nil, ""
	c.succeeded = true
	if len(c.attempts) > 1 {
		c.mark(resp)
	}
}

// failed is the call's error.
func (c *call) failed() *Error {
	c.tell()
	e := &Error{
		Origin: FromServer, Contract: c.transport.Contract,
		Method: methodOf(c.req), URL: c.secrets.address(c.req.URL), IdempotencyKey: c.rules.keyOf(c.req),
		Attempts: slices.Clone(c.attempts), Stopped: c.stopped, Body: c.body, cause: c.cause,
	}
	if c.failure != nil {
		e.Failure = *c.failure
	}
	if c.header != nil {
		e.Header = c.secrets.headers(c.header)
	}
	if c.cause != nil {
		e.Origin = FromClient
	}
	return e
}

// cancelled records that the caller's context ended during a wait. What the
// last attempt met stays known.
func (c *call) cancelled(err error) *Error {
	if c.cause != nil {
		err = fmt.Errorf("%w; last attempt: %w", err, c.cause)
	}
	if len(c.attempts) == 0 {
		f := networkFailure(err, c.rules.client.Network)
		c.failure = &f
	}
	c.cause = err
	c.stop(StopCancelled)
	return c.gaveUp()
}

func (c *call) stop(why Stop) {
	c.stopped = why
	if n := len(c.attempts); n > 0 {
		c.attempts[n-1].Stopped = why
	}
}

// networkFailure classifies a call that got no response.
func networkFailure(err error, advice Retry) contract.Failure {
	f := contract.Failure{Condition: UpstreamUnreachable, Retry: advice, Certain: true}
	switch {
	case isCancelled(err):
		f.Condition, f.Retry = Unknown, condition.Never
	case isTimeout(err):
		f.Condition = UpstreamTimeout
	case isPermanent(err):
		f.Retry = condition.Never
	}
	return f
}

func methodOf(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}
