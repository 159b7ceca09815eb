package gateway

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

// pipes is a listener to which somebody connects all the time.
type pipes struct{ net.Listener }

func (pipes) Close() error { return nil }

func (pipes) Accept() (net.Conn, error) {
	conn, _ := net.Pipe()
	return conn, nil
}

func TestBoundOfConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waited := 0
		l := bound(pipes{}, 2, func() { waited++ })
		var open []net.Conn
		for range 2 {
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		if waited != 0 {
			t.Fatal("the bound is too low")
		}
		third := make(chan error)
		take := func() {
			_, err := l.Accept()
			third <- err
		}
		go take()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("there are three")
		default:
		}
		if waited != 1 {
			t.Errorf("it was told %d times", waited)
		}
		for range 2 { // twice makes no room for two
			if err := open[0].Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-third; err != nil {
			t.Fatal(err)
		}
		go take()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("one that was closed twice made room for two")
		default:
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-third; !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed while waiting: %v", err)
		}
	})
}
