package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"sync"
	"time"
)

// direct sends requests that are all there to an HTTP/1.1 upstream and reads the
// answer on the goroutine that asks. http.Transport has two goroutines per
// connection and hands each request from one to the next, which is a third of a
// proxy's CPU time (docs/performance.md). What needs more than a question and
// an answer, such as bodies that are still coming, upgrades, TLS and HTTP/2,
// goes to the http.Transport behind it.
//
// It keeps to what http.Transport does: a GET or HEAD on a connection that the
// upstream has closed meanwhile is sent again once, on a new connection, if not
// a byte of an answer had come. Any other request is, if not a byte of it was
// written; an error that is no dialError says that some may have been.
type direct struct {
	behind *http.Transport
	// headers bounds the time until the head of the answer is there.
	headers time.Duration
	// writers are lent for one request each.
	writers sync.Pool

	mu   sync.Mutex
	idle []*directConn // the most recently used last
}

// maxInHand is the longest body that is sent from here. With its head it goes out
// in one write, which the system takes whatever the other side does: an upstream
// that answers without reading cannot get in between.
const maxInHand = 16 << 10

// maxIdle is how many connections to one upstream are kept.
const maxIdle = 1024

// idleTime is how long an idle connection is kept.
const idleTime = 90 * time.Second

type directConn struct {
	net.Conn
	reader *bufio.Reader
	// left is how many bytes may still be read; it bounds heads.
	left int64
	// got says that a byte of the present answer has come.
	got    bool
	reused bool
	since  time.Time
}

var errHeadTooLarge = fmt.Errorf("the head of the answer is longer than %d bytes", maxUpstreamHeader)

// Read implements io.Reader for the connection's bufio.Reader.
func (c *directConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeadTooLarge
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	c.got = c.got || n > 0
	return n, err //nolint:wrapcheck // a reader hands through what it got
}

// takes reports whether a request is sent from here.
func (*direct) takes(r *http.Request) bool {
	if r.URL.Scheme != "http" || r.Header["Upgrade"] != nil || r.Header["Expect"] != nil || r.Trailer != nil || r.Method == http.MethodConnect {
		return false
	}
	if r.Body == nil {
		return r.ContentLength == 0
	}
	body, ok := r.Body.(*sentBody)
	if !ok {
		return false
	}
	n, ok := body.inHand()
	return ok && n == r.ContentLength && n <= maxInHand
}

// RoundTrip implements http.RoundTripper.
func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if !d.takes(r) {
		return d.behind.RoundTrip(r) //nolint:wrapcheck // a transport's own words
	}
	body, _ := r.Body.(*sentBody)
	if r.Body != nil && r.ContentLength == 0 {
		bare := *r
		bare.Body = nil // else it would be looked into, by another goroutine
		r = &bare
	}
	harmless := r.Body == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	for {
		c, err := d.conn(r)
		if err != nil {
			return nil, err
		}
		before, counted := sentOn(c.Conn)
		resp, err := d.ask(c, r)
		if err == nil {
			return resp, nil
		}
		_ = c.Close() // the first error is the one that counts
		after, _ := sentOn(c.Conn)
		unsent := counted && before == after && body.rewind()
		if !c.reused || r.Context().Err() != nil || isTimeout(err) || !unsent && (!harmless || c.got) {
			if unsent {
				err = &dialError{err}
			}
			return nil, err
		}
		d.CloseIdleConnections() // its siblings are as old
	}
}

// sentOn is how many bytes a connection has taken.
func sentOn(conn net.Conn) (n int64, counted bool) {
	p, counted := conn.(*patientConn)
	if !counted {
		return 0, false
	}
	return p.written.Load(), true
}

// conn takes an idle connection or makes one.
func (d *direct) conn(r *http.Request) (*directConn, error) {
	now := time.Now()
	for {
		d.mu.Lock()
		last := len(d.idle) - 1
		if last < 0 {
			d.mu.Unlock()
			break
		}
		c := d.idle[last]
		d.idle[last] = nil
		d.idle = d.idle[:last]
		d.mu.Unlock()
		// Whatever has come unasked would be taken for the next answer, and that
		// may be another caller's: one look before each use.
		if now.Sub(c.since) < idleTime && alive(c.Conn) {
			c.reused = true
			return c, nil
		}
		_ = c.Close()
	}
	address := r.URL.Host
	if r.URL.Port() == "" {
		address = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	conn, err := d.behind.DialContext(r.Context(), "tcp", address)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says that nothing was sent
	}
	c := &directConn{Conn: conn}
	c.reader = bufio.NewReader(c)
	return c, nil
}

// past ends reads and writes at once.
var past = time.Unix(1, 0)

