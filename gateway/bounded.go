package gateway

import (
	"net"
	"sync"
)

// bounded is a listener with a bound on how many of its connections are open.
// Further ones are not taken up until one ends: they wait with the system,
// where they cost next to nothing.
type bounded struct {
	net.Listener
	slots chan struct{}
	// full is called when a connection has to wait.
	full func()
	done chan struct{}
	once sync.Once
}

func bound(l net.Listener, most int, full func()) *bounded {
	return &bounded{Listener: l, slots: make(chan struct{}, most), full: full, done: make(chan struct{})}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.slots <- struct{}{}:
	default:
		b.full()
		select {
		case b.slots <- struct{}{}:
		case <-b.done:
			return nil, net.ErrClosed
		}
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.slots
		return nil, err //nolint:wrapcheck // net/http looks at what it is
	}
	return &boundedConn{Conn: conn, from: b}, nil
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Listener.Close() //nolint:wrapcheck // as above
}

// boundedConn makes room for another when it is closed.
type boundedConn struct {
	net.Conn
	from *bounded
	once sync.Once
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	defer c.once.Do(func() { <-c.from.slots })
	return c.Conn.Close() //nolint:wrapcheck // as above
}

// CloseWrite closes one half, where the connection has such.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
