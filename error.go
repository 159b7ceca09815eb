package failwell

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Origin says who established a failure.
type Origin uint8

const (
	// FromProgram is an error made by this program, with [New] or
	// [FromCondition]; a server may send it. It is the zero Origin.
	FromProgram Origin = iota
	// FromServer is an error that was read from a response.
	FromServer
	// FromClient is an error that the client side found by itself: no response
	// came, or nobody waited for it any longer.
	FromClient
)

// String is "program", "server" or "client side".
func (o Origin) String() string {
	switch o {
	case FromServer:
		return "server"
	case FromClient:
		return "client side"
	default:
		return "program"
	}
}

// Error is one occurrence of a failure, on either end of the wire: what a
// handler returns to [Guard], and what [Check] makes of a response.
//
// errors.Is(err, x) holds for its [Condition], for its *[contract.Code], and
// for what its private cause wraps. The embedded [contract.Failure] is public:
// code, condition, status, message, parameters, field errors, request id,
// retry advice. The cause is not; it is for logs on this end.
//
// An Error is not changed once it is made: the With methods return copies. All
// that the client side puts into it is free of the credentials that were sent.
type Error struct {
	contract.Failure

	// Origin says whether this program, the server or the client side spoke.
	Origin Origin
	// Contract is what a response was read by; nil on the server side and for
	// a client without one.
	Contract *contract.Contract

	// The rest is set on the client side only.

	// Method and URL of the call. The URL holds no credentials.
	Method, URL string
	// IdempotencyKey went with every attempt; sending the call again under it
	// is as safe as the contract makes it. "" when there was none.
	IdempotencyKey string
	// Attempts in the order they were made, at least one for a call that went
	// through a [Transport].
	Attempts []Attempt
	// Stopped says why no further attempt was made, "" when nobody could have
	// made one: the call did not go through a [Transport].
	Stopped Stop
	// Header of the last response; nil when none came.
	Header http.Header
	// Body is the beginning of the last response's body, at most [MaxBody] bytes.
	Body []byte

	cause error
}

// New returns an error with a code of a contract and a private cause, which may
// be nil. A nil code makes the error [FromCondition] of [Internal].
func New(code *contract.Code, cause error) *Error {
	if code == nil {
		return FromCondition(Internal, cause)
	}
	e := &Error{cause: cause}
	e.Code = code
	if len(code.Is) > 0 {
		e.Condition = code.Is[0].Condition
	}
	e.Status = code.StatusOf(e.Condition)
	e.Retry = code.Retry
	return e
}

// FromCondition returns an error for which the contract that sends it chooses
// the code. The cause is private and may be nil.
func FromCondition(of Condition, cause error) *Error {
	e := &Error{cause: cause}
	e.Condition = of
	if known, ok := condition.Lookup(of); ok {
		e.Retry = known.Retry
	}
	return e
}

func (e *Error) copy() *Error {
	c := *e
	// A copy's appends must not reach the original's spare capacity.
	c.Params = slices.Clip(c.Params)
	c.Fields = slices.Clip(c.Fields)
	return &c
}

// With returns a copy with a public parameter, by its own name or by the name of
// the fact that fills it. What the code does not declare is never sent. See
// [contract.Value] for the types.
func (e *Error) With(name string, value any) *Error {
	c := e.copy()
	c.Params = append(c.Params, contract.Value{Name: name, Data: value})
	return c
}

// WithField returns a copy with a fault of one part of the request's body. path
// is dotted, with decimal numbers for positions in lists; code may be "".
func (e *Error) WithField(path, message, code string) *Error {
	c := e.copy()
	c.Fields = append(c.Fields, contract.FieldError{In: "body", Path: strings.Split(path, "."), Message: message, Code: code})
	return c
}

// WithRetryAfter returns a copy that asks callers to wait. It is sent rounded
// up to the unit of the contract.
func (e *Error) WithRetryAfter(wait time.Duration) *Error {
	c := e.copy()
	c.RetryAfter, c.HasRetryAfter = max(wait, 0), true
	return c
}

