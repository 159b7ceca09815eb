package failwell_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/store"
)

// Whatever a router or middleware leaves of an error, the contract's is sent.
func TestGuardWithAnyRouter(t *testing.T) {
	// The handler outlives its time, or it could be the first to end.
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	timeout := func(w http.ResponseWriter, r *http.Request) {
		http.TimeoutHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }), time.Nanosecond, "").ServeHTTP(w, r)
	}
	for _, tc := range []struct {
		name   string
		handle http.HandlerFunc
		status int
		code   string
		body   string
	}{
		{"a status and nothing else", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(405) }, 405, "method", ""},
		{"a recovered panic", func(w http.ResponseWriter, _ *http.Request) {
			defer func() {
				_ = recover()
				w.WriteHeader(500)
			}()
			w.WriteHeader(0)
		}, 500, "broken", ""},
		{"an invalid status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(0) }, 500, "broken", ""},
		{"net/http's timeout handler", timeout, 503, "unavailable", ""},
		{"a page without a type", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			fmt.Fprint(w, "<html>nothing")
		}, 404, "no_route", ""},
		{"JSON of its own", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(404)
			fmt.Fprint(w, `{"mine":1}`)
		}, 404, "", `{"mine":1}`},
		{"JSON without a type", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"mine"`)
			fmt.Fprint(w, `:1}`)
		}, 404, "", `{"mine":1}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGuard(t)
			rec := httptest.NewRecorder()
			g.Wrap(tc.handle).ServeHTTP(rec, request("GET", "/notes", ""))
			var s said
			if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil {
				t.Fatalf("%v in %d %q", err, rec.Code, rec.Body)
			}
			if rec.Code != tc.status || s.Code != tc.code || tc.body != "" && rec.Body.String() != tc.body {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}

// A handler that goes on setting headers when its time is over shares nothing
// with the goroutine that answers in its place.
func TestGuardTimeoutSharesNoHeaders(t *testing.T) {
	g := newGuard(t)
	var logs bytes.Buffer
	g.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	g.Timeout = time.Millisecond
	ended := make(chan struct{})
	h := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for i := 0; r.Context().Err() == nil || i < 10_000; i++ {
			w.Header().Set("X-Count", fmt.Sprint(i))
		}
		panic("too late")
	}))
	server := httptest.NewServer(h)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/notes")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-ended
	if resp.StatusCode != 504 || resp.Header.Get("X-Count") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// What a handler with a timeout says in time is sent whole: headers, body and
// trailers; and its panic is logged with the stack of its own goroutine.
func TestGuardTimeoutPassesEverything(t *testing.T) {
	g := newGuard(t)
	g.Timeout = time.Minute
	server := httptest.NewServer(g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-One", "1")
		fmt.Fprint(w, "body")
		w.Header().Set("X-Sum", "7")
	})))
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/notes")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "body" || resp.Header.Get("X-One") != "1" || resp.Trailer.Get("X-Sum") != "7" {
		t.Errorf("%q %v %v %v", body, err, resp.Header, resp.Trailer)
	}

	var logs bytes.Buffer
	g = newGuard(t)
	g.Timeout = time.Minute
	g.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	if resp, s, _ := guarded(t, g, http.HandlerFunc(panicsHere), request("GET", "/notes", "")); resp.StatusCode != 500 || s.Code != "broken" {
		t.Errorf("%d %+v", resp.StatusCode, s)
	}
	if !strings.Contains(logs.String(), "panicsHere") {
		t.Errorf("the stack is not the handler's: %s", &logs)
	}
}

func panicsHere(http.ResponseWriter, *http.Request) { panic("boom") }

// A browser's question before a call from another origin carries no key.
func TestGuardPreflight(t *testing.T) {
	g := newGuard(t)
	g.Admission = &admission.Controller{Contract: g.Contract, Store: &store.Memory{}}
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	ask := []string{"Origin", "https://app.example", "Access-Control-Request-Method"}
	for _, x := range []struct {
		path    string
		headers []string
		status  int
	}{
		{"/notes/1", append(ask, "PUT"), 204},
		{"/notes/1", append(ask, "PATCH"), 405},
		{"/nothing", append(ask, "GET"), 404},
		{"/notes/1", ask[:2], 405},
	} {
		if resp, _, body := guarded(t, g, h, request("OPTIONS", x.path, "", x.headers...)); resp.StatusCode != x.status {
			t.Errorf("%s %v: %d %s", x.path, x.headers, resp.StatusCode, body)
		}
	}
	if resp, _, _ := guarded(t, g, h, request("PUT", "/notes/1", "", ask[:2]...)); resp.StatusCode != 401 {
		t.Errorf("the call itself: %d", resp.StatusCode)
	}
}

// Keys that were pasted into a path are not logged.
func TestGuardLogsNoKeys(t *testing.T) {
	var logs bytes.Buffer
	g := newGuard(t)
	g.Logger = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var seen failwell.Outcome
	g.OnDone = func(_ *http.Request, o failwell.Outcome) { seen = o }
	guarded(t, g, g.HandleFunc(func(http.ResponseWriter, *http.Request) error { return failwell.Internal }), request("GET", "/notes/notes_abcdefghijklmnop", ""))
	if strings.Contains(logs.String()+seen.Path, "abcdefghij") || seen.Path != "/notes/[redacted]" {
		t.Errorf("%s, path %s", &logs, seen.Path)
	}
}

// A body that is checked has a bound of its own.
func TestGuardBoundsCheckedBodies(t *testing.T) {
	g := newGuard(t)
	for _, o := range g.Contract.Operations {
		o.MaxBody = 0
	}
	body := `{"text":"` + strings.Repeat("x", 1<<20) + `"}`
	if resp, s, _ := guarded(t, g, http.NotFoundHandler(), request("POST", "/notes", body, jsonType...)); resp.StatusCode != 413 || s.Details["max_bytes"] != float64(1<<20) {
		t.Errorf("%d %+v", resp.StatusCode, s)
	}
	if resp, _, _ := guarded(t, g, http.NotFoundHandler(), request("PUT", "/notes/1", body)); resp.StatusCode != 404 {
		t.Errorf("a body that is not checked: %d", resp.StatusCode)
	}
}

// Who asks before sending a body gets the refusal, and never sends it.
func TestGuardRefusesBeforeTheBody(t *testing.T) {
	g := newGuard(t)
	server := httptest.NewServer(g.Wrap(http.NotFoundHandler()))
	defer server.Close()
	for head, want := range map[string]string{
		"POST /notes HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 20": "HTTP/1.1 415 ",
		"POST /nothing HTTP/1.1\r\nContent-Length: 20":                           "HTTP/1.1 404 ",
		"POST /notes HTTP/1.1\r\nContent-Length: 2000":                           "HTTP/1.1 413 ",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", head)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("%q: %q, %v", head, line, err)
		}
		_ = conn.Close()
	}
}

// A handler that says nothing gets the 200 of net/http, with what the contract
// promises on every response.
func TestGuardSilentHandler(t *testing.T) {
	g := newGuard(t)
	server := httptest.NewServer(g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/notes")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get(g.Contract.Headers.RequestID.Name) == "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
