package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
)

// TestFastAPIUnderEveryContract: a service that describes itself is put behind
// each built-in contract. Whatever fails, the service or the gateway, is told in
// the shape of that contract.
func TestFastAPIUnderEveryContract(t *testing.T) {
	t.Parallel()
	up := servers.FastAPI(t, "items:app")
	resp, document := (&running{t: t, url: up, client: http.DefaultClient}).get("/openapi.json")
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, document)
	}
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range builtin.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := builtin.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			g, admin := startWithAdmin(t, gateway.Settings{
				Contract: name, OpenAPI: file, Foreign: "translate", Upstreams: []string{up}, MaxBody: 1000, Timeout: time.Second,
			})
			scheme := c.Auth.Schemes[0]
			key := scheme.Prefix + g.newKey(admin, admission.NewKey{Account: "acme"})
			revoked, k, err := admin.CreateKey(t.Context(), admission.NewKey{Account: "acme"})
			if err == nil {
				_, err = admin.RevokeKey(t.Context(), k.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			call := func(method, path, key, body string) (*http.Response, string) {
				r := g.request(method, path, strings.NewReader(body))
				if key != "" {
					r.Header.Set(scheme.Name, key)
				}
				if body != "" {
					r.Header.Set("Content-Type", "application/json")
				}
				return g.do(r)
			}
			if resp, body := call("GET", "/items/1", key, ""); resp.StatusCode != 200 || body != `{"number":1}` {
				t.Fatalf("a good call: %d %s", resp.StatusCode, body)
			}
			for _, x := range []struct {
				what, method, path, key, body string
				status                        []int
			}{
				{"no key", "GET", "/items/1", "", "", []int{401}},
				{"a revoked key", "GET", "/items/1", scheme.Prefix + revoked, "", []int{401}},
				{"the gateway's 404", "GET", "/nothing", key, "", []int{404}},
				{"the gateway's 405", "DELETE", "/items/1", key, "", []int{405}},
				{"the gateway's 413", "POST", "/items", key, strings.Repeat("x", 2000), []int{413}},
				{"by the service's schema", "POST", "/items", key, `{"name":1}`, []int{400, 422}},
				{"the service's own 404", "GET", "/items/101", key, "", []int{404}},
				{"the service's crash", "GET", "/crash", key, "", []int{500}},
				{"a service that hangs", "GET", "/sleep", key, "", []int{504}},
			} {
				resp, body := call(x.method, x.path, x.key, x.body)
				f, ok := c.Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: []byte(body)}, time.Now())
				if !slices.Contains(x.status, resp.StatusCode) || !ok || f.Code == nil || !f.Certain || resp.Header.Get("X-Request-Id") == "" {
					t.Errorf("%s: %d %s, decoded as %v", x.what, resp.StatusCode, body, f.Code)
				}
				if strings.Contains(body, "hunter2") || strings.Contains(body, "Traceback") {
					t.Errorf("%s: something private got out: %s", x.what, body)
				}
			}
		})
	}
}
