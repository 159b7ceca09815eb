package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func post(t *testing.T, s *speaker, d *direct, from io.Reader, length int64) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr().String()+"/x", &sentBody{from: from})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = length
	resp, err := d.RoundTrip(r)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	return string(body), errors.Join(err, resp.Body.Close())
}

// TestDirectTakes: what is all there goes out directly, what is still coming does not.
func TestDirectTakes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxInHand)
	for name, x := range map[string]struct {
		from   io.Reader
		length int64
		kept   bool // its connection is one of direct's own
	}{
		"in memory":        {strings.NewReader("body"), 4, true},
		"the longest":      {strings.NewReader(long), maxInHand, true},
		"none, on purpose": {emptyBody{}, 0, true},
		"longer":           {strings.NewReader(long + "x"), maxInHand + 1, false},
		"still coming":     {io.MultiReader(strings.NewReader("body")), 4, false},
		"of no length":     {strings.NewReader("body"), -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := speak(t, func(int, int) string { return ok })
			for range 2 {
				if body, err := post(t, s, d, x.from, x.length); err != nil || body != "ok" {
					t.Fatalf("%q, %v", body, err)
				}
				if again, is := x.from.(io.Seeker); is {
					_, _ = again.Seek(0, io.SeekStart)
				} else if x.length > 0 {
					break
				}
			}
			if got := len(d.idle) == 1; got != x.kept {
				t.Errorf("%d connections kept", len(d.idle))
			}
			if got := s.accepted.Load(); x.kept && got != 1 {
				t.Errorf("%d connections for 2 requests", got)
			}
		})
	}
}

// TestDirectSendsOnce: a request of which a byte was written is not repeated, even
// if the upstream goes away without a word.
func TestDirectSendsOnce(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]string{"closed without a word": "", "half a head": "HTTP/1.1 2<close>"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := speak(t, func(_, request int) string {
				if request == 2 {
					return second
				}
				return ok
			})
			if _, err := post(t, s, d, strings.NewReader("body"), 4); err != nil {
				t.Fatal(err)
			}
			_, err := post(t, s, d, strings.NewReader("body"), 4)
			if _, unsent := errors.AsType[*dialError](err); err == nil || unsent {
				t.Errorf("%v passes for not sent", err)
			}
			if got := s.asked.Load(); got != 2 {
				t.Errorf("asked %d times, want 2", got)
			}
		})
	}
}

// mute is an open connection that takes nothing.
type mute struct{ *net.TCPConn }

func (mute) Write([]byte) (int, error) { return 0, errDeaf }

// TestDirectUnsent: a request of which not a byte was written is sent on another
// connection; where that was a new one, the error says that nothing was sent.
func TestDirectUnsent(t *testing.T) {
	t.Parallel()
	s, d := speak(t, func(int, int) string { return ok })

	silent := func() *patientConn {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return &patientConn{Conn: mute{conn.(*net.TCPConn)}}
	}
	d.put(&directConn{Conn: silent()})
	from := strings.NewReader("body")
	if body, err := post(t, s, d, from, 4); err != nil || body != "ok" || from.Len() != 0 {
		t.Errorf("on a kept connection: %q, %v", body, err)
	}
	d.CloseIdleConnections()
	d.behind.DialContext = func(context.Context, string, string) (net.Conn, error) { return silent(), nil }
	body := &sentBody{from: strings.NewReader("body")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr().String()+"/x", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 4
	resp, err := d.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
	}
	if _, unsent := errors.AsType[*dialError](err); !unsent || body.touched() {
		t.Errorf("on a new connection: %v, body touched %v", err, body.touched())
	}
}
