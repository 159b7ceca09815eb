package failwell

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
)

// Guard makes an http.Handler fail as its contract says. Around any handler it
// gives each response a request id, decides who may do what, and turns every
// failure, also the router's own and a panic, into the contract's envelope.
//
// Set the fields, then use it; it must not be changed or copied afterwards. All
// methods are safe for concurrent use. A Guard panics at first use when its
// contract cannot be enforced, for example for a broken JSON Schema: that is a
// mistake in the program.
type Guard struct {
	// Contract is required.
	Contract *contract.Contract
	// Admission decides about keys, plans and limits. Nil: every call may go in.
	Admission *admission.Controller
	// MaxBody bounds request bodies in bytes, where the operation says nothing.
	// 0 means 10 MiB, a negative value no bound. Bodies that are checked against a
	// schema are held in memory and have at most 1 MiB, where the operation says
	// nothing.
	MaxBody int64
	// Timeout bounds the time until a response has begun, where the operation
	// says nothing. 0 means none.
	Timeout time.Duration
	// Cooperative says that the handler gives up when the request's context
	// ends, as a reverse proxy does. Then a timeout only ends the context, which
	// spares a goroutine per request.
	Cooperative bool
	// KeepPlainErrors leaves alone what the handler writes in the form of
	// http.Error. By default that is replaced by the contract's error.
	KeepPlainErrors bool
	// Source returns what failing authentication is throttled by. Nil means
	// the peer's address without the port.
	Source func(*http.Request) string
	// Caller tells callers of one key apart who are refused together, by something
	// that stays the same while one of them tries again; each is then told an
	// instant of its own to come back. It is asked where a request has neither an
	// idempotency key nor a trace id. Nil, and 0, are for one caller.
	Caller func(*http.Request) uint32
	// Logger gets one record per failure on our side, with its private cause.
	// Nil means slog.Default.
	Logger *slog.Logger
	// Clock returns the present. Nil means time.Now.
	Clock func() time.Time
	// Recorder keeps a record of each request, so that it can be looked up by its
	// id. Nil: none is made, which costs nothing.
	Recorder Recorder
	// OnDone is called after each request, on its goroutine.
	OnDone func(r *http.Request, o Outcome)
	// Lifetime ends the handlers of calls with an idempotency key, which go on
	// after their callers have left. Nil: they end by themselves or by their timeout.
	Lifetime context.Context //nolint:containedctx // it is the server's, not a request's
	// Reconcile finds out what became of an earlier call, where the contract wants
	// that for unknown outcomes. A nil answer says that the call never happened; an
	// error, that nobody can tell: an [*Error] is the response, any other one is
	// logged. r is the request that asks, and its context ends with the
	// operation's timeout, 30 seconds where it has none. Nil: nobody is asked, and
	// the outcome stays unknown.
	Reconcile func(r *http.Request, of Doubt) (*Answer, error)

	once  sync.Once
	state *guardState
}

// Outcome tells what became of a request.
type Outcome struct {
	RequestID string
	Operation *contract.Operation
	Key       *admission.Key
	Account   *admission.Account
	// Status is 0 when the caller went away before there was a response.
	Status int
	// Code is set when the guard wrote an error.
	Code *contract.Code
	// Bytes of the body.
	Bytes int64
	// Took is the time from the first byte of the head to the end of the handler.
	Took time.Duration
	// Limit is the binding rate limit after the decision.
	Limit admission.LimitState
	// Decided is how long admission took to decide; 0 when it was not asked.
	Decided time.Duration
	// Refusal is why admission refused the call; "" when it did not.
	Refusal condition.Condition
	// Path of the request, without keys that were pasted into it.
	Path string
	// ReplayOf is the id of the request whose answer was given once more under an
	// idempotency key, and that the response carries; "" for all others.
	ReplayOf string
	// Idempotency is what became of the request's idempotency key; "" for none.
	Idempotency record.IdempotencyState
	// Cause is private: it may be logged, never sent.
	Cause error
}

// guardState is what a Guard derives from its fields once.
type guardState struct {
	contract       *contract.Contract
	routes         *routes
	validator      *admission.Validator
	schemes        []schemeReader
	challenge      string
	requestIDKey   string
	processTimeKey string
	retryAfterKey  string
	idempotencyKey string
	rateKeys       rateKeys
	// keptKeys are headers that the contract has kept with answers.
	keptKeys map[string]bool
	logger   *slog.Logger
	buffers  sync.Pool
	// recordings are *recording that can be used again.
	recordings sync.Pool
	// checking bounds the bodies that are checked at once.
	checking chan struct{}
}

// rateKeys are header names in the form in which http.Header keeps them.
type rateKeys struct{ limit, remaining, reset string }

