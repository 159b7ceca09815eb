package gateway

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// unaskedBody is a body that a request has announced and nobody has read from
// yet. When the request is refused meanwhile, net/http looks for the rest of it
// before it answers, for as long as the caller likes, to keep the connection. It
// may have what has come with the head: the answer does not wait for more, and
// the connection then ends with it.
type unaskedBody struct {
	// unasked is set from the head to the first read by whoever wants the body.
	unasked atomic.Bool
	chunked bool
	// late is when net/http has looked for long enough.
	late time.Time

	deadlines sync.Mutex
	// deadline is the read deadline that somebody else has set.
	deadline time.Time
}

const (
	// glance is how long an answer waits for a body that may be under way: one
	// that follows its head in a packet of its own is there by then.
	glance = 20 * time.Millisecond
	// oneByte bounds reads of a single byte between chunks, which cannot be told
	// from net/http's watch for the caller's leaving.
	oneByte = 2 * time.Second
)

// announced prepares for the request's body.
func (c *clientConn) announced(r *http.Request) {
	c.late, c.chunked = time.Time{}, r.ContentLength < 0
	c.unasked.Store(r.ContentLength != 0)
}

// readUnasked reads on behalf of net/http alone.
func (c *clientConn) readUnasked(p []byte) (int, error) {
	var until time.Time
	switch {
	case len(p) > 1:
		if c.late.IsZero() {
			c.late = time.Now().Add(glance)
		}
		until = c.late
	case c.chunked:
		until = time.Now().Add(oneByte)
	}
	if err := c.setOwnDeadline(until); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.hasEarly = n == 1 && len(p) == 1
	if c.hasEarly {
		c.early = p[0]
	}
	if err == nil {
		err = c.setOwnDeadline(time.Time{})
	}
	return n, err
}

// SetReadDeadline implements net.Conn.
func (c *clientConn) SetReadDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.deadline = t
	return c.Conn.SetReadDeadline(t) //nolint:wrapcheck // net/http looks at what the connection says
}

// setOwnDeadline sets a read deadline unless somebody else has: net/http ends
// its own reads that way, perhaps before they have begun.
func (c *clientConn) setOwnDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if !c.deadline.IsZero() {
		return nil
	}
	return c.Conn.SetReadDeadline(t) //nolint:wrapcheck // net/http looks at what the connection says
}

// Close implements net.Conn. While a body may still be under way, the answer
// that refuses it would be lost with a reset.
func (c *clientConn) Close() error {
	c.closed.Do(c.leave)
	if !c.unasked.Swap(false) {
		return c.Conn.Close() //nolint:wrapcheck // net/http looks at what the connection says
	}
	go func() { // net/http holds locks while it closes connections
		if c.SetDeadline(time.Now().Add(lingerTime)) == nil {
			closeWriteAndRead(c.Conn)
		}
		_ = c.Conn.Close()
	}()
	return nil
}
