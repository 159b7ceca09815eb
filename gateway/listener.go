package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// front accepts callers' connections. It performs the TLS handshake itself,
// because net/http would answer plain requests on a TLS port in its own words,
// and hands connections to one server per protocol.
type front struct {
	net.Listener
	tls     *tls.Config // nil: connections are in the clear
	patient time.Duration
	refuse  func(status int) []byte

	seats        *seats
	http1, http2 *handed
	handshakes   sync.WaitGroup
}

func newFront(l net.Listener, config *tls.Config, patient time.Duration, refuse func(int) []byte) *front {
	return &front{
		Listener: l, tls: config, patient: patient, refuse: refuse, seats: newSeats(),
		http1: &handed{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})},
		http2: &handed{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})},
	}
}

// Accept implements net.Listener for connections in the clear.
func (f *front) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http looks at what it is
	}
	return f.seated(conn), nil
}

func (f *front) seated(conn net.Conn) *clientConn {
	c := &clientConn{Conn: conn, refuse: f.refuse}
	c.seat, c.leave = f.seats.take(conn.RemoteAddr())
	return c
}

// run accepts TLS connections until the listener is closed. Each handshake has
// a goroutine of its own, so that a slow one delays nobody.
func (f *front) run(ctx context.Context) error {
	defer f.handshakes.Wait()
	for wait := time.Duration(0); ; {
		conn, err := f.Listener.Accept()
		if err != nil {
			var temporary net.Error
			if !errors.As(err, &temporary) || errors.Is(err, net.ErrClosed) {
				return err //nolint:wrapcheck // the caller tells a closed listener from a broken one
			}
			// Out of file descriptors, most likely: some are freed in a moment.
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return ctx.Err() //nolint:wrapcheck // it is what it is
			}
			continue
		}
		wait = 0
		f.handshakes.Go(func() { f.handshake(ctx, conn) })
	}
}

func (f *front) handshake(ctx context.Context, conn net.Conn) {
	secure := tls.Server(conn, f.tls)
	err := conn.SetDeadline(time.Now().Add(f.patient))
	if err == nil {
		err = secure.HandshakeContext(ctx)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			sayAndClose(record.Conn, f.refuse(400))
		}
		_ = conn.Close()
		return
	}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		f.http2.hand(secure)
		return
	}
	f.http1.hand(&tlsClientConn{f.seated(secure), secure})
}

// looksLikeHTTP recognises the first bytes of a request in the clear.
func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "OPTIO", "DELET":
		return true
	}
	return false
}

// handed is a listener for connections that somebody else accepted.
type handed struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (h *handed) hand(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.done:
		_ = conn.Close()
	}
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return h.addr }
