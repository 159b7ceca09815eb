package failwell

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/failwell/failwell/contract"
)

// Transport is an [http.RoundTripper] that copes with failures as a contract
// says: it repeats a call when that can help and is safe, waits as long as the
// server asks, and gives up at once when waiting is pointless.
//
// RoundTrip returns the final response, whatever its status, with its body
// unread, as net/http demands; [Check] interprets it. A call that got no
// response ends in an [*Error] that wraps the base transport's error.
//
// A call is repeated if and only if the advice for its failure allows that and
// repeating is safe: the method is idempotent (RFC 9110 section 9.2.2), or the
// contract declares the operation safe, or an idempotency key goes along, or
// no connection was ever obtained to send it on. Requests with a body need
// GetBody as well, which http.NewRequest sets for bodies that are in memory;
// nothing is buffered here.
//
// The zero Transport knows no contract and goes by conventions. All methods may
// be called concurrently; the fields must not change after the first call. A
// response that is no failure costs no allocation and no copy beyond the base
// transport's own, unless an attempt has a time limit or gets a key.
type Transport struct {
	// Contract that the server keeps. Optional: nil goes by conventions.
	Contract *contract.Contract
	// Base sends single attempts. Optional: http.DefaultTransport.
	Base http.RoundTripper

	// MaxAttempts counts all tries of a call, the first included; 1 never
	// repeats. Optional: 0 is the contract's number, or 3.
	MaxAttempts int
	// MaxWait is the longest single wait. When a longer one is asked for, the
	// call ends at once with that response. Optional: 0 is the contract's
	// longest hint, or 5 minutes; negative is no bound but the caller's deadline.
	MaxWait time.Duration
	// AttemptTimeout is how long an attempt may take until the response's
	// headers are there, and for a failure its body; reading the body of a
	// success is not limited by it. Optional: 0 is the contract's, or none;
	// negative is none.
	AttemptTimeout time.Duration
	// Budget bounds the repetitions of all calls together. Optional.
	Budget Budget
	// NoKeys keeps Transport from adding an idempotency key where the contract
	// honours one and the caller sent none. Optional.
	NoKeys bool
	// CountHeader names a header that carries the number of the repetition, 1
	// on the first. Optional: "" sends none.
	CountHeader string

	// NoPacing sends calls without regard to what earlier responses told of the
	// limit that they share. Optional. Otherwise, where the contract names headers
	// that tell how a limit stands, a call that it would refuse waits until there
	// is room, per host and credential, over all goroutines; one that cannot wait
	// so long ends at once as [RateLimited], unsent.
	NoPacing bool

	// Logger gets a line for each failed attempt, at level info, and for each wait
	// for room, at level debug, free of credentials. Optional: nil logs nothing.
	Logger *slog.Logger
	// Hooks are told what happens, in their order. Optional.
	Hooks []Hooks

	// The rest is for tests that own time and chance.

	// Now is the clock. Optional: time.Now.
	Now func() time.Time
	// Sleep waits, or returns the context's error early. Optional: a timer.
	Sleep func(context.Context, time.Duration) error
	// Random is drawn evenly from [0, 1). Optional: math/rand/v2.
	Random func() float64
	// NewKey makes an idempotency key. Optional: a random UUID (RFC 9562, version 4).
	NewKey func() string

	mu       sync.Mutex
	compiled atomic.Pointer[clientRules]
	purse    purse
	pacer    pacer
	// lately are the credentials of a call that failed; most calls have the same.
	lately atomic.Pointer[secrets]
}

// RoundTrip sends a request, and again where that helps and is safe.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil { // a redirect has led here
		req = atHome(t.Contract, req)
	}
	rules := t.rulesOf(req)
	t.purse.earn(rules.budget)
	out := t.keyed(rules, req)
	began := t.now()
	queue := t.lane(rules, out, began)
	if queue != nil {
		var failed *Error
		if began, failed = t.pass(queue, rules, out, nil, began); failed != nil {
			closeBody(req)
			return nil, failed
		}
	}
	resp, watch, err := t.send(out, rules, false)
	t.answered(queue, rules, resp, refusal{})
	if err == nil && !rules.mayFail(resp) {
		if err = watch.arrived(resp); err == nil {
			if len(t.Hooks) > 0 {
				t.attempted(out, Attempt{At: began, Duration: t.now().Sub(began), Status: resp.StatusCode})
			}
			return resp, nil
		}
	}
	c := &call{transport: t, rules: rules, req: out, lane: queue}
	c.attempts = c.few[:0]
	return c.run(resp, watch, err, began)
}

