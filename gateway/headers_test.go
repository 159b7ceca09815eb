package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
)

// mirror tells what headers the upstream got.
func mirror(w http.ResponseWriter, r *http.Request) {
	seen := r.Header.Clone()
	seen.Set("Host", r.Host)
	seen.Set("Query", r.URL.RawQuery)
	body, err := json.Marshal(seen)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body)
}

func (g *running) seen(path string, header ...string) http.Header {
	g.t.Helper()
	_, body := g.get(path, header...)
	var h http.Header
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		g.t.Fatalf("not a mirror: %q", body)
	}
	return h
}

func TestStrangersCannotSpoof(t *testing.T) {
	t.Parallel()
	g := behind(t, mirror)
	spoofed := []string{
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Real-IP", "Forwarded",
		"True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Pseudo-IPv4", "Fastly-Client-IP", "Fly-Client-IP", "Akamai-Client-IP",
		"X-Client-IP", "X-Cluster-Client-IP", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-ProxyUser-Ip", "WL-Proxy-Client-IP", "Proxy-Client-IP",
		"X-Appengine-User-IP", "X-Nf-Client-Connection-IP", "DO-Connecting-IP", "CloudFront-Viewer-Address", "Client-IP", "Remote-Addr",
		"X-Original-Forwarded-For", "X-Original-Remote-Addr", "X-Real-Client-IP", "X-True-Client-IP", "X-Source-IP", "Forwarded-For", "X-Forwarded",
		"X-Envoy-External-Address", "X-Vercel-Forwarded-For", "X-Coming-From", "Via-Client-IP", "X-Azure_ClientIP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
		"X_Forwarded_For", "X-Forwarded_For", "x_real_ip", "X.Forwarded.For", "X_Request_Id", "X_Failwell_Account",
		"X-Failwell-Account", "X-Failwell-Key-Id", "X-Failwell-Plan", "X-Failwell-Anything", "x-failwell_account", "Transfer_Encoding", "Content_Length",
	}
	request := "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nX-Mine: kept\r\nmy_own: kept\r\n"
	for _, name := range spoofed {
		request += name + ": evil\r\n"
	}
	answer := g.raw(request + "\r\n")
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	if strings.Contains(body, "evil") {
		t.Errorf("a spoofed header passed: %s", body)
	}
	for _, want := range []string{
		`"X-Forwarded-For":["127.0.0.1"]`, `"X-Forwarded-Host":["api.example"]`, `"X-Forwarded-Proto":["http"]`, `"X-Mine":["kept"]`, `"My_own":["kept"]`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in %s", want, body)
		}
	}
}

// TestConnectionHeaderStripsOnlyTheCallers is CVE-2024-45410: a caller names
// headers in Connection so that a proxy removes what it has itself set.
func TestConnectionHeaderStripsOnlyTheCallers(t *testing.T) {
	t.Parallel()
	g := behind(t, mirror)
	h := g.seen("/", "Connection", "X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Request-ID, X-Failwell-Account, X-Mine", "X-Mine", "hop", "Keep-Alive", "1", "Proxy-Authorization", "x", "Te", "gzip")
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id"} {
		if len(h[name]) != 1 {
			t.Errorf("%s is %q", name, h[name])
		}
	}
	for _, name := range []string{"X-Mine", "Connection", "Keep-Alive", "Proxy-Authorization", "Te"} {
		if h[name] != nil {
			t.Errorf("%s is %q", name, h[name])
		}
	}
}

func TestTrustedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	s := gateway.Settings{Upstreams: []string{upstream(t, mirror)}, TrustedProxies: []string{"127.0.0.0/8", "10.0.0.0/8"}, AccessLog: "all"}
	g := start(t, s)
	h := g.seen("/", "X-Forwarded-For", "6.6.6.6, 203.0.113.9", "X-Forwarded-For", "10.1.2.3", "X-Forwarded-Proto", "https",
		"X-Forwarded-Host", "api.example", "X-Real-IP", "203.0.113.9", "Forwarded", "for=203.0.113.9", "X-Failwell-Account", "evil", "X_Forwarded_For", "evil",
		"Connection", "X-Real-IP")
	for name, want := range map[string]string{
		"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.2.3, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example",
		"X-Real-Ip": "203.0.113.9", "Forwarded": "for=203.0.113.9, for=127.0.0.1",
	} {
		if !slices.Equal(h[name], []string{want}) {
			t.Errorf("%s is %q, want %q", name, h[name], want)
		}
	}
	if h["X-Failwell-Account"] != nil || h["X_forwarded_for"] != nil {
		t.Errorf("headers %v", h)
	}
}

// TestAddressOfTheCaller follows X-Forwarded-For from the right up to the first
// address that is no trusted proxy's.
func TestAddressOfTheCaller(t *testing.T) {
	t.Parallel()
	for chain, want := range map[string]string{
		"":                              "10.0.0.1:1",
		"203.0.113.9":                   "203.0.113.9:0",
		"6.6.6.6, 203.0.113.9":          "203.0.113.9:0",
		"203.0.113.9, 10.9.9.9":         "203.0.113.9:0",
		"10.8.8.8,10.9.9.9":             "10.8.8.8:0",
		"2001:db8::1":                   "[2001:db8::1]:0",
		"6.6.6.6, nonsense, 10.9.9.9":   "10.9.9.9:0",
		"nonsense":                      "10.0.0.1:1",
		"::ffff:203.0.113.9, 10.9.9.9,": "10.0.0.1:1",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr = "10.0.0.1:1"
		if chain != "" {
			r.Header.Set("X-Forwarded-For", chain)
		}
		gateway.CleanForTest(r, netip.MustParsePrefix("10.0.0.0/8"))
		if r.RemoteAddr != want {
			t.Errorf("%q: the caller is %s, want %s", chain, r.RemoteAddr, want)
		}
	}
}
