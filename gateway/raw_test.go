package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
)

// TestBrokenRequests sends what no client library sends. Each is refused in the
// contract's envelope, the connection is closed, and the upstream never sees a
// request that it could read differently (RFC 9112 section 11.2).
func TestBrokenRequests(t *testing.T) {
	t.Parallel()
	const head = "POST / HTTP/1.1\r\nHost: x\r\n"
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, c := range map[string]struct {
		request string
		status  int
		code    string
	}{
		"no request":                   {"hello\r\n\r\n", 400, "bad_request"},
		"no version":                   {"GET /\r\n\r\n", 400, "bad_request"},
		"version of the future":        {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, "bad_request"},
		"no host":                      {"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"},
		"two hosts":                    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"},
		"host with a path":             {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_request"},
		"space before colon":           {head + "Content-Length : 5\r\n\r\nhello", 400, "bad_request"},
		"space in name":                {head + "X Y: 1\r\n\r\n", 400, "bad_request"},
		"NUL in value":                 {"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400, "bad_request"},
		"CR in value":                  {"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400, "bad_request"},
		"NUL in path":                  {"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
		"line without colon":           {head + "Transfer-Encoding\r\n\r\n", 400, "bad_request"},
		"two lengths":                  {head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400, "bad_request"},
		"negative length":              {head + "Content-Length: -1\r\n\r\n", 400, "bad_request"},
		"signed length":                {head + "Content-Length: +5\r\n\r\nhello", 400, "bad_request"},
		"length list":                  {head + "Content-Length: 5, 5\r\n\r\nhello", 400, "bad_request"},
		"hexadecimal length":           {head + "Content-Length: 0x5\r\n\r\nhello", 400, "bad_request"},
		"unknown coding":               {head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, "bad_request"},
		"identity":                     {head + "Transfer-Encoding: identity\r\n\r\n", 501, "bad_request"},
		"two codings":                  {head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "bad_request"},
		"coding twice":                 {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, "bad_request"},
		"hidden coding":                {head + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + smuggled, 400, "bad_request"},
		"length and coding":            {head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 400, "bad_request"},
		"coding in HTTP/1.0":           {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
		"chunk size ends with bare LF": {head + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400, "bad_request"},
		"chunk extension with bare LF": {head + "Transfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n", 400, "bad_request"},
		"chunk without CRLF":           {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400, "bad_request"},
		"chunk size with sign":         {head + "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
		"chunk size that overflows":    {head + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
		"folded header":                {"GET / HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n", 400, "bad_request"},
		"unknown expectation":          {head + "Expect: miracles\r\nContent-Length: 0\r\n\r\n", 417, "bad_request"},
		"head too large":               {"GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + strings.Repeat("k", 2<<20) + "\r\n\r\n", 431, "bad_request"},
		"too many headers":             {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 20000) + "\r\n", 431, "bad_request"},
		"tunnel":                       {"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nConnection: close\r\n\r\n", 400, "bad_request"},
		"HTTP/2 in the clear":          {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var smuggled atomic.Int64
			g := behind(t, func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if r.URL.Path == "/smuggled" {
					smuggled.Add(1)
				}
			})
			answer := g.raw(c.request)
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
			if err != nil {
				t.Fatalf("no response: %q", answer)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			wantFault(t, resp, string(body), c.status, c.code)
			if !resp.Close {
				t.Error("the connection stays open")
			}
			if smuggled.Load() != 0 {
				t.Error("a request was smuggled in")
			}
		})
	}
}

func TestTargetOfAnotherHost(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", r.Host, r.RequestURI, r.Header.Get("X-Forwarded-Host"))
	})
	answer := g.raw("GET http://evil.example/path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.Contains(answer, " /path evil.example") || strings.Contains(answer, "evil.example /path") {
		t.Errorf("got %q", answer)
	}
}

func TestOptionsOfTheServer(t *testing.T) {
	t.Parallel()
	up := rawUpstream(t, func(conn net.Conn) {
		line, _, _ := strings.Cut(readHead(conn), "\r\n")
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(line), line)
	})
	g := start(t, gateway.Settings{Upstreams: []string{up}})
	if answer := g.raw("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasSuffix(answer, "\r\n\r\nOPTIONS * HTTP/1.1") {
		t.Errorf("got %q", answer)
	}
}

// TestChunkedRequestsKeepTheirConnection sends honest chunked bodies, one after
// the other, and then two at once: the head of the second comes with the first,
// so that its connection is closed after it.
func TestChunkedRequestsKeepTheirConnection(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	const request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	reader := bufio.NewReader(conn)
	closes := func() bool {
		t.Helper()
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello" {
			t.Fatalf("got %q, %v", body, err)
		}
		return resp.Close
	}
	for range 3 {
		io.WriteString(conn, request)
		if closes() {
			t.Fatal("an honest request closed its connection")
		}
	}
	io.WriteString(conn, request+request)
	if first, second := closes(), closes(); first || !second {
		t.Errorf("of two at once, the first closes: %v, the second: %v", first, second)
	}
}

// TestBodiesThatLookLikeRefusals makes sure that only net/http's own words are
// replaced. In HTTP/1.0 a body has no frame, so that each part of it is written
// to the connection as it is.
func TestBodiesThatLookLikeRefusals(t *testing.T) {
	t.Parallel()
	const look = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	next := make(chan struct{})
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		for range 3 {
			http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
			io.WriteString(w, look)
		}
	})
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	for range 3 {
		next <- struct{}{}
		part := make([]byte, len(look))
		if _, err := io.ReadFull(resp.Body, part); err != nil || string(part) != look {
			t.Fatalf("got %q, %v", part, err)
		}
	}
}

// TestRefusalAfterGoodRequests breaks a connection that has served before.
func TestRefusalAfterGoodRequests(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	reader := bufio.NewReader(conn)
	for range 2 {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "fine" {
			t.Fatalf("got %q, %v", body, err)
		}
	}
	io.WriteString(conn, "nonsense\r\n\r\n")
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	wantFault(t, resp, string(body), 400, "bad_request")
}

func TestSlowHead(t *testing.T) {
	t.Parallel()
	up := upstream(t, func(http.ResponseWriter, *http.Request) {})
	g := start(t, gateway.Settings{Upstreams: []string{up}, HeaderTimeout: 300 * time.Millisecond})
	answer := g.raw("GET / HTTP/1.1\r\nHost: x\r\nX-Slow")
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("no response: %q", answer)
	}
	body, _ := io.ReadAll(resp.Body)
	wantFault(t, resp, string(body), 408, "slow_client")
	// A caller who says nothing is told nothing.
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if rest, err := io.ReadAll(conn); err != nil || len(rest) != 0 {
		t.Errorf("got %q, %v", rest, err)
	}
}
