package gateway_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
)

func overTLS(t *testing.T, handle http.HandlerFunc) *running {
	t.Helper()
	cert, key := servers.Certificate(t)
	return start(t, gateway.Settings{Upstreams: []string{upstream(t, handle)}, TLSCert: cert, TLSKey: key})
}

func protocol(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s as %s", r.Proto, r.Header.Get("X-Forwarded-Proto"))
}

func TestHTTP2OverTLS(t *testing.T) {
	t.Parallel()
	g := overTLS(t, protocol)
	resp, body := g.get("/")
	if resp.ProtoMajor != 2 || body != "HTTP/1.1 as https" || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s: %q", resp.Proto, body)
	}
	g.client.Transport.(*http.Transport).TLSClientConfig.NextProtos = nil
	resp, body = g.do(g.request("GET", "/", nil, "X-Long", strings.Repeat("x", 100<<10)))
	wantFault(t, resp, body, 431, "bad_request")
}

func TestHTTP1OverTLS(t *testing.T) {
	t.Parallel()
	g := overTLS(t, protocol)
	transport := g.client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	for range 2 {
		if resp, body := g.get("/"); resp.ProtoMajor != 1 || body != "HTTP/1.1 as https" {
			t.Errorf("%s: %q", resp.Proto, body)
		}
	}
	resp, body := g.do(g.request("GET", "/", nil, "X-Long", strings.Repeat("x", 100<<10)))
	wantFault(t, resp, body, 431, "bad_request")
}

func TestPlainRequestOnTLSPort(t *testing.T) {
	t.Parallel()
	g := overTLS(t, protocol)
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r := g.request("GET", "/", nil)
	r.URL.Scheme = "http"
	resp, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, resp, string(body), 400, "bad_request")
}

func TestUpstreamOverTLS(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
			s.EnableHTTP2 = h2
			s.StartTLS()
			t.Cleanup(s.Close)
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			g := start(t, gateway.Settings{Upstreams: []string{s.URL}, UpstreamCA: ca})
			if resp, body := g.get("/"); resp.StatusCode != 200 || body != name {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
			distrustful := start(t, gateway.Settings{Upstreams: []string{s.URL}})
			resp, body := distrustful.get("/")
			wantFault(t, resp, body, 502, "unreachable")
		})
	}
}

func TestUpstreamOverH2C(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	g := start(t, gateway.Settings{Upstreams: []string{strings.Replace(s.URL, "http:", "h2c:", 1)}})
	if _, body := g.get("/"); body != "HTTP/2.0" {
		t.Errorf("got %q", body)
	}
}
