package failwell

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
)

// exchange is one request on its way through a [Guard]: what was decided about
// it, and the writer that puts the contract's headers on whatever response it
// gets. It lives as long as the request's context may be held, so it is not
// reused.
type exchange struct {
	guard      *Guard
	w          http.ResponseWriter
	operation  *contract.Operation
	call       admission.Call
	verdict    admission.Verdict
	id         string
	start      time.Time
	decided    time.Duration
	credential string
	// code and condition of the error that was written, for the record.
	code  *contract.Code
	cause error
	// ctx is that of the request as it came.
	ctx context.Context //nolint:containedctx // an exchange is part of its request
	// begun: the handler was called. repeated: another call under the same
	// idempotency key is the one that is worked on.
	begun, repeated bool
	// replayOf is the request whose answer was given.
	replayOf string
	// failed is what the guard has answered with.
	failed condition.Condition
	// stage is how far the request got, toldWait the wait that its caller was told,
	// became what its idempotency key did: for the record.
	stage    record.Stage
	toldWait time.Duration
	became   record.IdempotencyState
	// notDone: the handler says that it has done nothing.
	notDone atomic.Bool
	// keyed is set for a call that is worked on under an idempotency key.
	keyed *keyed
	// charging guards what handlers charge to call and verdict, and their end.
	charging sync.Mutex

	// mu guards the rest where a handler runs under a timeout and may still
	// write when the time is over.
	mu      sync.Mutex
	started bool
	// pending is the status of an error whose head is held back until it is
	// clear whether the handler has anything to say about it.
	pending int
	over    bool
	swallow bool
	status  int
	bytes   int64
	tail    [2]byte
	timer   *time.Timer
	// own are the headers of a handler that runs on a goroutine of its own.
	own http.Header
	// stored is a body that is to be stored and whose length was not announced.
	stored *storedBody
	// recording is nil where no record is made, or no more.
	recording *recording
}

// errOver is what a handler gets that writes after its time.
var errOver = errors.New("failwell: the request was already answered, its time was over")

// Unwrap serves http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }

func (x *exchange) Header() http.Header {
	if x.own != nil {
		return x.own
	}
	return x.w.Header()
}

// adopt takes over the headers that a handler has set on its own goroutine,
// which must be the present one, or done.
func (x *exchange) adopt() {
	if x.own != nil {
		h := x.w.Header()
		clear(h)
		maps.Copy(h, x.own)
	}
}

func (x *exchange) WriteHeader(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writeHeader(status)
}

func (x *exchange) writeHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("failwell: invalid status %d", status)) // as net/http does, but before anything is settled
	}
	if x.started || x.over || x.pending != 0 {
		return
	}
	x.adopt()
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		x.w.WriteHeader(status) // informational: the response proper is still to come
		return
	}
	if x.timer != nil {
		x.timer.Stop()
	}
	if status >= 400 && x.code == nil && !x.guard.KeepPlainErrors {
		switch h := x.w.Header(); {
		case plainError(h):
			x.replace(status)
			return
		case h.Get("Content-Type") == "":
			x.pending = status
			return
		}
	}
	x.begin(status)
}

func (x *exchange) begin(status int) {
	x.pending = 0
	x.started, x.status = true, status
	if k := x.keyed; k != nil && k.capturing {
		k.begin(x)
		if status != http.StatusSwitchingProtocols || !x.bury() {
			return
		}
	}
	x.decorate(x.w.Header(), status)
	x.w.WriteHeader(status)
}

// settle decides about a head that was held back. Routers answer unknown
// methods, and recovering middleware answers panics, with a status and
// nothing else; http.TimeoutHandler and its like add a sentence or a page
// without saying what it is. Neither is an error of the contract. JSON without
// a Content-Type is left to whoever wrote it.
func (x *exchange) settle(body []byte) {
	if x.pending == 0 {
		return
	}
	text := bytes.TrimLeft(body, " \t\r\n")
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		x.begin(x.pending)
		return
	}
	status := x.pending
	x.pending = 0
	x.replace(status)
}

