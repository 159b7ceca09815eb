package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
)

func TestPassesRequestsOn(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("X-Request-Id", "the upstream's own")
		w.Header().Set("Connection", "X-Secret")
		w.Header().Set("X-Secret", "hop by hop")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %v %s", r.Method, r.RequestURI, body, err, r.Header.Get("X-Request-Id"))
	})
	resp, body := g.do(g.request("POST", "/a%2Fb/c?x=1&y=%20", strings.NewReader("hello"), "X-Request-ID", "0192f0aa-5fd1-7d3c-8f53-3b8d9e6b5a11"))
	id := resp.Header.Values("X-Request-Id")
	if len(id) != 1 {
		t.Fatalf("request ids %q", id)
	}
	if want := "POST /a%2Fb/c?x=1&y=%20 hello <nil> " + id[0]; body != want || resp.StatusCode != http.StatusTeapot {
		t.Errorf("got %d %q, want %q", resp.StatusCode, body, want)
	}
	if resp.Header.Get("X-Secret") != "" || len(resp.Header.Values("Set-Cookie")) != 2 || resp.Header.Get("X-Process-Time") == "" {
		t.Errorf("headers %v", resp.Header)
	}
}

func TestUpstreamPathGoesBefore(t *testing.T) {
	t.Parallel()
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	g := start(t, gateway.Settings{Upstreams: []string{up + "/base%2F1/"}})
	if _, body := g.get("/x/../y%2Fz?q"); body != "/base%2F1/x/../y%2Fz?q" {
		t.Errorf("got %q", body)
	}
}

func TestForeignErrorsPassUntouched(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "theirs", http.StatusConflict) })
	resp, body := g.get("/")
	if body != "theirs\n" || resp.StatusCode != http.StatusConflict || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestFailuresOfUpstreams(t *testing.T) {
	t.Parallel()
	say := func(text string) func(t *testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			return rawUpstream(t, func(conn net.Conn) {
				readHead(conn)
				io.WriteString(conn, text)
			})
		}
	}
	for name, c := range map[string]struct {
		upstream func(t *testing.T) string
		status   int
		code     string
	}{
		"refused":       {nobody, 502, "unreachable"},
		"unknown name":  {func(*testing.T) string { return "http://nowhere.invalid" }, 502, "unreachable"},
		"not tls":       {func(t *testing.T) string { t.Helper(); return strings.Replace(say("x")(t), "http:", "https:", 1) }, 502, "unreachable"},
		"closes":        {say(""), 502, "unreachable"},
		"garbage":       {say("\x00\x01\x02 no http\r\n\r\n"), 502, "unreachable"},
		"half a head":   {say("HTTP/1.1 200 OK\r\nContent-Le"), 502, "unreachable"},
		"bad status":    {say("HTTP/1.1 2x0 OK\r\n\r\n"), 502, "unreachable"},
		"head too long": {say("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), 502, "unreachable"},
		"two lengths":   {say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 502, "unreachable"},
		"silent": {func(t *testing.T) string {
			t.Helper()
			return rawUpstream(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
		}, 504, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, gateway.Settings{Upstreams: []string{c.upstream(t)}, Timeout: time.Second})
			resp, body := g.get("/")
			f := wantFault(t, resp, body, c.status, c.code)
			if c.status == 504 && f.Details["timeout_seconds"] != 1.0 {
				t.Errorf("details %v", f.Details)
			}
			if strings.Contains(body, "127.0.0.1") || strings.Contains(body, "dial") {
				t.Errorf("the cause leaks: %s", body)
			}
			if !strings.Contains(g.logs.String(), "cause=") {
				t.Error("the cause was not logged")
			}
		})
	}
}