const (
	defaultMaxBody    = 10 << 20
	defaultMaxChecked = 1 << 20
)

func (g *Guard) prepare() *guardState {
	g.once.Do(func() {
		if g.Contract == nil {
			panic("failwell: Guard.Contract is required")
		}
		validator, err := admission.NewValidator(g.Contract)
		if err != nil {
			panic("failwell: " + err.Error())
		}
		s := &guardState{
			contract: g.Contract, validator: validator, logger: g.Logger,
			requestIDKey:   http.CanonicalHeaderKey(g.Contract.Headers.RequestID.Name),
			retryAfterKey:  http.CanonicalHeaderKey(g.Contract.Headers.RetryAfter.Name),
			idempotencyKey: http.CanonicalHeaderKey(g.Contract.Idempotency.Header),
		}
		s.processTimeKey = http.CanonicalHeaderKey(g.Contract.Headers.ProcessTime.Name)
		rate := &g.Contract.Headers.RateLimit
		s.rateKeys = rateKeys{http.CanonicalHeaderKey(rate.Limit), http.CanonicalHeaderKey(rate.Remaining), http.CanonicalHeaderKey(rate.Reset)}
		s.keptKeys = map[string]bool{http.CanonicalHeaderKey(g.Contract.Headers.Code): true}
		for _, name := range g.Contract.Idempotency.Headers {
			s.keptKeys[http.CanonicalHeaderKey(name)] = true
		}
		if len(g.Contract.Operations) > 0 {
			s.routes = newRoutes(g.Contract.Operations)
		}
		if s.logger == nil {
			s.logger = slog.Default()
		}
		s.schemes, s.challenge = readers(g.Contract.Auth.Schemes)
		s.buffers.New = func() any {
			b := make([]byte, 0, 1024)
			return &b
		}
		s.checking = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
		g.state = s
	})
	return g.state
}

func (g *Guard) now() time.Time {
	if g.Clock != nil {
		return g.Clock()
	}
	return time.Now()
}

// exchangeKey finds the exchange in a request's context.
type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// RequestID returns the id of the request that a [Guard] let in, or "".
func RequestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.id
	}
	return ""
}

// Caller returns who makes the request; both are nil for public operations.
// The values are shared and must not be changed.
func Caller(ctx context.Context) (*admission.Key, *admission.Account) {
	if x := exchangeOf(ctx); x != nil {
		return x.verdict.Key, x.verdict.Account
	}
	return nil, nil
}

// OperationOf returns the contract's operation that the request matched, or nil.
func OperationOf(ctx context.Context) *contract.Operation {
	if x := exchangeOf(ctx); x != nil {
		return x.operation
	}
	return nil
}

// Wrap puts the contract in front of a handler.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	s := g.prepare()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{guard: g, w: w, start: g.now(), ctx: r.Context(), stage: record.Routing, recording: s.recording(g)}
		x.id = requestID(&s.contract.Headers.RequestID, r.Header[s.requestIDKey], x.start)
		r.Header[s.requestIDKey] = []string{x.id} // so that a proxy passes it on
		defer g.finish(x, r)
		limit, ok := g.admit(x, r)
		if !ok {
			return
		}
		// Only what gets in needs a context, which copies the request; net/http
		// keeps its own, by whose body it knows what is still to be read.
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		if limit >= 0 && r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(x.w, r.Body, limit)
		}
		x.measure(r)
		x.stage = record.Validation
		body, ok := g.validate(x, r)
		if !ok {
			return
		}
		if body != nil {
			r.Body, r.ContentLength = body, int64(body.Len())
			r.TransferEncoding = nil
		}
		if x.verdict.Keyed {
			x.stage = record.Reservation
			if r, ok = g.reserve(x, r, body); !ok {
				return
			}
		}
		x.begun, x.stage = true, record.Handling
		g.serve(x, r, next)
		x.silent()
	})
}

