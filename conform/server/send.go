package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
)

// exchange is a request that was sent, and what came of it.
type exchange struct {
	*probe

	// at counts from the beginning of the run.
	at, took time.Duration
	status   int
	header   http.Header
	body     []byte
	// err is why there is no answer.
	err error
	// now is the server's clock when the answer came.
	now time.Time
	// before is what this exchange has to be compared with.
	before *exchange

	failure contract.Failure
	failed  bool
}

// newTransport leaves answers as they are, and keeps connections.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second, ForceAttemptHTTP2: true,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}
}

// errSpent: the check has sent all that it may.
var errSpent = errors.New("no more requests may be sent")

// do sends a probe after the pause that is due. Its result is also in k.seen.
func (k *checker) do(ctx context.Context, p *probe, before *exchange) (*exchange, error) {
	if err := k.pause(ctx); err != nil {
		return nil, err
	}
	return k.doNow(ctx, p, before)
}

func (k *checker) pause(ctx context.Context) error {
	if wait := k.config.Pause - k.config.Clock().Sub(k.last); k.count > 0 && wait > 0 {
		return k.config.Sleep(ctx, wait)
	}
	return nil
}

func (k *checker) doNow(ctx context.Context, p *probe, before *exchange) (*exchange, error) {
	if k.count >= k.config.MaxRequests {
		return nil, errSpent
	}
	k.count++
	k.config.Sent(k.count, p.about())
	x := k.exchange(ctx, p, before)
	k.last = k.config.Clock()
	if x.err == nil || ctx.Err() == nil { // a call that was cut short says nothing of the server
		k.seen = append(k.seen, x)
	}
	return x, context.Cause(ctx)
}

// patient is do, once more after the wait when a limit was in the way of what
// should be learnt.
func (k *checker) patient(ctx context.Context, p *probe, before *exchange) (*exchange, error) {
	x, err := k.do(ctx, p, before)
	if err != nil || !k.hindered(x) || x.failure.RetryAfter > k.config.Patience {
		return x, err
	}
	if err := k.config.Sleep(ctx, x.failure.RetryAfter); err != nil {
		return x, err
	}
	return k.do(ctx, p, before)
}

// exchange sends a request and reads the answer.
func (k *checker) exchange(ctx context.Context, p *probe, before *exchange) *exchange {
	x := &exchange{probe: p, before: before}
	began := k.config.Clock()
	x.at = began.Sub(k.began)
	if p.request.raw != "" {
		k.exchangeRaw(ctx, x)
	} else {
		k.exchangeHTTP(ctx, x)
	}
	now := k.config.Clock()
	x.took = now.Sub(began)
	k.decode(x, now)
	return x
}

func (k *checker) decode(x *exchange, now time.Time) {
	x.now = contract.ServerTime(x.header, now)
	if x.err == nil && x.status != 0 {
		x.failure, x.failed = k.contract.Decode(contract.Response{Status: x.status, Header: x.header, Body: x.body}, x.now)
	}
}

func (k *checker) exchangeHTTP(ctx context.Context, x *exchange) {
	r, err := k.build(ctx, &x.request)
	if err != nil {
		x.err = err
		return
	}
	resp, err := k.client.Do(r)
	if err != nil {
		x.err = unwrapped(err)
		return
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	x.body, err = io.ReadAll(io.LimitReader(resp.Body, contract.MaxErrorBody))
	if err != nil {
		x.err = fmt.Errorf("the body breaks off: %w", err)
	}
}

// unwrapped leaves out what net/http says of the URL: it is known.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func (k *checker) build(ctx context.Context, q *request) (*http.Request, error) {
	var body io.Reader = http.NoBody
	length := int64(0)
	switch {
	case q.blanks > 0:
		body, length = io.LimitReader(blanks{}, q.blanks), q.blanks
	case q.body != "":
		body, length = strings.NewReader(q.body), int64(len(q.body))
	}
	r, err := http.NewRequestWithContext(ctx, q.method, k.address(q), body)
	if err != nil {
		return nil, fmt.Errorf("the request cannot be made: %w", err)
	}
	r.ContentLength = length
	r.Header.Set("User-Agent", "failwell-check")
	for _, h := range k.headers(q) {
		r.Header[http.CanonicalHeaderKey(h.name)] = append(r.Header[http.CanonicalHeaderKey(h.name)], h.value)
	}
	return r, nil
}

