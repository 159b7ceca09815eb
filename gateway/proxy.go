package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// proxy sends admitted requests to the upstreams. It is the handler inside the
// guard, and part of one generation.
type proxy struct {
	guard    *failwell.Guard
	contract *contract.Contract
	pool     *pool
	hygiene  *hygiene
	timeout  time.Duration
	logger   *slog.Logger
	// strip, identify and translate are settings Credentials, Identity and Foreign.
	strip, identify, translate bool
	// spans says that upstreams are told of the gateway's spans.
	spans        bool
	requestIDKey string
	via          *via
	exchanges    sync.Pool
	buffers      bufferPool
}

func (p *proxy) prepare() {
	p.requestIDKey = http.CanonicalHeaderKey(p.contract.Headers.RequestID.Name)
	// What breaks is logged here, with the request's id.
	quiet := slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug)
	p.exchanges.New = func() any {
		x := &exchange{proxy: p}
		x.reverse = httputil.ReverseProxy{
			Rewrite: x.rewrite, Transport: x, ModifyResponse: x.modify, ErrorHandler: x.fail,
			BufferPool: &p.buffers, ErrorLog: quiet,
		}
		return x
	}
}

// exchange is one request on its way through the proxy. It is reused: the hooks
// of its ReverseProxy are bound to it once instead of being made per request.
type exchange struct {
	proxy   *proxy
	reverse httputil.ReverseProxy
	r       *http.Request
	to      *upstream
	body    *sentBody
	// broken is why the upstream's stream ended before its end, cut why another
	// answer did.
	broken, cut error
	// held is room for what rest has read of an answer.
	held []byte
	rest restBody
	// keyed: the request has an idempotency key.
	keyed bool
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/") && r.URL.Path != "*" {
		p.guard.WriteError(w, r, failwell.FromCondition(condition.RequestMalformed, errNoTunnel))
		return
	}
	if p.via.loops(r) {
		failwell.NotDone(r.Context())
		p.guard.WriteError(w, r, failwell.FromCondition(condition.UpstreamUnreachable, errLoop))
		return
	}
	if err := gather(r); err != nil {
		failwell.NotDone(r.Context())
		p.guard.WriteError(w, r, bodyError(err))
		return
	}
	x, _ := p.exchanges.Get().(*exchange)
	x.r = r
	ended := false
	defer func() { // release takes the request's
		if !ended {
			x.release()
		}
	}()
	x.reverse.ServeHTTP(w, r)
	if x.cut != nil && x.broken == nil { // a stream is ended with an error below
		panic(http.ErrAbortHandler) // outside of a server, ReverseProxy takes it for complete
	}
	if x.broken != nil {
		err := failwell.FromCondition(condition.UpstreamUnreachable, x.broken)
		if cause := context.Cause(r.Context()); errors.Is(cause, errDrained) {
			err = failwell.FromCondition(condition.Unavailable, cause)
		}
		p.guard.WriteError(w, r, err)
	}
	ended = true
	x.body, x.broken, x.cut, x.r, x.rest, x.keyed = nil, nil, nil, nil, restBody{}, false
	reuse := x.to
	x.to = nil
	if reuse != nil {
		reuse.active.Add(-1)
	}
	p.exchanges.Put(x)
}

var errNoTunnel = errors.New("the target is no path of this service")

// release serves exchanges that end in a panic, as aborted responses do. They
// are not reused.
func (x *exchange) release() {
	x.tell()
	if x.to != nil {
		x.to.active.Add(-1)
	}
}

// rewrite makes the upstream's request out of the caller's. Hop-by-hop headers
// (RFC 9110 section 7.6.1) are gone already.
func (x *exchange) rewrite(pr *httputil.ProxyRequest) {
	p, out := x.proxy, pr.Out
	p.hygiene.forward(out, pr.In, p.requestIDKey)
	p.via.add(out, pr.In)
	// The server fills in the values of trailers when the body has been read.
	out.Trailer = pr.In.Trailer
	p.present(out, pr.In)
	if p.translates(pr.In) {
		delete(out.Header, "Accept-Encoding") // a compressed error could not be read
	}
	x.keyed = failwell.IdempotencyKey(pr.In.Context()) != ""
	if out.Body == nil && (x.keyed || unsafeToRepeat(out)) {
		// net/http repeats a request without a body by itself when a reused
		// connection breaks, if it carries an idempotency key. One send is promised.
		out.Body = emptyBody{}
	}
	if out.Body != nil {
		x.body = &sentBody{from: out.Body}
		if _, ok := pr.In.Body.(inMemory); ok {
			x.body.from = pr.In.Body // ReverseProxy's wrapper would hide it
		}
		out.Body = x.body
	}
}

// present tells the upstream who calls, and keeps credentials back.
func (p *proxy) present(out, in *http.Request) {
	key, account := failwell.Caller(in.Context())
	if p.strip {
		p.stripCredentials(out, key != nil)
	}
	if key != nil && p.identify {
		out.Header[headerKeyID] = []string{key.ID}
	}
	if account != nil && p.identify {
		out.Header[headerAccount] = []string{account.ID}
		if account.Plan != "" {
			out.Header[headerPlan] = []string{account.Plan}
		}
	}
}

