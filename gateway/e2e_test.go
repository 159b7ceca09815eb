package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
)

// fastAPI starts a service that nobody here wrote the framework of.
func fastAPI(t *testing.T) string {
	t.Helper()
	python, err := filepath.Abs("../.tools/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("the Python services are not installed, run make test once: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// uvicorn takes a listening socket, so that no port is guessed.
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, python, "-m", "uvicorn", "--fd", "3", "--log-level", "critical", "--app-dir", "testdata", "items:app")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	cmd.ExtraFiles = []*os.File{file}
	output := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	file.Close()
	l.Close()
	t.Cleanup(func() {
		cancel()
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(output.String())
		}
	})
	return address
}

// TestInFrontOfFastAPI: what the service says passes as it is, what the gateway
// says is in the contract's envelope, and translated operations speak the
// contract as well.
func TestInFrontOfFastAPI(t *testing.T) {
	t.Parallel()
	up := fastAPI(t)
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
