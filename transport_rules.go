package failwell

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

const (
	defaultMaxWait = 5 * time.Minute
	// conventionalKey is draft-ietf-httpapi-idempotency-key-header.
	conventionalKey = "Idempotency-Key"
)

// clientRules is what a Transport's fields and its contract come to.
type clientRules struct {
	contract *contract.Contract
	client   *contract.ClientRules
	budget   Budget
	attempts int
	maxWait  time.Duration // 0: none
	timeout  time.Duration // 0: none
	deadline time.Time     // of one call; zero: none
	// key is what the caller chose for one call.
	key              string
	noKeys, noPacing bool
	pace             *paceRules // nil: nothing tells of limits

	// keyHeader is "" when no key is honoured. keyMethods is nil when any method
	// will do, because the caller put the key there.
	keyHeader  string
	keyMethods []string
	routes     *routes
	prefix     string
	// inside says that failures may hide under a 2xx.
	inside bool
	// unkeyed says that some operation does not honour keys.
	unkeyed bool
}

func (t *Transport) rules() *clientRules {
	if r := t.compiled.Load(); r != nil {
		return r
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.compiled.Load() == nil {
		t.compiled.Store(t.compile())
	}
	return t.compiled.Load()
}

func (t *Transport) compile() *clientRules {
	r := &clientRules{client: conventionalRules(), keyHeader: conventionalKey, budget: t.Budget.filled(), noKeys: t.NoKeys, noPacing: t.NoPacing}
	if c := t.Contract; c != nil {
		r.client, r.keyHeader, r.keyMethods = &c.Client, http.CanonicalHeaderKey(c.Idempotency.Header), c.Idempotency.Methods
		r.routes, r.pace = newRoutes(c.Operations), pacing(c)
		if base, err := url.Parse(c.BaseURL); err == nil {
			r.prefix = strings.TrimSuffix(base.Path, "/")
		}
		r.unkeyed = slices.ContainsFunc(c.Operations, func(o *contract.Operation) bool { return o.Idempotency == "off" })
		r.contract = c
		r.inside = len(c.Partial) > 0 || slices.ContainsFunc(c.Envelopes, func(e *contract.Envelope) bool { return len(e.Inside) > 0 })
	}
	r.attempts = t.MaxAttempts
	if r.attempts == 0 {
		r.attempts = r.client.Attempts
	}
	if r.maxWait = t.MaxWait; r.maxWait == 0 {
		r.maxWait = r.client.MaxHint
	}
	if r.maxWait == 0 {
		r.maxWait = defaultMaxWait
	}
	if r.timeout = t.AttemptTimeout; r.timeout == 0 {
		r.timeout = r.client.Timeout
	}
	return r
}

// conventionalRules stand in where there is no contract; they are those of a
// contract that says nothing about its clients.
func conventionalRules() *contract.ClientRules {
	return &contract.ClientRules{
		Attempts: 3, Network: condition.Backoff,
		Backoff: contract.Backoff{First: 500 * time.Millisecond, Factor: 2, Cap: 30 * time.Second, Jitter: contract.Jitter{Low: 0.5, High: 1}},
	}
}

// operation is the contract's operation for a request, nil when it lists none.
// Paths are given with or without the path of the API's base URL.
func (r *clientRules) operation(req *http.Request) *contract.Operation {
	if r.routes == nil {
		return nil
	}
	if o, _ := r.routes.find(methodOf(req), req.URL); o != nil || r.prefix == "" {
		return o
	}
	below, ok := strings.CutPrefix(req.URL.Path, r.prefix)
	if !ok {
		return nil
	}
	u := *req.URL
	u.Path, u.RawPath = below, strings.TrimPrefix(u.RawPath, r.prefix)
	o, _ := r.routes.find(methodOf(req), &u)
	return o
}

// keyMatters reports whether the server honours a key on this request.
func (r *clientRules) keyMatters(req *http.Request) bool {
	if r.keyHeader == "" || r.keyMethods != nil && !slices.Contains(r.keyMethods, req.Method) {
		return false
	}
	if !r.unkeyed {
		return true
	}
	o := r.operation(req)
	return o == nil || o.Idempotency != "off"
}

func (r *clientRules) wantsKey(req *http.Request) bool {
	return r.keyMethods != nil && first(req.Header, r.keyHeader) == "" && r.keyMatters(req)
}

// keyOf is the key that protects a request, "" when none does.
func (r *clientRules) keyOf(req *http.Request) string {
	if key := first(req.Header, r.keyHeader); key != "" && r.keyMatters(req) {
		return key
	}
	return ""
}

// mayFail is [mayFail], without a look at what the contract never does.
func (r *clientRules) mayFail(resp *http.Response) bool {
	return resp.StatusCode >= http.StatusBadRequest || r.inside && mayFail(r.contract, resp)
}

// decide says how long to wait before the next attempt, or why there is none.
func (c *call) decide(watch *wire, err error) (time.Duration, Stop) {
	ctx := c.req.Context()
	if f := c.failure; f.Condition == RateLimited && f.HasRetryAfter && f.RetryAfter > 0 {
		if served := c.lane.refused(c.at, f.RetryAfter); c.refused.at.IsZero() {
			c.refused = refusal{c.at, served}
		}
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), c.rules.overdue(c.transport.now):
		return 0, StopDeadline
	case ctx.Err() != nil:
		return 0, StopCancelled
	case len(c.failure.Items) > 0:
		return 0, StopPartial
	case !c.failure.Retry.Retryable():
		return 0, StopAdvice
	case !c.safe(watch, err):
		return 0, StopUnsafe
	case c.req.Body != nil && c.req.Body != http.NoBody && c.req.GetBody == nil:
		return 0, StopBody
	case len(c.attempts) >= c.rules.attempts:
		return 0, StopAttempts
	}
	wait, appointed := c.wait()
	c.appointed = appointed
	if deadline, ok := c.rules.until(c.req); ok && wait >= deadline.Sub(c.transport.now()) {
		return 0, StopDeadline
	}
	if c.rules.maxWait > 0 && wait > c.rules.maxWait {
		return 0, StopMaxWait
	}
	if !appointed && !c.transport.purse.spend(c.rules.budget, c.at) {
		return 0, StopBudget
	}
	return wait, ""
}

