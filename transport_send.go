package failwell

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// wire watches one attempt: its time limit, and whether a connection was
// obtained. A nil wire watches nothing.
type wire struct {
	timer  *time.Timer
	ctx    context.Context //nolint:containedctx // one attempt's own
	cancel context.CancelCauseFunc
	// Both are set by httptrace. Whether headers were written is no proof that
	// nothing was sent: when an attempt is abandoned, the transport's writer may
	// still run. Without a connection there is no writer.
	asked, connected atomic.Bool
}

// send makes one attempt. It copies the request only for a time limit, or to
// watch a repetition whose safety may hang on whether it was sent.
func (t *Transport) send(req *http.Request, rules *clientRules, repeated bool) (*http.Response, *wire, error) {
	limit := rules.attemptLimit(t.now)
	watched := (limit > 0 || repeated) && !harmless(req) && rules.keyOf(req) == ""
	if limit <= 0 && !watched {
		resp, err := t.roundTrip(req)
		return resp, nil, err
	}
	w := &wire{}
	ctx := req.Context()
	if watched {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GetConn: func(string) { w.asked.Store(true) },
			GotConn: func(httptrace.GotConnInfo) { w.connected.Store(true) },
		})
	}
	if limit > 0 {
		ctx, w.cancel = context.WithCancelCause(ctx)
		w.ctx = ctx
		w.timer = time.AfterFunc(limit, func() { w.cancel(&attemptTimeout{limit}) })
	}
	resp, err := t.roundTrip(req.WithContext(ctx))
	if err != nil {
		err = w.blame(ctx, req.Context(), err)
		w.release()
		return resp, w, err
	}
	if w.cancel != nil && resp.Body != nil {
		resp.Body = w.around(resp.Body)
	}
	return resp, w, nil
}

// attemptLimit is how long an attempt may take that begins now; 0 is no limit.
func (r *clientRules) attemptLimit(now func() time.Time) time.Duration {
	limit := max(r.timeout, 0)
	if r.deadline.IsZero() {
		return limit
	}
	// A call whose time is over is ended by its first look at the clock.
	left := max(r.deadline.Sub(now()), 1)
	if limit == 0 || left < limit {
		return left
	}
	return limit
}

// roundTrip holds the base transport to its promise: a response or an error.
func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base().RoundTrip(req)
	switch {
	case err != nil:
		return nil, err //nolint:wrapcheck // wrapped in an Error once it is final
	case resp == nil:
		return nil, ErrNoResponse
	default:
		return resp, nil
	}
}

// blame names the attempt's time limit where that is why it ended.
func (w *wire) blame(ctx, caller context.Context, err error) error {
	if limit, ok := errors.AsType[*attemptTimeout](context.Cause(ctx)); ok && caller.Err() == nil {
		return limit
	}
	return err
}

// done ends the time limit but not the attempt: its body may still be read. It
// reports whether the limit had not been reached before.
func (w *wire) done() bool { return w == nil || w.timer == nil || w.timer.Stop() }

// arrived ends the time limit of an attempt that succeeded. When the limit was
// reached in the same moment the body cannot be read any more.
func (w *wire) arrived(resp *http.Response) error {
	if w.done() {
		return nil
	}
	discard(resp)
	return context.Cause(w.ctx)
}

// release ends the attempt and all that belongs to it.
func (w *wire) release() {
	if w.cancel != nil {
		w.timer.Stop()
		w.cancel(nil)
	}
}

// unsent reports whether an attempt that ended in err never had a connection.
func (w *wire) unsent(err error) bool {
	if w != nil && w.asked.Load() && !w.connected.Load() {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect"
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// around makes closing a body end the attempt. The body of an upgraded
// connection stays writable.
func (w *wire) around(body io.ReadCloser) io.ReadCloser {
	if duplex, ok := body.(io.ReadWriteCloser); ok {
		return &watchedDuplex{duplex, w}
	}
	return &watchedBody{body, w}
}

type watchedBody struct {
	io.ReadCloser
	wire *wire
}

// Read ends the attempt with the body, as net/http does.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.wire.release()
	}
	return n, err //nolint:wrapcheck // transparent
}

func (b *watchedBody) Close() error {
	defer b.wire.release()
	return b.ReadCloser.Close() //nolint:wrapcheck // transparent
}

type watchedDuplex struct {
	io.ReadWriteCloser
	wire *wire
}

func (b *watchedDuplex) Close() error {
	defer b.wire.release()
	return b.ReadWriteCloser.Close() //nolint:wrapcheck // transparent
}

// attemptTimeout is a deadline of the client's own making.
type attemptTimeout struct{ limit time.Duration }

func (e *attemptTimeout) Error() string { return "no answer within " + e.limit.String() }
func (e *attemptTimeout) Timeout() bool { return true }

// Temporary completes net.Error.
func (e *attemptTimeout) Temporary() bool { return true }

func (e *attemptTimeout) Is(target error) bool { return target == context.DeadlineExceeded } //nolint:err113 // as net/http does
