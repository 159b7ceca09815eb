package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
)

// An admin listener that others can reach without TLS is told of in the log.
func TestAdminListenerInTheClearIsLogged(t *testing.T) {
	t.Parallel()
	cert, key := servers.Certificate(t)
	for name, x := range map[string]struct {
		settings gateway.Settings
		want     bool
	}{
		"on this machine":   {gateway.Settings{Admin: "127.0.0.1:0"}, false},
		"anybody, and TLS":  {gateway.Settings{Admin: "0.0.0.0:0", AdminScope: "any", AdminTLSCert: cert, AdminTLSKey: key}, false},
		"anybody, in clear": {gateway.Settings{Admin: "0.0.0.0:0", AdminScope: "any"}, true},
	} {
		x.settings.Upstreams = []string{upstream(t, mirror)}
		g := start(t, x.settings)
		if got := strings.Contains(g.logs.String(), "has no TLS: tokens, sessions and new keys go over the network unencrypted"); got != x.want {
			t.Errorf("%s: logged %v, want %v:\n%s", name, got, x.want, g.logs.String())
		}
	}
}

// Over TLS the admin listener answers under the names of its certificate as well,
// and shows a new one after a reload.
func TestAdminListenerOverTLS(t *testing.T) {
	t.Parallel()
	cert, key := servers.Certificate(t, "admin.example")
	g := start(t, gateway.Settings{
		Contract: keyed, Upstreams: []string{upstream(t, mirror)}, Admin: "127.0.0.1:0", AdminTLSCert: cert, AdminTLSKey: key,
	})
	if !strings.HasPrefix(g.AdminURL(), "https://127.0.0.1:") || !strings.HasPrefix(g.URL(), "http://") {
		t.Fatalf("admin at %s, callers at %s", g.AdminURL(), g.URL())
	}
	admin := trusting(t, cert)
	for host, want := range map[string]int{"": 200, "admin.example": 200, "admin.example:8081": 200, "localhost": 200, "evil.example": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.AdminURL()+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := admin.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("as %q: %s, want %d", host, resp.Status, want)
		}
	}

	s := g.settings
	s.AdminTLSCert, s.AdminTLSKey = servers.Certificate(t)
	if err := g.Reload(s); err != nil {
		t.Fatal(err)
	}
	if resp, err := admin.Get(g.AdminURL() + "/healthz"); err == nil {
		resp.Body.Close()
		t.Error("the old certificate is still served")
	}
	resp, err := trusting(t, s.AdminTLSCert).Get(g.AdminURL() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.AdminTLSCert, s.AdminTLSKey = "", ""
	if err := g.Reload(s); err == nil || !strings.Contains(err.Error(), "admin_tls_cert and admin_tls_key as a whole cannot change") {
		t.Errorf("TLS is given up while the gateway runs: %v", err)
	}
}

// trusting is a client that trusts one certificate, with a connection for each call.
func trusting(t *testing.T, cert string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
}
