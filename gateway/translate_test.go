package gateway_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
)

func TestTranslation(t *testing.T) {
	t.Parallel()
	const private = "psycopg2: connection to db-7.internal failed"
	for name, c := range map[string]struct {
		status         int
		mediaType      string
		body           string
		wantStatus     int
		code           string
		field, message string
	}{
		"FastAPI": {422, "application/json", `{"detail":[{"loc":["body","name"],"msg":"field required","type":"missing"}]}`, 422, "invalid", "name", "field required"},
		"text":    {500, "text/plain", private, 500, "broken", "", ""},
		"HTML":    {503, "text/html", "<html><title>503</title>" + private + "</html>", 503, "unavailable", "", ""},
		"coded":   {409, "application/json", `{"error":{"code":"already_exists","message":"` + private + `"}}`, 409, "conflict", "", ""},
		"limited": {429, "application/json", `{"message":"` + private + `"}`, 429, "slow_down", "", ""},
		"teapot":  {418, "text/plain", private, 400, "bad_request", "", ""},
		"method":  {405, "application/json", `{"detail":"Method Not Allowed"}`, 405, "method", "", ""},
		"empty":   {502, "", "", 502, "unreachable", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "" {
					t.Error("the error may come compressed")
				}
				w.Header().Set("Content-Type", c.mediaType)
				w.Header().Set("X-Powered-By", "them")
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Allow", "GET, PUT")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: open + "operations:\n  GET /t: {translate: true}\n  GET /u: {}\n"})
			resp, body := g.get("/t", "Accept-Encoding", "gzip")
			f := wantFault(t, resp, body, c.wantStatus, c.code)
			if strings.Contains(body, "db-7.internal") || resp.Header.Get("X-Powered-By") != "" {
				t.Errorf("private words pass: %s %v", body, resp.Header)
			}
			if wait, err := strconv.Atoi(resp.Header.Get("Retry-After")); c.status == 429 && (err != nil || wait != 7) {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
			if allow := resp.Header.Get("Allow"); (c.status == 405) != (allow == "GET, PUT") {
				t.Errorf("Allow %q", allow)
			}
			if c.field != "" {
				if got, _ := f.Details["fields"].([]any); len(got) != 1 || got[0].(map[string]any)["field"] != c.field || got[0].(map[string]any)["message"] != c.message {
					t.Errorf("details %v", f.Details)
				}
			}
		})
	}
}

func TestOwnErrorsAreNotTranslated(t *testing.T) {
	t.Parallel()
	const own = `{"code":"conflict","message":"Written by the service.","status":409,"request_id":"theirs"}`
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Powered-By", "them")
		w.WriteHeader(409)
		if r.URL.Query().Has("long") {
			io.WriteString(w, strings.Repeat(" ", 2<<20))
		}
		io.WriteString(w, own)
	})
	g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: open + "operations:\n  GET /t: {translate: true}\n"})
	if resp, body := g.get("/t"); body != own || resp.Header.Get("X-Powered-By") != "them" {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	if _, body := g.get("/t?long"); len(body) != 2<<20+len(own) {
		t.Errorf("a long body has %d bytes", len(body))
	}
}
