package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/failwell/failwell/gateway"
)

// TestSpans: a request is one span and each sending to the upstream another, of
// the caller's trace; the upstream is told the latter. Unsampled traces are left out.
func TestSpans(t *testing.T) {
	t.Parallel()
	type span struct {
		TraceID      string `json:"traceId"`
		SpanID       string `json:"spanId"`
		ParentSpanID string `json:"parentSpanId"`
		Kind         int    `json:"kind"`
		Status       *struct {
			Code int `json:"code"`
		} `json:"status"`
	}
	var mu sync.Mutex
	var got []span
	tries := 0
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // it is asked again
			return
		}
		var body struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []span `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer x=y" {
			t.Errorf("%v %s %v", err, r.URL, r.Header)
		}
		got = append(got, body.ResourceSpans[0].ScopeSpans[0].Spans...)
	}))
	defer collector.Close()
	seen := make(chan string, 3)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer up.Close()
	g := start(t, gateway.Settings{
		Contract: open, Upstreams: []string{up.URL}, OTLPEndpoint: collector.URL, OTLPHeaders: []string{"Authorization=Bearer x=y"}, Records: "off",
	})
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	g.do(g.request(http.MethodGet, "/a", nil, "Traceparent", "00-"+trace+"-"+parent+"-01"))
	g.do(g.request(http.MethodGet, "/b", nil, "Traceparent", "00-"+strings.Repeat("1", 32)+"-"+parent+"-00"))
	g.do(g.request(http.MethodGet, "/c", nil, "X-Request-Id", "0190a1b2-0000-7000-8000-000000000001"))
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	server, client := got[0], got[1]
	if server.TraceID != trace || server.ParentSpanID != parent || server.Kind != 2 || server.Status == nil || client.TraceID != trace ||
		client.ParentSpanID != server.SpanID || client.Kind != 3 || len(client.SpanID) != 16 {
		t.Errorf("%+v", got)
	}
	if told := <-seen; told != "00-"+trace+"-"+client.SpanID+"-01" {
		t.Errorf("the upstream was told %s", told)
	}
	if told := <-seen; !strings.HasSuffix(told, "-00") {
		t.Errorf("the upstream was told %s", told)
	}
	if got[2].TraceID != "0190a1b2000070008000000000000001" || got[2].ParentSpanID != "" {
		t.Errorf("%+v", got[2])
	}
}
