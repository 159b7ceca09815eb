package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// What the gateway tells upstreams about the caller. Nobody outside can send
// these: they are removed from every request before anything looks at it.
const (
	headerAccount = "X-Failwell-Account"
	headerKeyID   = "X-Failwell-Key-Id"
	headerPlan    = "X-Failwell-Plan"

	identityPrefix = "X-Failwell-"
)

// hygiene decides which of a request's headers are believed. It is part of a
// generation and only read.
type hygiene struct {
	trusted []netip.Prefix
	// own are names, in lower case with hyphens, that carry meaning for the
	// gateway: credentials and the request id.
	own map[string]bool
}

// clean removes from a request what only the gateway, or a proxy that it
// trusts, may say. It runs before the request is looked at by anything else.
//
// Spelling does not help: servers that turn headers into variables read
// X_Forwarded_For and X-Forwarded-For as one (CVE-2026-39858), so names that
// only differ from a protected one in punctuation are removed as well.
func (y *hygiene) clean(r *http.Request) {
	trusted := len(y.trusted) > 0 && y.trusts(peer(r))
	for name := range r.Header {
		switch {
		case odd(name):
			if plain := normal(name); protected(plain) || y.own[plain] || spoofable(http.CanonicalHeaderKey(plain)) {
				delete(r.Header, name)
			}
		case name == "Upgrade":
			// Other protocols, h2c above all, would carry requests past the
			// gateway's checks.
			if v := r.Header[name]; len(v) != 1 || !strings.EqualFold(v[0], "websocket") {
				delete(r.Header, name)
			}
		case strings.HasPrefix(name, identityPrefix), !trusted && spoofable(name):
			delete(r.Header, name)
		}
	}
	if trusted {
		y.believe(r)
	}
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

func (y *hygiene) trusts(addr netip.Addr) bool {
	for _, prefix := range y.trusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// believe takes the caller's address from what a trusted proxy reports: the
// last one in X-Forwarded-For that is not itself a trusted proxy. The header is
// extended by the proxy, so that the upstream sees the whole chain.
func (y *hygiene) believe(r *http.Request) {
	proxy := peer(r)
	chain := strings.Join(r.Header["X-Forwarded-For"], ", ")
	client := netip.Addr{}
	for rest := chain; rest != ""; {
		at := strings.LastIndexByte(rest, ',')
		addr, err := netip.ParseAddr(strings.TrimSpace(rest[at+1:]))
		if err != nil {
			break // what stands before a lie is not believed either
		}
		client = addr.Unmap()
		if !y.trusts(client) {
			break
		}
		rest = rest[:max(at, 0)]
	}
	if client.IsValid() {
		r.RemoteAddr = net.JoinHostPort(client.String(), "0")
	}
	if chain != "" {
		chain += ", "
	}
	r.Header["X-Forwarded-For"] = []string{chain + proxy.String()}
	if prior := r.Header["Forwarded"]; len(prior) > 0 {
		r.Header["Forwarded"] = []string{strings.Join(prior, ", ") + ", for=" + forwardedNode(proxy)}
	}
}

// forwardedNode writes an address as RFC 7239 section 6 has it.
func forwardedNode(a netip.Addr) string {
	if a.Is6() {
		return `"[` + a.String() + `]"`
	}
	return a.String()
}

// odd reports whether a name has other characters than letters, digits and
// hyphens.
func odd(name string) bool {
	for i := range len(name) {
		b := name[i]
		if b != '-' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
			return true
		}
	}
	return false
}

func normal(name string) string {
	b := []byte(name)
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			b[i] = c | 0x20
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
		default:
			b[i] = '-'
		}
	}
	return string(b)
}

// protected lists what decides about framing and identity, in lower case.
func protected(name string) bool {
	switch name {
	case "host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer", "authorization",
		"proxy-authorization", "keep-alive", "proxy-connection", "expect", "cookie":
		return true
	}
	return strings.HasPrefix(name, "x-failwell-")
}

// spoofable lists, in canonical form, what proxies in front say about the
// caller, and what makes some servers see another path or method than the
// gateway has checked.
func spoofable(name string) bool {
	switch name {
	case "Forwarded", "Forwarded-For", "Remote-Addr", "X-Real-Ip", "X-Real-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Originating-Ip",
		"X-Remote-Ip", "X-Remote-Addr", "X-Source-Ip", "X-Coming-From", "X-Proxyuser-Ip", "X-Original-Forwarded-For", "X-Original-Remote-Addr",
		"True-Client-Ip", "X-True-Client-Ip", "Client-Ip", "Proxy-Client-Ip", "Wl-Proxy-Client-Ip", "Via-Client-Ip",
		// What networks of delivery and clouds call the caller's address.
		"Akamai-Client-Ip", "Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Cf-Pseudo-Ipv4", "Cloudfront-Viewer-Address", "Do-Connecting-Ip",
		"Fastly-Client-Ip", "Fly-Client-Ip", "X-Appengine-User-Ip", "X-Azure-Clientip", "X-Azure-Socketip", "X-Envoy-External-Address",
		"X-Nf-Client-Connection-Ip", "X-Vercel-Forwarded-For",
		"X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Original-Host", "X-Host", "X-Http-Host-Override",
		"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Url-Scheme", "Front-End-Https":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || name == "X-Forwarded"
}

// forward sets what the gateway itself says to the upstream. in has been
// cleaned, so that a forwarding header in it comes from a trusted proxy. out
// has lost its hop-by-hop headers already: a Connection header that names one
// of these cannot remove it (CVE-2024-45410).
func (y *hygiene) forward(out, in *http.Request, requestIDKey string) {
	values := make([]string, 4)
	set := func(name, value string) {
		values[0] = value
		out.Header[name], values = values[:1:1], values[1:]
	}
	if chain := in.Header["X-Forwarded-For"]; chain != nil {
		for name, value := range in.Header {
			if spoofable(name) {
				out.Header[name] = value
			}
		}
	} else if host, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		set("X-Forwarded-For", host)
	}
	if in.Header["X-Forwarded-Host"] == nil {
		set("X-Forwarded-Host", in.Host)
	}
	if in.Header["X-Forwarded-Proto"] == nil {
		scheme := "http"
		if in.TLS != nil {
			scheme = "https"
		}
		set("X-Forwarded-Proto", scheme)
	}
	out.Header[requestIDKey] = in.Header[requestIDKey]
}
