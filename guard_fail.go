package failwell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// panicked turns what a handler threw into a private cause with its stack.
func panicked(recovered any) error {
	if caught, ok := recovered.(*panicError); ok {
		return caught // on another goroutine, where its stack is
	}
	return &panicError{fmt.Sprintf("panic: %v\n%s", recovered, debug.Stack())}
}

type panicError struct{ text string }

func (e *panicError) Error() string { return e.text }

// fail answers with an error. It reports false when the response has already
// begun and could not be ended with an error: then the connection must break.
func (g *Guard) fail(x *exchange, r *http.Request, err error) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return true
	}
	if x.cause == nil {
		x.cause = err
	}
	f, cause := g.failureOf(err)
	g.log(x, r, &f, cause)
	if x.started && !x.retract() {
		return g.failStream(x, &f)
	}
	if callerLeft(r, err) {
		x.started = true // nobody is there to read an answer
		return false
	}
	g.render(x, &f)
	// A handler on a goroutine of its own may still write: not after this.
	x.over = x.own != nil && errors.Is(err, errTimeout)
	return true
}

// callerLeft reports whether a failure comes from the caller going away, and
// not from a cancellation of ours, which has a cause of its own.
func callerLeft(r *http.Request, err error) bool {
	return errors.Is(r.Context().Err(), context.Canceled) && errors.Is(err, context.Canceled) && errors.Is(context.Cause(r.Context()), context.Canceled)
}

// failureOf converts any error, once, at the boundary: what a response may
// say, and the private cause.
func (g *Guard) failureOf(err error) (f contract.Failure, cause error) {
	if e, ok := errors.AsType[*Error](err); ok {
		f, cause = e.Failure, err
		if e.Origin != FromProgram {
			f = failedCall(e)
		}
	} else if code, ok := errors.AsType[*contract.Code](err); ok {
		f.Code = code
	} else if of, ok := errors.AsType[condition.Condition](err); ok {
		f.Condition = of
	} else {
		f, cause = foreignError(err), err
	}
	if f.Code == nil || !g.Contract.Owns(f.Code) {
		of := f.Condition
		if of == "" && f.Code != nil {
			of = f.Code.Condition(f.Status)
		}
		if of == "" {
			of = condition.Internal
		}
		var status int
		f.Code, status = g.Contract.For(of)
		f.Condition = of
		if f.Status == 0 || !f.Code.Allows(f.Status) {
			f.Status = status
		}
	}
	return f, cause
}

// failedCall is what a caller is told when a call of ours failed: that it did,
// and nothing that the other side said. Its 401 is not the caller's.
func failedCall(e *Error) (f contract.Failure) {
	f.Condition = condition.DependencyFailed
	if e.Origin == FromClient && (e.Condition == condition.UpstreamTimeout || e.Condition == condition.UpstreamUnreachable) {
		f.Condition = e.Condition
	}
	return f
}

// foreignError maps errors of the standard library that tell what happened.
func foreignError(err error) (f contract.Failure) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		f.Condition = condition.BodyTooLarge
		f.Params = []contract.Value{{Name: "max_bytes", Data: tooLarge.Limit}}
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.Condition = condition.ClientTimeout
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.Condition = condition.RequestMalformed
	case errors.Is(err, context.DeadlineExceeded):
		f.Condition = condition.UpstreamTimeout
	default:
		f.Condition = condition.Internal
	}
	return f
}

// log tells the operator what the caller is not told.
func (g *Guard) log(x *exchange, r *http.Request, f *contract.Failure, cause error) {
	status := f.Status
	if status == 0 {
		status = f.Code.StatusOf(f.Condition)
	}
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelError
	}
	if !g.state.logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.id), slog.String("method", r.Method), slog.String("path", g.printable(x, r.URL.Path)),
		slog.Int("status", status), slog.String("code", f.Code.Name),
	}
	if cause != nil {
		attrs = append(attrs, slog.String("cause", causeText(cause)))
	}
	g.state.logger.LogAttrs(r.Context(), level, "request failed", attrs...)
}

// printable is a path without keys in it: people paste them anywhere.
func (g *Guard) printable(x *exchange, path string) string {
	if len(x.credential) >= shortestSecret {
		path = strings.ReplaceAll(path, x.credential, redacted)
	}
	for i := range g.Contract.Auth.Key.Environments {
		prefix := g.Contract.Auth.Key.Environments[i].Prefix
		for from := 0; len(prefix) >= 3; {
			at := strings.Index(path[from:], prefix)
			if at < 0 {
				break
			}
			at += from
			end := at + len(prefix)
			for end < len(path) && path[end] != '/' {
				end++
			}
			path = path[:at] + redacted + path[end:]
			from = at + len(redacted)
		}
	}
	return path
}

// shortestSecret is the shortest credential that is looked for in other text.
const shortestSecret = 8

// causeText is what stands behind an error, without the public text before it.
func causeText(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && errors.Unwrap(e) != nil {
		return errors.Unwrap(e).Error()
	}
	return err.Error()
}

