package gateway_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
)

// dialed is a connection to the gateway that is given up after ten seconds.
func (g *running) dialed() (net.Conn, *bufio.Reader) {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		g.t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func readResponse(t *testing.T, from *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("half an answer: %q, %v", body, err)
	}
	return resp, string(body)
}

const guarded = keyed + "  POST /up: {max_body: 1000}\n"

// TestRefusedBeforeTheBody: whoever announces a body and does not send it is
// refused as soon as others, and not kept.
func TestRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	up := upstream(t, mirror)
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"no key":              {"POST /up HTTP/1.1\r\nContent-Length: 20\r\n", 401},
		"a part of the body":  {"POST /up HTTP/1.1\r\nX-More: 1\r\nContent-Length: 20\r\n\r\nhalf of it", 401},
		"no such path":        {"POST /nothing HTTP/1.1\r\nContent-Length: 20\r\n", 404},
		"chunked":             {"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", 401},
		"a part of a chunk":   {"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nhalf of it", 401},
		"an endless size":     {"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 4093), 401},
		"expecting":           {"POST /up HTTP/1.1\r\nContent-Length: 20\r\nExpect: 100-continue\r\n", 401},
		"expecting, chunked":  {"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n", 401},
		"too large":           {"POST /up HTTP/1.1\r\nContent-Length: 2000\r\n", 413},
		"far too large":       {"POST /up HTTP/1.1\r\nContent-Length: 2000000000\r\n", 413},
		"too large, expected": {"POST /up HTTP/1.1\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n", 413},
		"wrong method":        {"PUT /up HTTP/1.1\r\nContent-Length: 20\r\n", 405},
		"head":                {"HEAD /nothing HTTP/1.1\r\nContent-Length: 20\r\n", 404},
		"HTTP/1.0":            {"POST /up HTTP/1.0\r\nContent-Length: 20\r\nConnection: keep-alive\r\n", 401},
		"contradictory":       {"POST /up HTTP/1.1\r\nContent-Length: 20\r\nTransfer-Encoding: chunked\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, gateway.Settings{Contract: guarded, Upstreams: []string{up}})
			conn, reader := g.dialed()
			request := strings.Replace(c.head, "\r\n", "\r\nHost: x\r\n", 1)
			if !strings.Contains(request, "\r\n\r\n") {
				request += "\r\n"
			}
			io.WriteString(conn, request)
			began := time.Now()
			resp, err := http.ReadResponse(reader, &http.Request{Method: strings.Fields(request)[0]})
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if resp.StatusCode != c.status || resp.Header.Get("X-Request-Id") == "" {
				t.Errorf("got %d, want %d", resp.StatusCode, c.status)
			}
			if !resp.Close && resp.ProtoAtLeast(1, 1) { // net/http does not say so in HTTP/1.0
				t.Error("the connection is promised to stay open")
			}
			if _, err := io.ReadAll(reader); err != nil {
				t.Errorf("the connection is kept: %v", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestRefusedWithTheBody: a body that has come with its head costs nothing, and
// its connection stays.
func TestRefusedWithTheBody(t *testing.T) {
	t.Parallel()
	g := start(t, gateway.Settings{Contract: guarded, Upstreams: []string{upstream(t, mirror)}})
	for _, request := range []string{
		"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		conn, reader := g.dialed()
		for range 3 {
			io.WriteString(conn, request)
			resp, body := readResponse(t, reader)
			if resp.StatusCode != 401 || resp.Close || !strings.Contains(body, "code") {
				t.Fatalf("got %d %q, closed: %v", resp.StatusCode, body, resp.Close)
			}
		}
	}
}

// TestRefusedWhileSending: a caller who goes on to send what nobody wants still
// gets to read why.
func TestRefusedWhileSending(t *testing.T) {
	t.Parallel()
	g := start(t, gateway.Settings{Contract: guarded, Upstreams: []string{upstream(t, mirror)}})
	for _, head := range []string{"Content-Length: 200000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n30d40\r\n"} {
		conn, reader := g.dialed()
		fmt.Fprintf(conn, "POST /up HTTP/1.1\r\nHost: x\r\n%s", head)
		if _, err := reader.Peek(1); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if _, err := io.WriteString(conn, strings.Repeat("x", 4000)); err != nil {
				t.Fatalf("the connection broke while sending: %v", err)
			}
		}
		if resp, _ := readResponse(t, reader); resp.StatusCode != 401 && resp.StatusCode != 413 {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
}

// TestExpectedBodiesAreAskedFor: who is let in gets 100 and can send.
func TestExpectedBodiesAreAskedFor(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	conn, reader := g.dialed()
	for range 2 {
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		resp, err := http.ReadResponse(reader, nil)
		if err != nil || resp.StatusCode != http.StatusContinue {
			t.Fatalf("%v %v", resp, err)
		}
		io.WriteString(conn, "hello")
		resp, body := readResponse(t, reader)
		if resp.StatusCode == http.StatusContinue { // the upstream asks for it, too
			resp, body = readResponse(t, reader)
		}
		if resp.StatusCode != 200 || body != "hello" || resp.Close {
			t.Fatalf("got %d %q, closed: %v", resp.StatusCode, body, resp.Close)
		}
	}
}

// TestConnectionsMakeRoom has room for one connection only: each way in which
// one ends has to make room for the next.
func TestConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: guarded, MaxConnections: 1})
	for _, request := range []string{
		"GET /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /open HTTP/1.0\r\n\r\n",
		"nonsense\r\n\r\n",
		"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n",
		"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n",
		"GET /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		if answer := g.raw(request); !strings.HasPrefix(answer, "HTTP/1.") {
			t.Errorf("%q: %q", request, answer)
		}
	}
	s := g.settings
	s.MaxConnections = 2
	if err := g.Reload(s); err == nil || !strings.Contains(err.Error(), "max_connections cannot change") {
		t.Errorf("reload: %v", err)
	}
}

// TestRefusedBeforeTheBodyOverTLS is the same on the other kind of connection.
func TestRefusedBeforeTheBodyOverTLS(t *testing.T) {
	t.Parallel()
	cert, key := servers.Certificate(t)
	g := start(t, gateway.Settings{Contract: guarded, Upstreams: []string{upstream(t, mirror)}, TLSCert: cert, TLSKey: key})
	conn, err := tls.Dial("tcp", g.Addr(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nhello")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 401 ") {
		t.Errorf("got %q, %v", answer, err)
	}
}
