package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// speaker is an upstream that says what a test tells it to, byte for byte.
type speaker struct {
	net.Listener
	t        *testing.T
	accepted atomic.Int32
	asked    atomic.Int32
}

// speak answers each request of each connection with what reply says; reply
// gets the connection's number and the request's on it, from 1. An empty reply
// closes the connection; "-" says nothing.
func speak(t *testing.T, reply func(conn, request int) string) (*speaker, *direct) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &speaker{Listener: l, t: t}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c, int(s.accepted.Add(1)), reply)
		}
	}()
	behind := newTransport(0, nil, false)
	d := &direct{behind: behind}
	t.Cleanup(func() {
		d.CloseIdleConnections()
		_ = l.Close()
	})
	return s, d
}

func (s *speaker) serve(c net.Conn, number int, reply func(conn, request int) string) {
	defer c.Close()
	reader := bufio.NewReader(c)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // or closing would reset the connection
			return
		}
		s.asked.Add(1)
		text := reply(number, n)
		if text == "" {
			return
		}
		if text == "-" {
			continue
		}
		text, last := strings.CutSuffix(text, "<close>")
		if _, err := io.WriteString(c, text); err != nil || last {
			return
		}
	}
}

func (s *speaker) get(ctx context.Context, d *direct, method string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr().String()+"/x", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := d.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), errors.Join(err, resp.Body.Close())
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestDirectAnswers(t *testing.T) {
	for name, x := range map[string]struct {
		method, reply, body string
		connections         int32 // for two requests
		fails               bool
	}{
		"length":        {"GET", ok, "ok", 1, false},
		"chunks":        {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n2\r\nok\r\n0\r\nSum: 7\r\n\r\n", "ok", 1, false},
		"no body":       {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", 1, false},
		"not modified":  {"GET", "HTTP/1.1 304 Not Modified\r\n\r\n", "", 1, false},
		"head":          {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 1, false},
		"head, length":  {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "", 2, false},
		"304, length":   {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", "", 2, false},
		"status 099":    {"GET", "HTTP/1.1 099 What\r\nContent-Length: 2\r\n\r\nok", "", 2, true},
		"until the end": {"GET", "HTTP/1.0 200 OK\r\n\r\nok<close>", "ok", 2, false},
		"closing":       {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", 2, false},
		"early hints":   {"GET", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ok, "ok", 1, false},
		"unasked bytes": {"GET", ok + "HTTP/1.1 200 OK\r\n", "ok", 2, false},
		"truncated":     {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok<close>", "ok", 2, true},
		"no answer":     {"GET", "<close>", "", 2, true},
		"half a head":   {"GET", "HTTP/1.1 200 OK\r\nConte<close>", "", 2, true},
		"garbage":       {"GET", "what?\r\n\r\n<close>", "", 2, true},
		"switching":     {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "", 2, true},
		"only hints":    {"GET", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 9), "", 2, true},
		"endless head":  {"GET", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxUpstreamHeader) + "\r\n\r\n", "", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := speak(t, func(int, int) string { return x.reply })
			for range 2 {
				resp, body, err := s.get(t.Context(), d, x.method)
				if (err != nil) != x.fails || body != x.body {
					t.Fatalf("%q, %v", body, err)
				}
				if name == "chunks" && resp.Trailer.Get("Sum") != "7" {
					t.Errorf("trailers %v", resp.Trailer)
				}
			}
			if got := s.accepted.Load(); got != x.connections || s.asked.Load() != 2 {
				t.Errorf("%d connections for %d requests, want %d for 2", got, s.asked.Load(), x.connections)
			}
		})
	}
}

// A connection that the upstream gave up while it was idle costs nothing; one
// on which an answer had begun is not asked again.
func TestDirectRepeats(t *testing.T) {
	for name, x := range map[string]struct {
		second string
		asked  int32
		fails  bool
	}{
		"closed without a word": {"", 3, false},
		"closed with a word":    {"HTTP/1.1 2<close>", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := speak(t, func(conn, request int) string {
				if conn == 1 && request == 2 {
					return x.second
				}
				return ok
			})
			if _, _, err := s.get(t.Context(), d, "GET"); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.get(t.Context(), d, "GET"); (err != nil) != x.fails {
				t.Errorf("%v", err)
			}
			if got := s.asked.Load(); got != x.asked {
				t.Errorf("asked %d times, want %d", got, x.asked)
			}
		})
	}
}

// What is old is looked at before it is used.
func TestDirectLooksAtOldConnections(t *testing.T) {
	s, d := speak(t, func(conn, _ int) string {
		if conn == 1 {
			return ok + "<close>"
		}
		return ok
	})
	if _, _, err := s.get(t.Context(), d, "GET"); err != nil {
		t.Fatal(err)
	}
	idle := d.idle[0]
	// The other side's closing has arrived when a read sees it.
	if _, err := idle.Conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if alive(idle.Conn) {
		t.Error("a closed connection passes for alive")
	}
	if _, _, err := s.get(t.Context(), d, "GET"); err != nil || s.asked.Load() != 2 {
		t.Errorf("%v after %d requests", err, s.asked.Load())
	}
	fresh := d.idle[0]
	if !alive(fresh.Conn) {
		t.Error("an open connection passes for closed")
	}
	fresh.since = fresh.since.Add(-2 * idleTime)
	if _, _, err := s.get(t.Context(), d, "GET"); err != nil || s.accepted.Load() != 3 {
		t.Errorf("%v on connection %d", err, s.accepted.Load())
	}
}

func TestDirectEndsWithItsContext(t *testing.T) {
	cause := errors.New("the caller has had enough")
	for name, reply := range map[string]string{
		"before the head": "-",
		"in the body":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s, d := speak(t, func(int, int) string {
				cancel(cause)
				return reply
			})
			if _, _, err := s.get(ctx, d, "GET"); !errors.Is(err, cause) {
				t.Errorf("%v", err)
			}
			if len(d.idle) != 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

func TestDirectBoundsTheHead(t *testing.T) {
	s, d := speak(t, func(int, int) string { return "-" })
	d.headers = 20 * time.Millisecond
	if _, _, err := s.get(t.Context(), d, "GET"); !isTimeout(err) {
		t.Errorf("%v", err)
	}
}

// A body that is given up takes its connection with it.
func TestDirectGivesUp(t *testing.T) {
	s, d := speak(t, func(int, int) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := d.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || len(d.idle) != 0 {
		t.Errorf("a body that was given up: %v, %d kept", err, len(d.idle))
	}
}

func TestDirectTellsOfHints(t *testing.T) {
	s, d := speak(t, func(int, int) string { return "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ok })
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		hints = append(hints, h.Get("Link"))
		return nil
	}})
	if _, body, err := s.get(ctx, d, "GET"); err != nil || body != "ok" || len(hints) != 1 || hints[0] != "<x>" {
		t.Errorf("%q %v, %v", hints, body, err)
	}
}

// Bytes that come after an answer are never taken for the next one.
func TestDirectIsNotPoisoned(t *testing.T) {
	s, d := speak(t, func(conn, request int) string {
		if conn == 1 && request == 1 {
			return ok + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"
		}
		return ok
	})
	if _, body, err := s.get(t.Context(), d, "GET"); err != nil || body != "ok" {
		t.Fatalf("%q, %v", body, err)
	}
	for range 3 {
		if _, body, err := s.get(t.Context(), d, "GET"); err != nil || body != "ok" {
			t.Fatalf("%q, %v", body, err)
		}
	}
}

// Nor are those that come later, while the connection is idle.
func TestDirectIsNotPoisonedLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	kept := make(chan struct{})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				_, _ = io.WriteString(c, ok)
				<-kept
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON")
				_, _ = c.Read(make([]byte, 1))
			}()
		}
	}()
	d := &direct{behind: newTransport(0, nil, false)}
	defer d.CloseIdleConnections()
	s := &speaker{Listener: l, t: t}
	if _, _, err := s.get(t.Context(), d, "GET"); err != nil {
		t.Fatal(err)
	}
	close(kept)
	for alive(d.idle[0].Conn) {
		runtime.Gosched() // until the unasked bytes are there
	}
	if _, body, err := s.get(t.Context(), d, "GET"); err != nil || body != "ok" {
		t.Fatalf("%q, %v", body, err)
	}
}

// Many at once: every answer goes to the one who asked.
func TestDirectUnderLoad(t *testing.T) {
	s, d := speak(t, func(int, int) string { return ok })
	done := make(chan error, 50)
	for range cap(done) {
		go func() {
			for range 40 {
				if _, body, err := s.get(t.Context(), d, "GET"); err != nil || body != "ok" {
					done <- errors.Join(err, errors.New("got "+body))
					return
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if s.asked.Load() != 2000 || int(s.accepted.Load()) > cap(done) {
		t.Errorf("%d requests on %d connections", s.asked.Load(), s.accepted.Load())
	}
}