// run goes on after a first attempt that looks like a failure.
func (c *call) run(resp *http.Response, watch *wire, err error, began time.Time) (*http.Response, error) {
	t := c.transport
	for c.look(resp, watch, err, began) {
		wait, stopped := c.decide(watch, err)
		c.note(wait, stopped)
		if stopped != "" {
			return c.end(resp, err)
		}
		discard(resp)
		t.waiting(c.req, Wait{For: wait, Attempts: len(c.attempts)})
		if err := c.pause(wait); err != nil {
			return nil, c.cancelled(err)
		}
		began = t.now()
		// Who was told when to come has a place of its own.
		if c.appointed {
			c.lane.join(began)
		} else if c.lane != nil {
			var failed *Error
			if began, failed = t.pass(c.lane, c.rules, c.req, c, began); failed != nil {
				return nil, failed
			}
		}
		again, bodyErr := c.again()
		if bodyErr != nil {
			c.lane.lost()
			c.cause = bodyErr
			c.stop(StopBody)
			return nil, c.gaveUp()
		}
		c.last = again
		resp, watch, err = t.send(again, c.rules, true)
		t.answered(c.lane, c.rules, resp, c.refused)
		if err == nil && !c.rules.mayFail(resp) {
			err = watch.arrived(resp)
		}
	}
	c.succeed(resp)
	return resp, nil
}

// pause waits for the next attempt.
func (c *call) pause(wait time.Duration) error {
	if c.appointed {
		c.lane.await(1)
		defer c.lane.await(-1)
	}
	return c.transport.sleep(c.req.Context(), wait)
}

// again is the request for a repetition: the same headers, a fresh body. The
// response may name it; see [call.mark].
func (c *call) again() (*http.Request, error) {
	out := c.named()
	if out.Body != nil && out.Body != http.NoBody {
		body, err := out.GetBody()
		if err != nil {
			return nil, fmt.Errorf("rewinding the body: %w", err)
		}
		out.Body = body
	}
	if name := c.transport.CountHeader; name != "" {
		out.Header = out.Header.Clone()
		out.Header.Set(name, strconv.Itoa(len(c.attempts)))
	}
	return out, nil
}

// keyed returns the request itself, or a copy that carries an idempotency key.
func (t *Transport) keyed(rules *clientRules, req *http.Request) *http.Request {
	key := rules.key
	switch {
	case key != "":
		if rules.keyHeader == "" || req.Header.Get(rules.keyHeader) != "" {
			return req
		}
	case rules.noKeys || !rules.wantsKey(req):
		return req
	case t.NewKey != nil:
		key = t.NewKey()
	default:
		key = randomKey()
	}
	if key == "" {
		return req // without a key the call is sent once, which is safe
	}
	out := &struct {
		http.Request

		key [1]string
	}{*req, [1]string{key}}
	out.Header = req.Header.Clone()
	if out.Header == nil {
		out.Header = http.Header{}
	}
	out.Header[rules.keyHeader] = out.key[:]
	return &out.Request
}

// randomKey is a UUID of version 4 (RFC 9562 section 5.4). Unlike uuid.NewRandom,
// the bytes stay on the stack; reading them cannot fail.
func randomKey() string {
	var id uuid.UUID
	_, _ = rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// closeBody does what a RoundTripper owes its caller when nothing is sent.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing was read of it
	}
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

func (t *Transport) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

func (t *Transport) sleep(ctx context.Context, wait time.Duration) error {
	if t.Sleep != nil {
		return t.Sleep(ctx, wait)
	}
	if wait <= 0 && ctx.Err() == nil {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
			return fmt.Errorf("%w: %w", ctx.Err(), cause)
		}
		return ctx.Err() //nolint:wrapcheck // it is the caller's own
	}
}

// plainSpeech does what http.Client would do, were the error not wrapped: say
// that a server meant to speak TLS spoke HTTP.
func plainSpeech(err error) error {
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(record.RecordHeader[:]) == "HTTP/" {
		return http.ErrSchemeMismatch
	}
	return err
}
