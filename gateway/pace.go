package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// bodyGrace is how long a body may take whatever its size, and how long it
	// may pause.
	bodyGrace = 30 * time.Second
	// bodyRate is the least average speed after that, in bytes per second: what
	// a bad mobile connection still does.
	bodyRate = 500
)

// pacedBody bounds how slowly a caller may send a body: its deadline moves on
// as bytes come in.
type pacedBody struct {
	io.ReadCloser
	conn     *clientConn // nil in HTTP/2
	control  *http.ResponseController
	started  time.Time
	deadline time.Time
	bytes    int64
}

// pace returns the request with its body paced. It leaves net/http's own as it
// is: the server looks at its body again when it answers, and has to know it.
func pace(w http.ResponseWriter, r *http.Request) *http.Request {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return r
	}
	paced := *r
	body := &pacedBody{ReadCloser: r.Body, control: http.NewResponseController(w)}
	body.conn, _ = r.Context().Value(connKey{}).(*clientConn)
	paced.Body = body
	return &paced
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	now := time.Now()
	if b.started.IsZero() {
		b.started = now
		if b.conn != nil {
			b.conn.unasked.Store(false)
		}
	}
	earned := b.started.Add(bodyGrace + time.Duration(b.bytes/bodyRate)*time.Second)
	if next := now.Add(bodyGrace); next.Before(earned) {
		earned = next
	}
	// Moving the deadline costs a timer; a second more or less is no matter.
	if earned.Sub(b.deadline) >= time.Second {
		if err := b.control.SetReadDeadline(earned); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err //nolint:wrapcheck // the connection's own word
		}
		b.deadline = earned
	}
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if err == io.EOF && !b.deadline.IsZero() {
		// From here on net/http watches the connection for the caller's leaving.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err //nolint:wrapcheck // a reader hands through what it got
}
