package gateway

import (
	"net/http"
	"net/netip"
)

// CleanForTest gives tests from outside the hygiene of a gateway.
func CleanForTest(r *http.Request, trusted ...netip.Prefix) {
	(&hygiene{trusted: trusted}).clean(r)
}

// PanicForTest makes requests to the first upstream panic.
func (g *Gateway) PanicForTest(with string) {
	g.live.Load().pool.members[0].transport = panicking(with)
}

type panicking string

func (p panicking) RoundTrip(*http.Request) (*http.Response, error) { panic(string(p)) }

// DirectlyKept is how many connections to its upstreams are kept by those who ask
// on the caller's goroutine.
func (g *Gateway) DirectlyKept() (n int) {
	for _, u := range g.live.Load().pool.members {
		if d, ok := u.transport.(*direct); ok {
			d.mu.Lock()
			n += len(d.idle)
			d.mu.Unlock()
		}
	}
	return n
}