// TestTimeoutsOfOperations has one operation that waits less than the others,
// and one that waits longer.
func TestTimeoutsOfOperations(t *testing.T) {
	t.Parallel()
	others := make(chan struct{})
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			select {
			case <-others:
				io.WriteString(w, "at last")
			case <-r.Context().Done():
			}
			return
		}
		<-r.Context().Done()
	})
	const operations = "operations:\n  GET /short: {timeout: 200ms}\n  GET /long: {timeout: 30s}\n  GET /other: {}\n"
	g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: open + operations, Timeout: time.Second})
	long := make(chan string)
	go func() {
		_, body := g.get("/long")
		long <- body
	}()
	for path, least := range map[string]time.Duration{"/short": 200 * time.Millisecond, "/other": time.Second} {
		began := time.Now()
		resp, body := g.get(path)
		wantFault(t, resp, body, 504, "timeout")
		if took := time.Since(began); took < least || took > least+5*time.Second {
			t.Errorf("%s took %v", path, took)
		}
	}
	close(others)
	if body := <-long; body != "at last" {
		t.Errorf("got %q", body)
	}
}

func TestTruncatedBodyIsCutOff(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"length":                 "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
		"chunks":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"events of known length": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := rawUpstream(t, func(conn net.Conn) {
				readHead(conn)
				io.WriteString(conn, head+strings.Repeat("data: x\n", 1000))
			})
			g := start(t, gateway.Settings{Upstreams: []string{up}})
			resp, err := g.client.Do(g.request("GET", "/", nil))
			if err != nil {
				return // the connection broke before the head: nobody takes that for an answer
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode == 200 {
				t.Errorf("%d bytes were passed on as if they were all", n)
			}
		})
	}
}

func TestNeverSendsTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ method, body string }{"body": {"POST", "once"}, "no body": {"POST", ""}, "deletion": {"DELETE", ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			drop := func(conn net.Conn) {
				if head := readHead(conn); strings.HasPrefix(head, c.method) {
					seen.Add(1)
					io.ReadFull(conn, make([]byte, len(c.body)))
				}
			}
			g := start(t, gateway.Settings{Upstreams: []string{rawUpstream(t, drop), rawUpstream(t, drop)}})
			header := []string{"Idempotency-Key", "k"}
			if c.method == "DELETE" {
				header = nil
			}
			resp, answer := g.do(g.request(c.method, "/", strings.NewReader(c.body), header...))
			wantFault(t, resp, answer, 502, "unreachable")
			if n := seen.Load(); n != 1 {
				t.Errorf("the request was sent %d times", n)
			}
		})
	}
}

// TestNetHTTPDoesNotRepeat has the upstream close a reused connection when it
// gets a keyed POST without a body, which net/http would send again by itself.
func TestNetHTTPDoesNotRepeat(t *testing.T) {
	t.Parallel()
	var posts atomic.Int64
	up := rawUpstream(t, func(conn net.Conn) {
		for {
			head := readHead(conn)
			switch {
			case strings.HasPrefix(head, "GET"):
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				continue
			case strings.HasPrefix(head, "POST"):
				posts.Add(1)
			}
			return
		}
	})
	g := start(t, gateway.Settings{Upstreams: []string{up}})
	if resp, _ := g.get("/"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	resp, body := g.do(g.request("POST", "/", nil, "Idempotency-Key", "k"))
	wantFault(t, resp, body, 502, "unreachable")
	if n := posts.Load(); n != 1 {
		t.Errorf("the request was sent %d times", n)
	}
}

func TestUnsentRequestGoesElsewhere(t *testing.T) {
	t.Parallel()
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	g := start(t, gateway.Settings{Upstreams: []string{nobody(t), up, nobody(t)}})
	for range 20 {
		if resp, body := g.do(g.request("POST", "/", strings.NewReader("body"))); resp.StatusCode != 200 || body != "body" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
	down := 0
	for _, u := range g.Status().Upstreams {
		if !u.Healthy {
			down++
		}
	}
	if down != 2 {
		t.Errorf("%d upstreams are out: %+v", down, g.Status().Upstreams)
	}
}

func TestTrailersBothWays(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		io.Copy(w, r.Body)
		w.Header().Set("X-Declared", r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-Surprise", "late")
	})
	r := g.request("POST", "/", io.NopCloser(strings.NewReader("body")), "Te", "trailers")
	r.Trailer = http.Header{"X-Sum": {"42"}}
	resp, body := g.do(r)
	if body != "body" || resp.Trailer.Get("X-Declared") != "42" || resp.Trailer.Get("X-Surprise") != "late" {
		t.Errorf("body %q, trailers %v", body, resp.Trailer)
	}
}

func TestInformationalResponses(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	})
	var hints atomic.Int64
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints && h.Get("Link") != "" {
				hints.Add(1)
			}
			return nil
		},
	})
	resp, body := g.do(g.request("GET", "/", nil).WithContext(ctx))
	if hints.Load() != 1 || body != "done" || resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("Link") != "" {
		t.Errorf("hints %d, body %q, headers %v", hints.Load(), body, resp.Header)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		io.Copy(w, r.Body)
	})
	answer := g.raw("POST /yes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	if !strings.HasPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\nok") {
		t.Errorf("got %q", answer)
	}
	answer = g.raw("POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 403 ") {
		t.Errorf("got %q", answer)
	}
}

