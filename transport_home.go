package failwell

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/failwell/failwell/contract"
)

// atHome takes the API key off a request that a redirect has led to another
// host. net/http leaves Authorization behind there by itself, and no header that
// an API has chosen. The request is copied when it changes.
func atHome(c *contract.Contract, req *http.Request) *http.Request {
	home := req
	for home.Response != nil && home.Response.Request != nil {
		home = home.Response.Request
	}
	if c == nil || sameOrigin(home.URL, req.URL) {
		return req
	}
	out := req
	for _, s := range c.Auth.Schemes {
		if s.In != "header" || out.Header.Get(s.Name) == "" {
			continue
		}
		if out == req {
			out = req.Clone(req.Context())
		}
		out.Header.Del(s.Name)
	}
	return out
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}
