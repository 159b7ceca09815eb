package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/gen/docs"
	"github.com/failwell/failwell/store"
)

func reference(c *contract.Contract) (gateway.Reference, error) { return docs.New(c, docs.Options{}) }

// The reference is at the admin listener without a token, and where callers
// connect only if the operator says so.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		where         string
		admin, public bool
	}{{"", true, false}, {"admin", true, false}, {"public", true, true}, {"off", false, false}} {
		t.Run("setting "+x.where, func(t *testing.T) {
			t.Parallel()
			g, _ := startWithAdmin(t, gateway.Settings{ErrorPages: x.where})
			for base, served := range map[string]bool{"http://" + g.AdminAddr(): x.admin, g.url: x.public} {
				for path, want := range map[string]string{
					"/errors/": "<h1>", "/errors": "<h1>", "/errors/no_route": "<h1>", "/errors/no_route.json": `"code": "no_route"`,
					"/errors/guide/limits": "<h1>", "/errors/assets/style.css": ":root",
				} {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					resp, body := g.do(r)
					if served != (resp.StatusCode == 200 && strings.Contains(body, want)) {
						t.Errorf("%s: %d %.80q, want it served: %v", base+path, resp.StatusCode, body, served)
					}
					if !served {
						continue
					}
					if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || resp.Header.Get("Vary") != "Accept" {
						t.Errorf("%s: %v", path, resp.Header)
					}
					r.Header.Set("If-None-Match", resp.Header.Get("ETag"))
					if again, rest := g.do(r); again.StatusCode != 304 || rest != "" {
						t.Errorf("%s again: %d, %d bytes", path, again.StatusCode, len(rest))
					}
				}
			}
			// What is no page is an error in the contract's words, and other methods
			// are for the service.
			if x.public {
				resp, body := g.get("/errors/nothing")
				wantFault(t, resp, body, 404, "no_route")
				resp, body = g.do(g.request(http.MethodPost, "/errors/", nil))
				wantFault(t, resp, body, 404, "no_route")
			}
		})
	}
}

// The service's own path is not taken away in silence.
func TestErrorPagesAndOperations(t *testing.T) {
	t.Parallel()
	s := gateway.Settings{Contract: keyed + "  GET /errors/{id}: {}\n", Upstreams: []string{nobody(t)}, Admin: "off", ErrorPages: "public"}
	config := gateway.Config{Settings: s, LoadContract: load, Reference: reference, Store: &store.Memory{}}
	if _, err := gateway.New(config); err == nil || !strings.Contains(err.Error(), "GET /errors/{id}") {
		t.Errorf("got %v", err)
	}
	config.Settings.ErrorPages = "admin"
	if _, err := gateway.New(config); err != nil {
		t.Error(err)
	}
}
