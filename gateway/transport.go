package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// dialError marks a request that was provably not sent: no connection existed, or
// the one that did took not a byte of it.
type dialError struct{ cause error }

func (e *dialError) Error() string { return e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

const (
	dialTimeout = 5 * time.Second
	// maxUpstreamHeader bounds the head of an upstream's answer.
	maxUpstreamHeader = 256 << 10
	// writePatience is how long an upstream or a caller may refuse to take data.
	writePatience = time.Minute
)

// newTransport makes a transport for upstreams. h2c is HTTP/2
// in the clear, which has to be spoken without being negotiated.
func newTransport(headers time.Duration, roots *x509.CertPool, h2c bool) *http.Transport {
	d := &dialer{net: net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}, roots: roots}
	t := &http.Transport{
		DialContext:    d.dial,
		DialTLSContext: d.dialTLS,
		// The gateway talks to the upstreams it was told, whatever the
		// environment says about proxies.
		Proxy:                  nil,
		DisableCompression:     true, // bodies pass as they are
		MaxIdleConns:           0,    // bounded by the requests under way
		MaxIdleConnsPerHost:    1024,
		IdleConnTimeout:        90 * time.Second,
		ResponseHeaderTimeout:  headers,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxUpstreamHeader,
		ForceAttemptHTTP2:      true, // dialing by oneself switches it off otherwise
	}
	if h2c {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}

// dialer makes connections to upstreams. All its errors are dialErrors, those
// of the TLS handshake included: net/http has no type for them.
type dialer struct {
	net   net.Dialer
	roots *x509.CertPool // nil: the system's
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, &dialError{err}
	}
	return &patientConn{Conn: conn}, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &dialError{errors.Join(err, conn.Close())}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secure := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: d.roots, NextProtos: []string{"h2", "http/1.1"},
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, &dialError{errors.Join(fmt.Errorf("TLS handshake: %w", err), conn.Close())}
	}
	return secure, nil
}

// patientConn bounds how long each write may be stuck. The deadline is moved at
// most every few seconds, so that a write costs one look at the clock.
type patientConn struct {
	net.Conn
	armed time.Time
	// written counts bytes, so that it can be told that nothing was sent.
	written atomic.Int64
}

func (c *patientConn) Write(p []byte) (int, error) {
	now := time.Now()
	if now.Sub(c.armed) > writePatience/4 {
		c.armed = now
		if err := c.SetWriteDeadline(now.Add(writePatience + writePatience/4)); err != nil {
			return 0, err //nolint:wrapcheck // net/http looks at what the connection says
		}
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err //nolint:wrapcheck // net/http looks at what the connection says
}

// isTimeout reports whether the upstream took too long, as opposed to failing.
func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