// translates reports whether foreign errors of the upstream become the contract's.
func (p *proxy) translates(r *http.Request) bool {
	o := failwell.OperationOf(r.Context())
	return p.translate || o != nil && o.Translate
}

func unsafeToRepeat(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// RoundTrip implements http.RoundTripper for the exchange's ReverseProxy: it
// chooses an upstream, and another one when the first was provably not reached.
func (x *exchange) RoundTrip(out *http.Request) (*http.Response, error) {
	var room [4]*upstream
	tried := room[:0]
	var last error
	for {
		u := x.proxy.pool.pick(tried)
		if u == nil {
			failwell.NotDone(x.r.Context())
			return nil, last
		}
		u.active.Add(1)
		x.to = u
		u.point(out, x.r.URL)
		var began time.Time
		if x.proxy.guard.Recorder != nil {
			began = x.proxy.pool.now()
		}
		if x.proxy.spans {
			x.traced(out, len(tried))
		}
		resp, nothing, err := x.send(u, out)
		if !began.IsZero() {
			x.tried(u, began, resp, err)
		}
		if err == nil {
			u.succeeded()
			return resp, nil
		}
		x.to = nil
		u.active.Add(-1)
		last = x.blame(u, err)
		var unsent *dialError
		if !errors.As(err, &unsent) || x.body.touched() || x.r.Context().Err() != nil {
			if nothing && x.keyed {
				failwell.NotDone(x.r.Context())
			}
			return nil, last
		}
		tried = append(tried, u)
	}
}

// send asks one upstream. nothing says that it is proven that nothing was sent,
// for requests with an idempotency key.
func (x *exchange) send(u *upstream, out *http.Request) (resp *http.Response, nothing bool, err error) {
	var s *sending
	if d, ok := u.transport.(*direct); x.keyed && (!ok || !d.takes(out)) {
		s = &sending{}
		out = s.watch(out)
	}
	resp, err = u.transport.RoundTrip(out)
	var unsent *dialError
	return resp, s.nothing() || errors.As(err, &unsent), err //nolint:wrapcheck // a transport's own words, for blame
}

// blame finds out whose fault a failed round trip is, and tells the upstream's
// health. The error is what the caller gets to see, its cause what is logged.
func (x *exchange) blame(u *upstream, err error) error {
	ctx := x.r.Context()
	if ctx.Err() != nil {
		u.abandoned()
		return context.Cause(ctx)
	}
	if bad := x.body.failure(); bad != nil {
		u.abandoned()
		return bodyError(bad)
	}
	var unsent *dialError
	if !errors.As(err, &unsent) && isTimeout(err) {
		u.abandoned() // slow is not dead
		return failwell.FromCondition(condition.UpstreamTimeout, err).With("timeout_seconds", int64(x.proxy.timeout.Seconds()))
	}
	if u.failed(x.proxy.pool.now(), err) {
		what := "is left out for a while"
		if len(x.proxy.pool.members) == 1 {
			what = "is the only one and still asked, but counts as unready for a while"
		}
		x.proxy.logger.Warn("upstream "+u.name+" "+what+" after repeated failures", "cause", err)
	}
	return failwell.FromCondition(condition.UpstreamUnreachable, err)
}

// fail answers a request that got no response.
func (x *exchange) fail(w http.ResponseWriter, r *http.Request, err error) {
	if cause := context.Cause(x.r.Context()); cause != nil {
		if errors.Is(cause, errDrained) {
			x.proxy.guard.WriteError(w, x.r, cause)
			return
		}
		if _, ours := errors.AsType[*failwell.Error](cause); ours {
			return // the guard's own timeout: it answers when the handler returns
		}
		panic(http.ErrAbortHandler) // the caller went away
	}
	e, known := errors.AsType[*failwell.Error](err)
	switch {
	case !known && x.body.failure() == nil:
		err = failwell.FromCondition(condition.UpstreamUnreachable, err)
	case known && e.Status == http.StatusMethodNotAllowed:
		allow, _ := e.Param(allowFact)
		if methods, ok := allow.(string); ok { // RFC 9110 section 15.5.6
			w.Header().Set("Allow", methods)
		}
	}
	_ = r // the outgoing one; the guard knows the incoming
	x.proxy.guard.WriteError(w, x.r, err)
}

// left reports whether the caller is gone, as opposed to the gateway having to
// end what takes too long: then somebody reads on.
func (x *exchange) left() bool {
	cause := context.Cause(x.r.Context())
	return cause != nil && !errors.Is(cause, errDrained)
}

// modify looks at a response before it is passed on.
func (x *exchange) modify(resp *http.Response) error {
	if replayed := x.proxy.contract.Idempotency.Replayed.Name; replayed != "" {
		resp.Header.Del(replayed) // that something is a replay is the guard's to say
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The guard has its word on these; the proxy would put both.
		h := &x.proxy.contract.Headers
		limit := &h.RateLimit
		for _, name := range []string{h.RequestID.Name, h.ProcessTime.Name, limit.Limit, limit.Remaining, limit.Reset, "RateLimit", "RateLimit-Policy"} {
			resp.Header.Del(name)
		}
		return nil
	}
	if resp.StatusCode >= 400 {
		if x.proxy.translates(x.r) {
			return x.translate(resp)
		}
		return x.hold(resp)
	}
	if err := x.hold(resp); err != nil {
		return err
	}
	x.watch(resp)
	return nil
}