// Name is the code as sent, else the name of the condition.
func (e *Error) Name() string {
	switch {
	case e.Code != nil:
		return e.Code.Error()
	case e.WireCode != "":
		return e.WireCode
	case e.Condition != Unknown:
		return string(e.Condition)
	default:
		return "failed"
	}
}

// Error is one line for developers, for example
//
//	heppu: rate_limit_exceeded (429): Too many requests. [request id req_1; 3 attempts; client side: the retry budget is used up]
//
// It never holds the private cause of an error that a server may send.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Contract != nil:
		b.WriteString(e.Contract.API + ": ")
	case e.URL != "":
		b.WriteString(hostOf(e.URL) + ": ")
	}
	b.WriteString(e.Name())
	if e.Status != 0 {
		b.WriteString(" (" + strconv.Itoa(e.Status) + ")")
	}
	if message := e.message(); message != "" {
		b.WriteString(": " + message)
	}
	if e.Origin == FromClient && e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	var notes []string
	if e.RequestID != "" {
		notes = append(notes, "request id "+e.RequestID)
	}
	if len(e.Attempts) > 1 {
		notes = append(notes, strconv.Itoa(len(e.Attempts))+" attempts")
	}
	switch e.Stopped {
	case "", StopAdvice, StopAttempts: // the rest of the line says as much
		if e.Origin == FromClient {
			notes = append(notes, FromClient.String())
		}
	default:
		notes = append(notes, FromClient.String()+": "+e.Stopped.String())
	}
	if notes != nil {
		b.WriteString(" [" + strings.Join(notes, "; ") + "]")
	}
	return b.String()
}

// message is the one received, else the contract's own.
func (e *Error) message() string {
	if e.Message != "" || e.Code == nil {
		return e.Message
	}
	return e.catalogue().MessageOf(&e.Failure)
}

// catalogue is the contract for texts; a code brings its own.
func (e *Error) catalogue() *contract.Contract {
	if e.Contract != nil {
		return e.Contract
	}
	return &contract.Contract{}
}

// Friendly is text that is safe to show to end users: the contract's, or else
// a general sentence that says whether trying again can help. It never repeats
// what the server said.
func (e *Error) Friendly() string {
	if s := e.catalogue().FriendlyOf(&e.Failure); s != "" {
		return s
	}
	switch {
	case e.Retryable():
		return "The service cannot do this at the moment. Please try again in a while."
	case e.Status >= 500 || e.Origin == FromClient:
		return "The service could not do this. Please try again later."
	default:
		return "The service did not accept this request."
	}
}

// Retryable reports whether the same call may succeed later without anybody
// acting. Whether repeating it is safe is a question of its method and key.
func (e *Error) Retryable() bool { return e.Retry.Retryable() }

// Timeout reports whether the failure is that time ran out on the client side.
// With it, (*url.Error).Timeout and os.IsTimeout see through an Error.
func (e *Error) Timeout() bool {
	timer, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.cause)
	return ok && timer.Timeout()
}

// Unwrap returns the private cause, for errors.Is and errors.As on this end.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is hold for the condition and the code.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case condition.Condition:
		return t == e.Condition
	case *contract.Code:
		return t != nil && t == e.Code
	}
	return false
}

// LogValue is the failure as a group for log/slog: what a contract's document
// asks callers to log, and the private cause.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("origin", e.Origin.String()), slog.String("condition", string(e.Condition))}
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	number := func(name string, value int) {
		if value != 0 {
			attrs = append(attrs, slog.Int(name, value))
		}
	}
	if e.Contract != nil {
		text("api", e.Contract.API)
	}
	text("code", e.Name())
	number("status", e.Status)
	text("message", e.message())
	text("method", e.Method)
	text("endpoint", e.URL)
	text("request_id", e.RequestID)
	text("idempotency_key", e.IdempotencyKey)
	text("retry", string(e.Retry))
	if e.HasRetryAfter {
		attrs = append(attrs, slog.Duration("retry_after", e.RetryAfter))
	}
	number("attempts", len(e.Attempts))
	text("stopped", string(e.Stopped))
	if e.cause != nil {
		text("cause", e.cause.Error())
	}
	return slog.GroupValue(attrs...)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "http"
	}
	return u.Host
}
