package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// clientConn is a caller's HTTP/1 connection. It gives what net/http says by
// itself, before any handler is asked, the shape of the contract: a request
// line that is none, a head that is too large or too slow, a transfer coding
// that nobody knows. Nothing else gives a server's user a say in these.
type clientConn struct {
	net.Conn
	unaskedBody

	// refuse renders the contract's answer for one of net/http's statuses.
	refuse func(status int) []byte
	// seat tells the connection from others of its address that are open.
	seat   uint32
	leave  func()
	closed sync.Once
	// serving is set while a handler's response may be written. Only outside of
	// it are writes looked at: a body may well look like a response.
	serving atomic.Bool
	// begun says that a part of a request's head has arrived.
	begun atomic.Bool
	// armed is when the write deadline was set, in Unix nanoseconds.
	armed atomic.Int64
	// head is what has arrived since the last response, as far as it may be the
	// head of a request. early is a byte of the next one that net/http read while
	// it watched for the caller's leaving. Reads happen one after the other.
	head     []byte
	early    byte
	hasEarly bool
}

// connKey finds a request's clientConn in its context.
type connKey struct{}

func (c *clientConn) Read(p []byte) (int, error) {
	if c.unasked.Load() {
		return c.readUnasked(p)
	}
	n, err := c.Conn.Read(p)
	if c.serving.Load() {
		c.hasEarly = n == 1
		if c.hasEarly {
			c.early = p[0]
		}
		return n, err //nolint:wrapcheck // net/http looks at what the connection says
	}
	if n > 0 {
		c.begun.Store(true)
		if len(c.head) < longestHead {
			c.head = append(c.head, p[:n]...)
		}
	}
	if err != nil && c.begun.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		c.begun.Store(false)
		c.answer(http.StatusRequestTimeout)
	}
	return n, err //nolint:wrapcheck // net/http looks at what the connection says
}

// Write implements net.Conn. A caller who takes nothing for a minute is given
// up, so that slow readers cannot hold memory for ever.
func (c *clientConn) Write(p []byte) (int, error) {
	if !c.serving.Load() && len(p) > 12 && string(p[:7]) == "HTTP/1." && (p[9] == '4' || p[9] == '5') {
		status, err := strconv.Atoi(string(p[9:12]))
		if err == nil {
			c.answer(status)
			return len(p), nil
		}
	}
	now := time.Now()
	if armed := c.armed.Load(); now.UnixNano()-armed > int64(writePatience/4) {
		c.armed.Store(now.UnixNano())
		if err := c.Conn.SetWriteDeadline(now.Add(writePatience + writePatience/4)); err != nil {
			return 0, err //nolint:wrapcheck // net/http looks at what the connection says
		}
	}
	return c.Conn.Write(p) //nolint:wrapcheck // net/http looks at what the connection says
}

// SetWriteDeadline implements net.Conn. net/http clears the deadline after each
// request; ours is moved by the next write anyway.
func (c *clientConn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	c.armed.Store(0)
	return c.Conn.SetWriteDeadline(t) //nolint:wrapcheck // net/http looks at what the connection says
}

// CloseWrite lets net/http half-close, so that an answer is read before the
// connection is reset.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// lingering is how long and how much is read after an answer to a broken
// request: a connection that is closed with unread data is reset, and the
// answer lost with it.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

func (c *clientConn) answer(status int) { sayAndClose(c.Conn, c.refuse(status)) }

func sayAndClose(conn net.Conn, response []byte) {
	now := time.Now()
	if conn.SetDeadline(now.Add(lingerTime)) != nil {
		return
	}
	if _, err := conn.Write(response); err != nil {
		return
	}
	closeWriteAndRead(conn)
}

func closeWriteAndRead(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}

// tlsClientConn lets net/http see that a request came over TLS.
type tlsClientConn struct {
	*clientConn
	tls *tls.Conn
}

// ConnectionState is asked for by net/http.
func (c *tlsClientConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// longestHead is how much of a head is kept to be looked at; keptHead is what
// an idle connection may hold on to.
const (
	longestHead = 64 << 10
	keptHead    = 1 << 10
)

// idle prepares for the next request.
func (c *clientConn) idle() {
	c.serving.Store(false)
	c.begun.Store(false)
	c.unasked.Store(false)
	c.head = c.head[:0]
	if cap(c.head) > keptHead {
		c.head = nil
	}
	if c.hasEarly {
		c.head = append(c.head, c.early)
		c.begun.Store(true)
	}
	c.hasEarly = false
}

// framing says how sure it is where a request's body ends.
type framing int

const (
	framingClear framing = iota
	// framingUnseen: the head came together with an earlier request; what
	// follows this request must not be taken for another one.
	framingUnseen
	framingContradictory
)

// framing looks for what net/http resolves on its own and does not tell: a
// length beside a transfer coding, and a transfer coding in HTTP/1.0. Whoever
// stands between the caller and the gateway may have resolved it the other way
// round, and what one takes for a body is then a request to the other (RFC 9112
// section 6.1).
func (c *clientConn) framing(r *http.Request) framing {
	http10 := !r.ProtoAtLeast(1, 1)
	if len(r.TransferEncoding) == 0 && !http10 {
		return framingClear
	}
	head, ok := bytes.CutPrefix(c.head, []byte(r.Method+" "+r.RequestURI+" "))
	if !ok {
		return framingUnseen
	}
	for line := range bytes.Lines(head) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return framingClear
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		if http10 && bytes.EqualFold(name, []byte("Transfer-Encoding")) || !http10 && bytes.EqualFold(name, []byte("Content-Length")) {
			return framingContradictory
		}
	}
	return framingUnseen
}

// stateChanged is an http.Server's ConnState hook.
func stateChanged(conn net.Conn, state http.ConnState) {
	if state != http.StateIdle {
		return
	}
	switch c := conn.(type) {
	case *clientConn:
		c.idle()
	case *tlsClientConn:
		c.idle()
	}
}

// recorder is a ResponseWriter for answers outside of any request.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.body.Write(p)
	return n, err //nolint:wrapcheck // a bytes.Buffer does not fail
}

// wire returns the answer as HTTP/1.1 sends it.
func (r *recorder) wire() []byte {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	resp := http.Response{
		StatusCode: r.status, ProtoMajor: 1, ProtoMinor: 1, Header: r.header, Close: true,
		ContentLength: int64(r.body.Len()), Body: io.NopCloser(&r.body),
	}
	r.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if err := errors.Join(resp.Write(w), w.Flush()); err != nil {
		return nil // a buffer takes everything
	}
	return out.Bytes()
}