// render writes a failure as the response. The exchange is locked.
func (g *Guard) render(x *exchange, f *contract.Failure) {
	s := g.state
	x.code, x.pending, x.failed = f.Code, 0, f.Condition
	f.RequestID = x.id
	if f.Time.IsZero() {
		f.Time = wholeSecond(g.now())
	}
	if s.contract.Timestamp == contract.RFC3339Milli || s.contract.Timestamp == contract.EpochMillis {
		f.Time = g.now().UTC().Truncate(time.Millisecond)
	}
	pooled, _ := s.buffers.Get().(*[]byte)
	body, status, mediaType := s.contract.AppendError((*pooled)[:0], f)
	if f.HasRetryAfter {
		x.toldWait = f.RetryAfter
	}
	h := x.w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Range", "Etag", "Last-Modified", "Cache-Control", "Trailer"} {
		delete(h, name) // they spoke of a body that is not sent
	}
	values := headerValues{room: make([]string, 0, 4)}
	h["Content-Type"] = values.of(mediaType)
	h["Content-Length"] = values.of(strconv.Itoa(len(body)))
	h["X-Content-Type-Options"] = nosniff
	if status == http.StatusUnauthorized && s.challenge != "" {
		h["Www-Authenticate"] = values.of(s.challenge)
	}
	retry := &s.contract.Headers.RetryAfter
	if f.HasRetryAfter && retry.On.Holds(status) {
		h[s.retryAfterKey] = values.of(g.waitHeader(f.RetryAfter, retry.Format))
	}
	s.contract.ErrorHeaders(f, func(name, value string) {
		name = http.CanonicalHeaderKey(name)
		h[name] = []string{headerSafe(value)}
		if x.keyed != nil {
			x.keyed.own = append(x.keyed.own, name)
		}
	})
	if x.timer != nil {
		x.timer.Stop()
	}
	x.begin(status)
	_, err := x.put(body)
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		s.logger.Debug("the error could not be sent", "request_id", x.id, "err", err)
	}
	*pooled = body
	s.buffers.Put(pooled)
}

var nosniff = []string{"nosniff"}

// headerValues is where the values of headers stand that are set together: one
// array for all. Whoever appends to one of them gets a copy.
type headerValues struct{ room []string }

func (v *headerValues) of(value string) []string {
	v.room = append(v.room, value)
	n := len(v.room)
	return v.room[n-1 : n : n]
}

func wholeSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func (g *Guard) waitHeader(wait time.Duration, format contract.TimeFormat) string {
	switch format {
	case contract.HTTPDate:
		return g.instantHeader(g.now().Add(wait), contract.HTTPDate)
	case contract.DeltaMillis:
		return strconv.FormatInt(ceilUnits(wait, time.Millisecond), 10)
	}
	return strconv.FormatInt(ceilUnits(wait, time.Second), 10)
}

// headerSafe keeps text from ending its header line.
func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// failStream ends a response that has begun: a stream of events or of lines
// gets one more that is an error. The exchange is locked.
func (g *Guard) failStream(x *exchange, f *contract.Failure) bool {
	s := g.state
	contentType := x.w.Header().Get("Content-Type")
	f.RequestID = x.id
	f.Time = wholeSecond(g.now())
	body, _, _ := s.contract.AppendError(nil, f)
	var tail string
	switch {
	case contract.IsEvents(contentType):
		name := s.contract.Streams.Event
		if name == "" {
			name = "error"
		}
		// An empty line ends whatever event was begun.
		tail = x.newlines(2) + "event: " + name + "\ndata: " + strings.ReplaceAll(string(body), "\n", "\ndata: ") + "\n\n"
	case s.contract.Streams.NDJSON && contract.IsLines(contentType):
		tail = x.newlines(1) + string(body) + "\n"
	default:
		return false
	}
	x.code = f.Code
	n, err := io.WriteString(x.w, tail) //nolint:gosec // its text is the contract's, escaped
	x.bytes += int64(n)
	if err == nil {
		err = http.NewResponseController(x.w).Flush()
	}
	return err == nil
}

// newlines returns what is missing to n line ends at the end of what was sent.
func (x *exchange) newlines(n int) string {
	switch {
	case x.bytes == 0 || x.tail[1] == '\n' && (n == 1 || x.tail[0] == '\n'):
		return ""
	case x.tail[1] == '\n' || n == 1:
		return "\n"
	default:
		return "\n\n"
	}
}

// settlePlain finds what stands for a plain error of net/http's own making.
func (g *Guard) settlePlain(f *contract.Failure, h http.Header) {
	of := condition.OfStatus(f.Status)
	if f.Status == http.StatusNotFound {
		of = condition.RouteUnknown
	}
	if allow := h.Get("Allow"); allow != "" {
		f.Params = []contract.Value{{Name: "allow", Data: allow}}
	}
	var status int
	f.Code, status = g.Contract.For(of)
	f.Condition = of
	if !f.Code.Allows(f.Status) {
		f.Status = status
	}
}