// address is the URL of a request, with the key where the contract has it there.
func (k *checker) address(q *request) string {
	path := q.path
	if scheme := k.scheme(); q.key != "" && scheme.In == "query" {
		keyed := *q
		keyed.with(scheme.Name, k.key(q.key))
		path = keyed.path
	}
	return strings.TrimSuffix(k.origin.String(), "/") + path
}

// headerLine is a header as it is sent, and how a shell writes its value.
type headerLine struct{ name, value, shell string }

// headers are those of a request, in order: the user's own, the key, the rest.
func (k *checker) headers(q *request) (list []headerLine) {
	for name, values := range k.config.Header {
		for _, v := range values {
			list = append(list, headerLine{name, v, quote(name + ": " + v)})
		}
	}
	if scheme := k.scheme(); q.key != "" && scheme.In != "query" {
		list = append(list, headerLine{scheme.Name, scheme.Prefix + k.key(q.key), k.quoteKey(scheme.Name+": "+scheme.Prefix, q.key)})
	}
	for _, h := range q.header {
		list = append(list, headerLine{h[0], h[1], quoteHeader(h[0], h[1])})
	}
	if q.once != "" {
		name := k.contract.Idempotency.Header
		list = append(list, headerLine{name, q.once, `"` + name + `: $ID"`})
	}
	if q.padding > 0 {
		list = append(list, headerLine{paddingHeader, strings.Repeat("a", q.padding), ""})
	}
	return list
}

const paddingHeader = "X-Padding"

// scheme is the place where keys go.
func (k *checker) scheme() contract.Scheme {
	if len(k.contract.Auth.Schemes) == 0 {
		return contract.Scheme{In: "header", Name: "Authorization", Prefix: "Bearer "}
	}
	return k.contract.Auth.Schemes[0]
}

// blanks is a body that is JSON of nothing.
type blanks struct{}

// Read implements io.Reader.
func (blanks) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

// rawTime bounds a connection on which no HTTP is spoken.
const rawTime = 5 * time.Second

func (k *checker) exchangeRaw(ctx context.Context, x *exchange) {
	ctx, cancel := context.WithTimeout(ctx, rawTime)
	defer cancel()
	conn, err := k.dial(ctx)
	if err != nil {
		x.err = err
		return
	}
	defer func() { _ = conn.Close() }() // what was to be learnt is learnt
	if deadline, ok := ctx.Deadline(); ok {
		x.err = conn.SetDeadline(deadline)
	}
	if x.err == nil {
		_, x.err = io.WriteString(conn, x.request.raw)
	}
	if x.err != nil {
		return
	}
	text, err := io.ReadAll(io.LimitReader(conn, contract.MaxErrorBody))
	if err != nil && len(text) == 0 {
		x.err = err
		return
	}
	x.read(text)
}

// read takes an answer apart that came over a connection of its own.
func (x *exchange) read(text []byte) {
	resp, err := http.ReadResponse(newReader(text), nil)
	if err != nil {
		x.err = errNoAnswer
		if len(text) > 0 {
			x.err = fmt.Errorf("%w: %q", errNoHTTP, cut(string(text), 60))
		}
		return
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	if x.body, err = io.ReadAll(resp.Body); err != nil {
		x.err = fmt.Errorf("the body breaks off: %w", err)
	}
}

var (
	errNoAnswer = errors.New("the connection is closed without an answer")
	errNoHTTP   = errors.New("the answer is no HTTP")
)

func (k *checker) dial(ctx context.Context) (net.Conn, error) {
	host := k.origin.Host
	dialer := &net.Dialer{Timeout: rawTime}
	if k.origin.Scheme == "https" {
		if k.origin.Port() == "" {
			host += ":443"
		}
		secure := &tls.Dialer{NetDialer: dialer, Config: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
		return secure.DialContext(ctx, "tcp", host) //nolint:wrapcheck // its text is what is reported
	}
	if k.origin.Port() == "" {
		host += ":80"
	}
	return dialer.DialContext(ctx, "tcp", host) //nolint:wrapcheck // its text is what is reported
}