// overdue reports whether the call's own time is over.
func (r *clientRules) overdue(now func() time.Time) bool {
	return !r.deadline.IsZero() && !now().Before(r.deadline)
}

// safe reports whether a repetition cannot do the call's work twice.
func (c *call) safe(watch *wire, err error) bool {
	if err != nil && watch.unsent(err) || c.rules.keyOf(c.req) != "" {
		return true
	}
	method, read := methodOf(c.req), harmless(c.req)
	if read || c.failure.Retry == condition.SameKey {
		return read
	}
	if method == http.MethodPut || method == http.MethodDelete { // RFC 9110 section 9.2.2
		return true
	}
	o := c.rules.operation(c.req)
	return o != nil && o.Safe
}

// harmless reports whether a request asks for no effect (RFC 9110 section 9.2.1).
func harmless(req *http.Request) bool {
	switch methodOf(req) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// wait is the server's hint, else the contract's for the status, else its
// growing one. A hint of zero says nothing about when, so the growing one stands
// in: later than asked for is allowed, a tight loop is not. appointed says that
// a limit itself named the moment.
func (c *call) wait() (wait time.Duration, appointed bool) {
	f := c.failure
	if f.HasRetryAfter && f.RetryAfter > 0 {
		return f.RetryAfter, f.Condition == RateLimited || f.Condition == ConcurrencyExceeded
	}
	if wait, ok := c.rules.client.DefaultWaits[f.Status]; ok {
		return wait, false
	}
	random := rand.Float64
	if c.transport.Random != nil {
		random = c.transport.Random
	}
	return c.rules.client.Backoff.Wait(len(c.attempts)-1, random()), false
}

// hopeless reports whether a base transport of net/http can never send the
// request, whatever it is asked again.
func (t *Transport) hopeless(req *http.Request) bool {
	if _, ok := t.base().(*http.Transport); !ok {
		return false // who knows what it can do
	}
	u := req.URL
	if u == nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return true
	}
	for name, values := range req.Header {
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
			return true
		}
	}
	return false
}

func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var timer net.Error
	return errors.As(err, &timer) && timer.Timeout()
}

// isPermanent recognises what a second attempt would meet again.
func isPermanent(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok || errors.Is(err, http.ErrSchemeMismatch)
}
