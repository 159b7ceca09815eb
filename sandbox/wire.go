package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

// Listener wraps one that the sandbox is served on, so that what net/http
// refuses by itself (a request line that is none, a head that is too long) is
// told as the API tells its errors, like all else.
func (s *Sandbox) Listener(l net.Listener) net.Listener {
	guard := &failwell.Guard{Contract: s.contract, Clock: s.clock.Now, Logger: s.logger}
	return &wireListener{l, func(status int) []byte {
		of := condition.OfStatus(status)
		if status >= http.StatusInternalServerError {
			of = condition.RequestMalformed // a version of HTTP or a coding that there is not
		}
		refused := failwell.FromCondition(of, fmt.Errorf("refused before it could be read: %s", http.StatusText(status)))
		if code, _ := s.contract.For(of); code.Allows(status) {
			refused.Status = status
		}
		w := &wireWriter{header: http.Header{}}
		guard.WriteError(w, &http.Request{URL: &url.URL{}, Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1}, refused)
		return w.wire(s.clock.Now())
	}}
}

type wireListener struct {
	net.Listener
	refuse func(status int) []byte
}

// Accept implements net.Listener.
func (l *wireListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http looks at what it is
	}
	return &wireConn{conn, l.refuse}, nil
}

type wireConn struct {
	net.Conn
	refuse func(status int) []byte
}

// ownWords end the head of what net/http says by itself: unlike a handler's
// answer it has no Date.
const ownWords = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// Write implements net.Conn.
func (c *wireConn) Write(p []byte) (int, error) {
	line, _, ok := strings.Cut(string(p[:min(len(p), 256)]), ownWords)
	if !ok || !strings.HasPrefix(line, "HTTP/1.") || strings.Contains(line, "\n") || len(line) < 12 {
		return c.Conn.Write(p) //nolint:wrapcheck // net/http looks at what the connection says
	}
	status, err := strconv.Atoi(line[9:12])
	if err != nil {
		return c.Conn.Write(p) //nolint:wrapcheck // as above
	}
	if _, err := c.Conn.Write(c.refuse(status)); err != nil {
		return 0, err //nolint:wrapcheck // as above
	}
	c.linger()
	return len(p), nil
}

// linger reads a little of what is still on its way: a connection that is
// closed with unread data is reset, and the answer lost with it.
func (c *wireConn) linger() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(500*time.Millisecond)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, 256<<10)
	}
}

// CloseWrite is asked for by net/http.
func (c *wireConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// NetConn is the connection below, as tls.Conn has it: a fault resets that.
func (c *wireConn) NetConn() net.Conn { return c.Conn }

// wireWriter is a ResponseWriter outside of any request.
type wireWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *wireWriter) Header() http.Header    { return w.header }
func (w *wireWriter) WriteHeader(status int) { w.status = status }

func (w *wireWriter) Write(p []byte) (int, error) {
	return w.body.Write(p) //nolint:wrapcheck // a bytes.Buffer does not fail
}

// wire is the answer as HTTP/1.1 sends it.
func (w *wireWriter) wire(now time.Time) []byte {
	var out bytes.Buffer
	b := bufio.NewWriter(&out)
	w.header.Set("Date", now.UTC().Format(http.TimeFormat))
	resp := http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Close: true, ContentLength: int64(w.body.Len()), Body: io.NopCloser(&w.body),
	}
	if err := errors.Join(resp.Write(b), b.Flush()); err != nil {
		return nil // a buffer takes everything
	}
	return out.Bytes()
}
