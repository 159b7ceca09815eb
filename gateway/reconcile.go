package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

// headerFirst names to an upstream the call that it is asked about.
const headerFirst = "X-Failwell-First-Request-Id"

// askAgain is when to come back while the upstream cannot say what became of a call.
const askAgain = time.Second

// reconcile asks an upstream what became of an earlier call: a GET of the
// operation's own path, on behalf of the same caller. 2xx is the answer, 404 says
// that the call never happened.
func (p *proxy) reconcile(r *http.Request, of failwell.Doubt) (*failwell.Answer, error) {
	out, err := p.question(r, of)
	if err != nil {
		return nil, err
	}
	resp, u, err := p.ask(out)
	if err != nil {
		return nil, failwell.FromCondition(condition.Unavailable, fmt.Errorf("asking what became of the call: %w", err)).WithRetryAfter(askAgain)
	}
	defer u.active.Add(-1)
	defer resp.Body.Close()
	limit := p.contract.Idempotency.MaxResponse
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	said := fmt.Errorf("asked what became of the call, %s said %d", u.name, resp.StatusCode)
	switch {
	case err != nil:
		return nil, failwell.FromCondition(condition.Unavailable, errors.Join(said, err)).WithRetryAfter(askAgain)
	case resp.StatusCode == http.StatusNotFound:
		return nil, nil //nolint:nilnil // it never happened
	case notNow(resp.StatusCode):
		return nil, failwell.FromCondition(condition.Unavailable, said).WithRetryAfter(askAgain)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return nil, said
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("%w, and more than the %d bytes that are kept", said, limit)
	}
	return &failwell.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// notNow reports whether a status says nothing but that another try may help.
func notNow(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests
}

// question is the request that asks. It carries what the caller sent, since the
// upstream may ask for credentials of its own, but nothing about a body.
func (p *proxy) question(r *http.Request, of failwell.Doubt) (*http.Request, error) {
	path, query, _ := strings.Cut(of.Operation.Reconcile, "?")
	path = strings.ReplaceAll(path, "$key", url.PathEscape(of.Key))
	target, err := url.Parse(path)
	if err != nil {
		return nil, fmt.Errorf("the path %q cannot be asked: %w", path, err)
	}
	target.RawQuery = strings.ReplaceAll(query, "$key", url.QueryEscape(of.Key))
	out := (&http.Request{Method: http.MethodGet, URL: target, Header: r.Header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(r.Context())
	for name := range out.Header {
		if notForQuestions(name) {
			delete(out.Header, name)
		}
	}
	for name := range strings.SplitSeq(strings.Join(r.Header["Connection"], ","), ",") {
		out.Header.Del(strings.TrimSpace(name))
	}
	p.hygiene.forward(out, r, p.requestIDKey)
	p.present(out, r)
	out.Header[headerFirst] = []string{of.RequestID}
	return out, nil
}

func notForQuestions(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Range",
		"Accept-Encoding":
		return true
	}
	return strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "If-")
}

// ask sends the question to an upstream, and to another one as long as none was
// reached: asking twice does no harm. The upstream counts as busy until the
// caller says otherwise.
func (p *proxy) ask(out *http.Request) (*http.Response, *upstream, error) {
	target := *out.URL
	var room [4]*upstream
	tried := room[:0]
	var last error
	for {
		u := p.pool.pick(tried)
		if u == nil {
			return nil, nil, last
		}
		u.active.Add(1)
		u.point(out, &target)
		resp, err := u.transport.RoundTrip(out)
		if err == nil {
			u.succeeded()
			return resp, u, nil
		}
		u.active.Add(-1)
		if out.Context().Err() != nil || isTimeout(err) {
			u.abandoned()
		} else {
			u.failed(p.pool.now(), err)
		}
		last, tried = err, append(tried, u)
		if out.Context().Err() != nil {
			return nil, nil, last
		}
	}
}