// ask sends the request and reads the head of the answer.
func (d *direct) ask(c *directConn, r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	c.left, c.got = maxUpstreamHeader, false
	var deadline time.Time
	if d.headers > 0 {
		deadline = time.Now().Add(d.headers)
	}
	if err := c.SetReadDeadline(deadline); err != nil {
		return nil, err //nolint:wrapcheck // the connection's own word
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	err := d.write(c, r)
	var resp *http.Response
	if err == nil {
		resp, err = c.answer(r)
	}
	if err != nil {
		stop()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	c.left = math.MaxInt64
	body := &directBody{from: resp.Body, conn: c, pool: d, ctx: ctx, stop: stop, keep: !resp.Close && !mayTrail(resp)}
	if resp.Body == http.NoBody {
		body.end(true)
		return resp, nil
	}
	resp.Body = body
	if d.headers > 0 && (resp.ContentLength < 0 || int64(c.reader.Buffered()) < resp.ContentLength) {
		// The body may take its time; what is in the buffer already needs none.
		if err := c.SetReadDeadline(time.Time{}); err != nil || ctx.Err() != nil {
			_ = c.SetDeadline(past)
		}
	}
	return resp, nil
}

// mayTrail reports whether an answer that has no body announces one: an
// upstream that is wrong about that sends it after all, and on a connection that
// is kept it would pass for the answer to somebody else's request.
func mayTrail(resp *http.Response) bool {
	if resp.Body != http.NoBody {
		return false
	}
	length := resp.Header.Get("Content-Length")
	return resp.ContentLength > 0 || length != "" && length != "0" || len(resp.TransferEncoding) > 0
}

var errUnasked = errors.New("the upstream switches protocols without being asked")

// maxInformational bounds the 1xx answers before the real one, as http.Transport does.
const maxInformational = 5

// write sends the request.
func (d *direct) write(c *directConn, r *http.Request) error {
	w, _ := d.writers.Get().(*bufio.Writer)
	if w == nil {
		w = bufio.NewWriterSize(nil, 2*maxInHand)
	}
	w.Reset(c.Conn)
	err := r.Write(w)
	if err == nil {
		err = w.Flush()
	}
	w.Reset(nil)
	d.writers.Put(w)
	return err //nolint:wrapcheck // the connection's own word
}

// answer reads the head of the answer.
func (c *directConn) answer(r *http.Request) (*http.Response, error) {
	for range maxInformational + 1 {
		resp, err := http.ReadResponse(c.reader, r)
		switch {
		case err != nil:
			return nil, unexpected(err)
		case resp.StatusCode >= 200 && resp.StatusCode <= 999:
			return resp, nil
		case resp.StatusCode < 100 || resp.StatusCode > 999:
			return nil, errStatus
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errUnasked
		}
		if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, err //nolint:wrapcheck // the caller's own word
			}
		}
	}
	return nil, errInformational
}

var errStatus = errors.New("the upstream's status is none")

var errInformational = errors.New("the upstream sends 1xx answers only")

// unexpected gives the end of a connection in the middle of a head its name.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// put keeps a connection for the next request.
func (d *direct) put(c *directConn) {
	c.since = time.Now()
	d.mu.Lock()
	var old *directConn
	if len(d.idle) > 0 && (len(d.idle) >= maxIdle || c.since.Sub(d.idle[0].since) > idleTime) {
		old = d.idle[0]
		d.idle = slices.Delete(d.idle, 0, 1)
	}
	d.idle = append(d.idle, c)
	d.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// CloseIdleConnections closes what no request uses, here and behind.
func (d *direct) CloseIdleConnections() {
	d.mu.Lock()
	idle := d.idle
	d.idle = nil
	d.mu.Unlock()
	for _, c := range idle {
		_ = c.Close()
	}
	d.behind.CloseIdleConnections()
}

// directBody gives the connection back when it has been read to its end, and
// closes it when it is given up before.
type directBody struct {
	from io.ReadCloser
	conn *directConn
	pool *direct
	ctx  context.Context //nolint:containedctx // the request's: its end ends the body
	stop func() bool
	keep bool
	done bool
}

// Read implements io.Reader.
func (b *directBody) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	n, err := b.from.Read(p)
	if err == nil {
		return n, nil
	}
	b.end(errors.Is(err, io.EOF))
	if !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close implements io.Closer. A body that was not read to its end takes its
// connection with it: the rest may be endless.
func (b *directBody) Close() error {
	if !b.done {
		b.end(false)
	}
	return nil
}

func (b *directBody) end(whole bool) {
	b.done = true
	undisturbed := b.stop()
	if whole && undisturbed && b.keep && b.conn.reader.Buffered() == 0 {
		b.pool.put(b.conn)
		return
	}
	_ = b.conn.Close()
}