func TestAnswersWithoutABody(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.Header().Set("Etag", `"v"`)
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Length", "1234")
		}
	})
	for path, want := range map[string]int{"/204": 204, "/304": 304} {
		if resp, body := g.get(path); resp.StatusCode != want || body != "" {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
	resp, body := g.do(g.request("HEAD", "/", nil))
	if resp.ContentLength != 1234 || body != "" {
		t.Errorf("HEAD: length %d, body %q", resp.ContentLength, body)
	}
}

func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}), make(chan struct{})
	g := behind(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if _, err := g.client.Do(g.request("GET", "/", nil).WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-ended
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if logs := g.logs.String(); strings.Contains(logs, "level=ERROR") || !strings.Contains(logs, "status=499") {
		t.Errorf("logs: %s", logs)
	}
	if n := g.Status().Responses["gone"]; n != 1 {
		t.Errorf("%d callers went away", n)
	}
}

func TestWebSocketUpgrade(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			w.WriteHeader(http.StatusUpgradeRequired)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Request-Id: theirs\r\nX-Process-Time: theirs\r\n\r\n")
		io.Copy(conn, rw)
	})
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	for _, name := range []string{"X-Request-Id", "X-Process-Time"} {
		if got := resp.Header[name]; len(got) != 1 || got[0] == "theirs" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, word := range []string{"hello", "HTTP/1.1 400 Bad Request\r\nlooks like an answer"} {
		io.WriteString(conn, word)
		got := make([]byte, len(word))
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != word {
			t.Fatalf("echoed %q, %v", got, err)
		}
	}
	// A shutdown does not wait for a connection that has no end.
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	if _, err := reader.ReadByte(); err == nil {
		t.Error("the upgraded connection is still open")
	}
}

func TestOtherUpgradesAreNotOffered(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "upgrade %q, connection %q, settings %q", r.Header["Upgrade"], r.Header["Connection"], r.Header["Http2-Settings"])
	})
	_, body := g.get("/", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAAQAAP__")
	if body != `upgrade [], connection [], settings []` {
		t.Errorf("the upstream saw %s", body)
	}
}

// TestTheOnlyUpstreamIsNotLeftOut: what the log says has to be true of one
// upstream as well.
func TestTheOnlyUpstreamIsNotLeftOut(t *testing.T) {
	t.Parallel()
	g := start(t, gateway.Settings{Upstreams: []string{nobody(t)}})
	for range 4 {
		g.get("/")
	}
	if logs := g.logs.String(); strings.Contains(logs, "left out") || !strings.Contains(logs, "is the only one and still asked") {
		t.Error("the log is wrong about the only upstream")
	}
}
