package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
)

// TestEventsAreNotHeldBack reads each event before the upstream makes the next.
func TestEventsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	g := behind(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
			<-next
		}
		io.WriteString(w, ": bye\n")
		http.NewResponseController(w).Flush()
		<-next
		io.WriteString(w, "data: unfinished")
	})
	resp, err := g.client.Do(g.request("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		got, err := lines.ReadString('\n')
		if err != nil || got != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q, %v", got, err)
		}
		lines.ReadString('\n')
		next <- struct{}{}
	}
	if got, err := lines.ReadString('\n'); err != nil || got != ": bye\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	next <- struct{}{}
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "data: unfinished" {
		t.Errorf("got %q, %v", rest, err)
	}
}

// TestBrokenStreamsEndWithAnError breaks streams at every kind of place.
func TestBrokenStreamsEndWithAnError(t *testing.T) {
	t.Parallel()
	const sse, ndjson = "text/event-stream; charset=utf-8", "application/x-ndjson"
	for name, c := range map[string]struct{ mediaType, sent, kept string }{
		"after an event":   {sse, "data: 1\n\n", "data: 1\n\n"},
		"in a line":        {sse, "data: 1\n\ndata: {\"half", "data: 1\n\n"},
		"between lines":    {sse, "id: 1\ndata: 1\n\nid: 2\ndata: 2\n", "id: 1\ndata: 1\n\n"},
		"before anything":  {sse, "", ""},
		"in the first":     {sse, "data: 1", ""},
		"CRLF":             {sse, "data: 1\r\n\r\ndata: 2\r\n", "data: 1\r\n\r\n"},
		"CR":               {sse, "data: 1\r\rdata: 2\r", "data: 1\r\r"},
		"after a comment":  {sse, "data: 1\n\n: still here\n", "data: 1\n\n: still here\n"},
		"comment within":   {sse, "data: 1\n\ndata: 2\n: still here\n", "data: 1\n\n"},
		"lines":            {ndjson, "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":2}\n"},
		"in a line of it":  {ndjson, "{\"a\":1}\n{\"a\":", "{\"a\":1}\n"},
		"in the first one": {ndjson, "{\"a\":", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := rawUpstream(t, func(conn net.Conn) {
				readHead(conn)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", c.mediaType)
				for i := range len(c.sent) { // as many chunks as can be
					fmt.Fprintf(conn, "1\r\n%c\r\n", c.sent[i])
				}
			})
			g := start(t, gateway.Settings{Upstreams: []string{up}})
			resp, body := g.get("/")
			rest, ok := strings.CutPrefix(body, c.kept)
			if !ok || resp.StatusCode != 200 {
				t.Fatalf("got %d %q", resp.StatusCode, body)
			}
			rest = strings.TrimLeft(rest, "\n")
			if c.mediaType == sse {
				if rest, ok = strings.CutPrefix(rest, "event: fault\ndata: "); !ok || !strings.HasSuffix(rest, "\n\n") {
					t.Fatalf("no terminal event: %q", body)
				}
			}
			var f fault
			if err := json.Unmarshal([]byte(rest), &f); err != nil || f.Code != "unreachable" || f.RequestID != resp.Header.Get("X-Request-Id") {
				t.Errorf("the stream ends with %q (%v)", rest, err)
			}
		})
	}
}

// TestLongEventsPassInParts breaks an event that was too long to hold back: what
// has been passed on cannot be taken back, so the response must break as well.
func TestLongEventsPassInParts(t *testing.T) {
	t.Parallel()
	long := "data: " + strings.Repeat("x", 300<<10)
	for name, breaks := range map[string]bool{"whole": false, "broken": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := rawUpstream(t, func(conn net.Conn) {
				readHead(conn)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(long), long)
				if !breaks {
					io.WriteString(conn, "2\r\n\n\n\r\n0\r\n\r\n")
				}
			})
			g := start(t, gateway.Settings{Upstreams: []string{up}})
			resp, err := g.client.Do(g.request("GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if breaks != (err != nil) {
				t.Errorf("%d bytes, %v", len(body), err)
			}
			if !breaks && string(body) != long+"\n\n" {
				t.Errorf("%d bytes", len(body))
			}
		})
	}
}

// TestStreamsEndWithAnErrorAtShutdown: the drain ends what takes too long, and
// whoever reads a stream is told that it was not the end.
func TestStreamsEndWithAnErrorAtShutdown(t *testing.T) {
	t.Parallel()
	for _, mediaType := range []string{"text/event-stream", "application/x-ndjson", "application/json-lines"} {
		t.Run(mediaType, func(t *testing.T) {
			t.Parallel()
			const event = "{\"n\":1}\n\n"
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", mediaType)
				io.WriteString(w, event)
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			g := start(t, gateway.Settings{Upstreams: []string{up}, DrainTimeout: 50 * time.Millisecond})
			resp, err := g.client.Do(g.request("GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			first := make([]byte, len(event))
			if _, err := io.ReadFull(resp.Body, first); err != nil {
				t.Fatal(err)
			}
			if err := g.stop(); err != nil {
				t.Error(err)
			}
			rest, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatalf("cut after %q: %v", rest, err)
			}
			last := strings.TrimSuffix(strings.TrimPrefix(string(rest), "event: fault\ndata: "), "\n")
			var f fault
			if err := json.Unmarshal([]byte(last), &f); err != nil || f.Code != "unavailable" || f.RequestID != resp.Header.Get("X-Request-Id") {
				t.Errorf("the stream ends with %q (%v)", rest, err)
			}
		})
	}
}