// finish is the barrier: whatever happened, the caller gets an error of the
// contract or a connection that visibly breaks.
func (g *Guard) finish(x *exchange, r *http.Request) {
	recovered := recover()
	abort := recovered == http.ErrAbortHandler //nolint:errorlint,err113 // the sentinel itself is thrown, as net/http does
	if recovered != nil && !abort {
		x.cause = panicked(recovered)
		abort = !g.fail(x, r, FromCondition(condition.Internal, x.cause))
	}
	if x.keyed != nil {
		abort = g.conclude(x, abort)
	}
	g.settle(x)
	ended := g.now()
	if g.OnDone != nil {
		x.mu.Lock()
		o := Outcome{
			RequestID: x.id, Operation: x.operation, Key: x.verdict.Key, Account: x.verdict.Account, Status: x.status,
			Code: x.code, Bytes: x.bytes, Took: ended.Sub(x.start), Limit: x.verdict.Limit, Cause: x.cause,
			Path: g.printable(x, r.URL.Path), ReplayOf: x.replayOf, Decided: x.decided, Refusal: x.verdict.Condition, Idempotency: x.keyState(),
		}
		x.mu.Unlock()
		g.OnDone(r, o)
	}
	if g.Recorder != nil {
		g.record(x, r, ended)
	}
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// timeout until the response to a request has to have begun; 0 for none.
func (g *Guard) timeout(x *exchange) time.Duration {
	if x.operation != nil && x.operation.Timeout > 0 {
		return x.operation.Timeout
	}
	return g.Timeout
}

// serve runs the handler, under a timeout where there is one.
func (g *Guard) serve(x *exchange, r *http.Request, next http.Handler) {
	timeout := g.timeout(x)
	if timeout <= 0 {
		next.ServeHTTP(x, r)
		x.finished()
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	over := FromCondition(condition.UpstreamTimeout, errTimeout).With("timeout_seconds", ceilUnits(timeout, time.Second))
	r = r.WithContext(ctx)
	if g.Cooperative {
		x.setTimer(time.AfterFunc(timeout, func() { cancel(over) }))
		next.ServeHTTP(x, r)
		x.finished()
		if context.Cause(ctx) == over { //nolint:errorlint,err113 // identity is meant
			g.fail(x, r, over)
		}
		return
	}
	g.race(x, r, next, timeout, cancel, over)
}

var errTimeout = errors.New("the handler did not begin its response in time")

// finished settles what the handler left open when it returned.
func (x *exchange) finished() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	if x.keyed == nil || !x.keyed.capturing { // those of a captured answer have been taken over, see keyed.begin
		x.adopt() // trailers
	}
	x.settle(nil)
}

// silent answers for a handler that has said nothing, as net/http would.
func (x *exchange) silent() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over && !x.started {
		x.writeHeader(http.StatusOK)
	}
}

func (x *exchange) setTimer(t *time.Timer) {
	x.mu.Lock()
	x.timer = t
	x.mu.Unlock()
}

// race runs a handler that may ignore its context. When its time is over the
// caller is answered, and what the handler writes afterwards is refused.
func (g *Guard) race(x *exchange, r *http.Request, next http.Handler, timeout time.Duration, cancel context.CancelCauseFunc, over *Error) {
	done := make(chan any, 1)
	fired := make(chan struct{})
	x.setTimer(time.AfterFunc(timeout, func() { close(fired) }))
	x.own = x.w.Header().Clone() // two goroutines must not share a map
	go func() {
		defer func() { done <- g.caught(x, r, recover()) }()
		next.ServeHTTP(x, r)
	}()
	select {
	case recovered := <-done:
		if recovered != nil {
			panic(recovered)
		}
		x.finished()
	case <-fired:
		cancel(over)
		if g.fail(x, r, over) {
			if x.keyed != nil {
				x.keyed.running = done
			}
			return
		}
		if recovered := <-done; recovered != nil { // it began to answer just in time
			panic(recovered)
		}
		x.finished()
	}
}

// caught keeps the stack of a panic on the goroutine of a handler, and logs one
// that comes when nobody waits for the handler any more.
func (g *Guard) caught(x *exchange, r *http.Request, recovered any) any {
	if recovered == nil || recovered == http.ErrAbortHandler { //nolint:errorlint,err113 // the sentinel itself is thrown
		return recovered
	}
	cause := panicked(recovered)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		f, _ := g.failureOf(FromCondition(condition.Internal, cause))
		g.log(x, r, &f, cause)
	}
	return cause
}

// HandleFunc makes a handler of a function that returns its failure.
func (g *Guard) HandleFunc(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	g.prepare()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			g.WriteError(w, r, err)
		}
	})
}

// WriteError answers a request with the contract's error for err: a [*Error]
// says all about it; a [Condition] or a code of the contract stands for
// itself; anything else is an internal error, whose text is logged and never
// sent. When the response has already begun, a stream of events or lines is
// ended with an error of the same shape; any other is cut off, so that nobody
// takes it for complete.
func (g *Guard) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	if x == nil || x.guard != g { // used without Wrap: there is no exchange yet
		s := g.prepare()
		x = &exchange{guard: g, w: w, start: g.now(), stage: record.Routing, recording: s.recording(g)}
		x.id = requestID(&s.contract.Headers.RequestID, r.Header[s.requestIDKey], x.start)
		defer func() { g.record(x, r, g.now()) }()
	}
	x.mu.Lock()
	if !x.over && !x.started {
		x.adopt()
	}
	x.mu.Unlock()
	if !g.fail(x, r, err) {
		panic(http.ErrAbortHandler)
	}
}
