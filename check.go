package failwell

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// ErrNoResponse is the cause when there is neither a response nor an error.
var ErrNoResponse = errors.New("no response and no error")

// Check turns the outcome of an HTTP call into an error: nil for a success, an
// [*Error] for a response that tells of a failure and for a call that got none.
// It works with any client; a response that came through a [Transport] brings
// its contract and its attempts along.
//
// On a failure the response's body is closed, and its beginning stands in the
// error. On a success the body is not touched. Redirects that the client did not
// follow, and 304, are successes.
func Check(resp *http.Response, err error) error { return CheckWith(nil, resp, err) }

// CheckWith is [Check] for a response that did not come through a [Transport]
// with this contract. It also sees failures that the contract puts into bodies
// under a 2xx status.
func CheckWith(c *contract.Contract, resp *http.Response, err error) error {
	if err != nil {
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close() // http.Client has closed it already
		}
		return unanswered(c, err)
	}
	if resp == nil {
		return unanswered(c, ErrNoResponse)
	}
	if made := recorded(resp); made != nil && !made.succeeded && (c == nil || c == made.transport.Contract) {
		discard(resp)
		return made.failed()
	}
	if !mayFail(c, resp) {
		return nil
	}
	req := resp.Request
	if req == nil {
		req = &http.Request{}
	}
	secrets := secretsOf(req, c)
	f, header, body, ok := readFailure(c, contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: new(replayed).peek(resp)}, secrets, time.Now())
	if !ok {
		return nil
	}
	discard(resp)
	e := &Error{Failure: f, Origin: FromServer, Contract: c, Header: secrets.headers(header), Body: body, URL: secrets.address(req.URL)}
	if resp.Request != nil {
		e.Method = methodOf(req)
	}
	return e
}

// recorded is the call that a response belongs to. A request that a caller
// derived from the response's own has another address and does not count.
func recorded(resp *http.Response) *call {
	if resp.Request == nil {
		return nil
	}
	c, ok := resp.Request.Context().Value(callKey{}).(*call)
	if !ok || c.marked != resp.Request {
		return nil
	}
	return c
}

// unanswered makes an error of a call that got no response.
func unanswered(c *contract.Contract, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	advice := condition.Backoff
	if c != nil {
		advice = c.Client.Network
	}
	e := &Error{Failure: networkFailure(err, advice), Origin: FromClient, Contract: c}
	req := &http.Request{}
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.Method = strings.ToUpper(u.Op)
		req.URL, _ = url.Parse(u.URL) // a URL that cannot be read is left out
	}
	secrets := secretsOf(req, c)
	e.URL = secrets.address(req.URL)
	e.cause = secrets.cleanError(err)
	return e
}

// mayFail reports whether a response may tell of a failure, so that its body is
// worth a look: any status from 400, and a 2xx under which the contract puts
// failures into JSON bodies.
func mayFail(c *contract.Contract, resp *http.Response) bool {
	status := resp.StatusCode
	if status >= http.StatusBadRequest {
		return true
	}
	if c == nil || status < 200 || status > 299 || !tellsInside(c, status) {
		return false
	}
	return strings.Contains(strings.ToLower(resp.Header.Get("Content-Type")), "json")
}

func tellsInside(c *contract.Contract, status int) bool {
	for _, e := range c.Envelopes {
		if slices.Contains(e.Inside, status) {
			return true
		}
	}
	for i := range c.Partial {
		for _, r := range c.Partial[i].Statuses {
			if r.Holds(status) {
				return true
			}
		}
	}
	return false
}

// readFailure reads a failure from a response and the beginning of its body,
// without the credentials that may be echoed there; the header is for reading
// only, and goes through s.headers before it is shown. ok is false for a success.
func readFailure(c *contract.Contract, r contract.Response, s *secrets, now time.Time) (f contract.Failure, header http.Header, body []byte, ok bool) {
	at := contract.ServerTime(r.Header, now)
	r.Body = s.bytes(r.Body)
	if s.echoed(r.Header) {
		r.Header = s.headers(r.Header)
	}
	f, ok = c.Decode(r, at)
	if ok = settled(&f, ok, r.Status); ok {
		s.failure(&f)
	}
	return f, r.Header, r.Body, ok
}

// settled completes what a contract has read, or could not; it reports whether
// that is a failure.
func settled(f *contract.Failure, ok bool, status int) bool {
	if status < http.StatusBadRequest && (!ok || f.Envelope == "" && len(f.Items) == 0) {
		return false // under a 2xx only the contract's own shapes are failures
	}
	if !ok {
		f.Status, f.Condition = status, condition.OfStatus(status)
	}
	settleAdvice(f)
	return true
}

// settleAdvice gives a failure that nothing is known of the advice of its condition.
func settleAdvice(f *contract.Failure) {
	if f.Retry != condition.RetryUnknown {
		return
	}
	f.Retry = condition.Never
	if known, ok := condition.Lookup(f.Condition); ok {
		f.Retry = known.Retry
	}
}
