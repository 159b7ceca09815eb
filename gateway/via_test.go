package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/failwell/failwell/gateway"
)

// Each request tells that it came through a gateway (RFC 9110 section 7.6.3).
func TestVia(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Join(r.Header["Via"], "|")) })
	_, first := g.get("/")
	name, ok := strings.CutPrefix(first, "1.1 failwell-")
	if !ok || len(name) != 8 {
		t.Errorf("via %q", first)
	}
	if _, got := g.do(g.request("GET", "/", nil, "Via", "1.0 fred")); got != "1.0 fred, "+first {
		t.Errorf("via %q", got)
	}
}

// An upstream that leads back to the gateway is found out at the second pass.
func TestLoop(t *testing.T) {
	t.Parallel()
	var target atomic.Pointer[string]
	passes := atomic.Int64{}
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passes.Add(1)
		again, err := http.NewRequestWithContext(r.Context(), r.Method, *target.Load()+r.URL.Path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		again.Header = r.Header.Clone()
		resp, err := http.DefaultTransport.RoundTrip(again)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	}))
	t.Cleanup(mirror.Close)
	g := start(t, gateway.Settings{Upstreams: []string{mirror.URL}})
	target.Store(&g.url)
	resp, body := g.get("/")
	wantFault(t, resp, body, 502, "unreachable")
	if n := passes.Load(); n != 1 {
		t.Errorf("the request went round %d times", n)
	}
	if !strings.Contains(g.logs.String(), "leads back to this gateway") {
		t.Error("the log does not tell why")
	}
}
