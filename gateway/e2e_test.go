package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
)

// TestInFrontOfFastAPI: what the service says passes as it is, what the gateway
// says is in the contract's envelope, and translated operations speak the
// contract as well.
func TestInFrontOfFastAPI(t *testing.T) {
	t.Parallel()
	up := servers.FastAPI(t, "items:app")
	text := open + `
operations:
  GET /items/{number}: {}
  POST /items: {max_body: 100}
  GET /crash: {}
  GET /events: {}
  GET /broken-events: {}
`
	translated := strings.ReplaceAll(text, "POST /items: {max_body: 100}", "POST /items: {translate: true}")
	translated = strings.ReplaceAll(translated, "{}", "{translate: true}")
	g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: text})
	tr := start(t, gateway.Settings{Upstreams: []string{up}, Contract: translated})

	if resp, body := g.get("/items/1"); resp.StatusCode != 200 || body != `{"number":1}` || resp.Header.Get("X-Request-Id") == "" {
		t.Fatalf("got %d %s", resp.StatusCode, body)
	}
	post := func(g *running, body string) (*http.Response, string) {
		return g.do(g.request("POST", "/items", strings.NewReader(body), "Content-Type", "application/json"))
	}
	t.Run("its own 422", func(t *testing.T) {
		resp, body := post(g, `{"name":"x"}`)
		var own struct {
			Detail []struct {
				Loc []string `json:"loc"`
			} `json:"detail"`
		}
		if err := json.Unmarshal([]byte(body), &own); err != nil || resp.StatusCode != 422 || fmt.Sprint(own.Detail[0].Loc) != "[body price]" {
			t.Errorf("got %d %s", resp.StatusCode, body)
		}
	})
	t.Run("its 422 translated", func(t *testing.T) {
		resp, body := post(tr, `{"name":"x"}`)
		f := wantFault(t, resp, body, 422, "invalid")
		if !strings.Contains(fmt.Sprint(f.Details), "price") {
			t.Errorf("details %v", f.Details)
		}
	})
	t.Run("its own 500", func(t *testing.T) {
		if resp, body := g.get("/crash"); resp.StatusCode != 500 || body != "Internal Server Error" {
			t.Errorf("got %d %s", resp.StatusCode, body)
		}
	})
	t.Run("its 500 translated", func(t *testing.T) {
		resp, body := tr.get("/crash")
		wantFault(t, resp, body, 500, "broken")
	})
	t.Run("its own 404", func(t *testing.T) {
		if resp, body := g.get("/items/101"); resp.StatusCode != 404 || body != `{"detail":"Item not found"}` {
			t.Errorf("got %d %s", resp.StatusCode, body)
		}
	})
	t.Run("its 404 translated", func(t *testing.T) {
		resp, body := tr.get("/items/101")
		wantFault(t, resp, body, 404, "missing")
	})
	t.Run("the gateway's 404, 405 and 413", func(t *testing.T) {
		resp, body := g.get("/nothing")
		wantFault(t, resp, body, 404, "no_route")
		resp, body = g.do(g.request("DELETE", "/items/1", nil))
		wantFault(t, resp, body, 405, "method")
		resp, body = post(g, strings.Repeat("x", 200))
		wantFault(t, resp, body, 413, "too_large")
		resp, body = g.do(g.request("POST", "/items", io.NopCloser(strings.NewReader(strings.Repeat("x", 200))), "Content-Type", "application/json"))
		wantFault(t, resp, body, 413, "too_large")
	})
	t.Run("events", func(t *testing.T) {
		if _, body := g.get("/events"); body != "data: 0\n\ndata: 1\n\ndata: 2\n\n" {
			t.Errorf("got %q", body)
		}
		resp, body := g.get("/broken-events")
		if resp.StatusCode != 200 || !strings.HasPrefix(body, "data: 0\n\n") || !strings.Contains(body, "event: fault\ndata: {") || strings.Contains(body, "half") {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
	})
}