// plainError recognises what http.Error writes, and with it everything that
// net/http says by itself: it is text for nobody and in no contract.
func plainError(h http.Header) bool {
	return h.Get("X-Content-Type-Options") == "nosniff" && h.Get("Content-Type") == "text/plain; charset=utf-8"
}

// replace writes the contract's error where a handler wrote a plain one.
func (x *exchange) replace(status int) {
	x.swallow = true
	f := contract.Failure{Status: status}
	x.guard.settlePlain(&f, x.w.Header())
	x.guard.render(x, &f)
}

// decorate sets the headers that the contract promises on a response.
func (x *exchange) decorate(h http.Header, status int) {
	s := x.guard.state
	h[s.requestIDKey] = []string{x.id}
	if s.processTimeKey != "" {
		h[s.processTimeKey] = []string{x.elapsed(s.contract.Headers.ProcessTime.Unit)}
	}
	limits := &s.contract.Headers.RateLimit
	if len(x.verdict.Limits) > 0 && limits.On.Holds(status) {
		x.rateHeaders(h, limits)
	}
}

func (x *exchange) elapsed(unit string) string {
	took := x.guard.now().Sub(x.start)
	scale := time.Millisecond
	if unit == "s" {
		scale = time.Second
	}
	return strconv.FormatFloat(float64(took)/float64(scale), 'f', 2, 64)
}

// instantHeader writes an instant so that it is never before the real one.
func (g *Guard) instantHeader(at time.Time, format contract.TimeFormat) string {
	up := at.Add(time.Second - 1)
	switch format {
	case contract.DeltaSeconds:
		return strconv.FormatInt(ceilUnits(at.Sub(g.now()), time.Second), 10)
	case contract.EpochMillis:
		return strconv.FormatInt(at.Add(time.Millisecond-1).UnixMilli(), 10)
	case contract.HTTPDate:
		return up.UTC().Format(http.TimeFormat)
	case contract.RFC3339:
		return up.UTC().Format("2006-01-02T15:04:05Z")
	default:
		return strconv.FormatInt(up.Unix(), 10)
	}
}

// ceilUnits counts units rounded up: what a header tells is never too early.
func ceilUnits(d, unit time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/unit) + 1
}

// remember keeps the last two bytes that were sent.
func (x *exchange) remember(p []byte) {
	switch len(p) {
	case 0:
	case 1:
		x.tail = [2]byte{x.tail[1], p[0]}
	default:
		x.tail = [2]byte{p[len(p)-2], p[len(p)-1]}
	}
}

func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return 0, errOver
	}
	if !x.started {
		x.writeHeader(http.StatusOK)
		x.settle(p)
	}
	if x.swallow {
		return len(p), nil
	}
	return x.put(p)
}

// Flush implements http.Flusher for handlers that look for it.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError is what http.ResponseController calls.
func (x *exchange) FlushError() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return errOver
	}
	if !x.started {
		x.writeHeader(http.StatusOK)
	}
	if x.pending != 0 {
		x.begin(x.pending)
	}
	if x.keyed != nil && x.keyed.capturing {
		return x.flush()
	}
	return http.NewResponseController(x.w).Flush() //nolint:wrapcheck // what the connection says
}

// Hijack implements http.Hijacker, for upgrades.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return nil, nil, errOver
	}
	if x.keyed != nil && x.keyed.capturing {
		x.status = http.StatusSwitchingProtocols
		if !x.bury() {
			return nil, nil, errOver
		}
	}
	x.decorate(x.w.Header(), http.StatusSwitchingProtocols) // for who answers from the header map, as a proxy does
	conn, rw, err := http.NewResponseController(x.w).Hijack()
	if err == nil {
		x.started, x.status = true, http.StatusSwitchingProtocols
		if x.timer != nil {
			x.timer.Stop()
		}
	}
	return conn, rw, err //nolint:wrapcheck // what the connection says
}
