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

// deaf is a connection that takes so many bytes and then no more. When it has
// taken something the other side goes away.
type deaf struct {
	net.Conn
	takes int
	far   net.Conn
}

var errDeaf = errors.New("the other side has closed")

func (d *deaf) Write(p []byte) (int, error) {
	if len(p) > d.takes {
		n := d.takes
		d.takes = 0
		return n, errDeaf
	}
	d.takes -= len(p)
	return len(p), d.far.Close()
}

// TestNothingSent: only what was not written at all is proven unsent.
func TestNothingSent(t *testing.T) {
	t.Parallel()
	for takes, want := range map[int]bool{0: true, 1: false, 1 << 20: false} {
		near, far := net.Pipe()
		dial := func(context.Context, string, string) (net.Conn, error) {
			return &patientConn{Conn: &deaf{near, takes, far}}, nil
		}
		transport := &http.Transport{DialContext: dial, Proxy: nil}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/", struct{ io.Reader }{strings.NewReader("body")})
		if err != nil {
			t.Fatal(err)
		}
		var s sending
		resp, err := transport.RoundTrip(s.watch(r))
		if err == nil {
			resp.Body.Close()
			t.Fatal("it was answered")
		}
		if got := s.nothing(); got != want {
			t.Errorf("%d bytes taken: nothing sent %v (%v)", takes, got, err)
		}
		near.Close()
		far.Close()
	}
	refused := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errDeaf }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	var s sending
	if resp, err := refused.RoundTrip(s.watch(r)); err == nil {
		resp.Body.Close()
		t.Fatal("it was answered")
	}
	if !s.nothing() {
		t.Error("without a connection something was sent")
	}
	if (*sending)(nil).nothing() {
		t.Error("what is not watched is proven unsent")
	}
}
