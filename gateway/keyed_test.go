package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
)

// onceOnly is the contract of this file: everything is let through, and writes are
// done once.
const onceOnly = open + `
  running: {status: 409, is: [idempotency_in_progress], message: Still running.}
  unknown: {status: 409, is: [idempotency_outcome_unknown], message: Nobody knows.}
  gone: {status: 409, is: [idempotency_not_replayable], message: Not kept.}
  other: {status: 422, is: [idempotency_mismatch], message: The key is taken.}
idempotency: {header: Idempotency-Key, keep: 1h, lease: 2s, wait: 5s, replayed: {name: X-Replay, value: "yes"}}
operations:
  POST /pay: {}
  POST /ask: {unknown: reconcile, reconcile: "/done/$key?again=$key"}
  POST /quick: {timeout: 200ms}
`

func (g *running) pay(path, key, body string) (*http.Response, string) {
	g.t.Helper()
	return g.do(g.request(http.MethodPost, path, strings.NewReader(body), "Idempotency-Key", key, "Content-Type", "text/plain"))
}

// TestShortWritesGoDirectly: nothing between the guard, which has read a small
// body, and the upstream hides that all of it is there; without a key the proxy
// reads it.
func TestShortWritesGoDirectly(t *testing.T) {
	t.Parallel()
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: onceOnly})
	for range 3 {
		if resp, body := g.do(g.request(http.MethodPost, "/pay", strings.NewReader("5 euros"))); resp.StatusCode != http.StatusOK || body != "5 euros" {
			t.Fatalf("without a key: %d, %q", resp.StatusCode, body)
		}
	}
	for _, key := range []string{"a", "b"} {
		if resp, body := g.pay("/pay", key, "5 euros"); resp.StatusCode != http.StatusOK || body != "5 euros" {
			t.Fatalf("got %d, %q", resp.StatusCode, body)
		}
	}
	if n := g.DirectlyKept(); n != 1 {
		t.Errorf("%d connections are kept", n)
	}
}

// TestKeyedWrite: the upstream works once, however its answer comes, and what it
// says about replays is not believed.
func TestKeyedWrite(t *testing.T) {
	t.Parallel()
	var worked atomic.Int64
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		n := worked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Replay", "yes")
		w.Header().Set("Location", "/pay/1")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "payment %d of %d bytes", n, len(body))
		if r.Header.Get("X-Chunks") != "" {
			for range 5 {
				_ = http.NewResponseController(w).Flush()
				fmt.Fprint(w, " and more")
			}
		}
	})
	g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: onceOnly})
	if resp, _ := g.do(g.request(http.MethodPost, "/pay", strings.NewReader("5"))); resp.Header["X-Replay"] != nil {
		t.Error("without a key, the upstream marks replays")
	}
	for i, size := range []int{0, 1, 1 << 20} {
		for _, chunks := range []string{"", "1"} {
			key, body := fmt.Sprint("k", i, chunks), strings.Repeat("x", size)
			r := func(body string) (*http.Response, string) {
				r := g.request(http.MethodPost, "/pay", strings.NewReader(body), "Idempotency-Key", key)
				if chunks != "" {
					r.Header.Set("X-Chunks", chunks)
				}
				return g.do(r)
			}
			before := worked.Load()
			first, text := r(body)
			again, replayed := r(body)
			if first.StatusCode != 201 || again.StatusCode != 201 || text != replayed || worked.Load() != before+1 {
				t.Errorf("%s: first %d %q, then %d %q", key, first.StatusCode, text, again.StatusCode, replayed)
			}
			if first.Header["X-Replay"] != nil || again.Header.Get("X-Replay") != "yes" || again.Header.Get("Location") != "/pay/1" ||
				first.Header.Get("X-Request-Id") != again.Header.Get("X-Request-Id") {
				t.Errorf("%s: first %v, then %v", key, first.Header, again.Header)
			}
			resp, text := r(body + "y")
			wantFault(t, resp, text, 422, "other")
		}
	}
}

// TestUpstreamLetsDown: what the caller gets when the upstream fails, and whether
// the key is free afterwards.
func TestUpstreamLetsDown(t *testing.T) {
	t.Parallel()
	answer := func(text string) func(t *testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			return rawUpstream(t, func(conn net.Conn) {
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(conn, text)
			})
		}
	}
	for name, tc := range map[string]struct {
		up     func(t *testing.T) string
		status int
		next   int
	}{
		"is not there":           {nobody, 502, 502},
		"hangs up":               {answer(""), 502, 409},
		"breaks off its head":    {answer("HTTP/1.1 200 OK\r\nContent-"), 502, 409},
		"breaks off its body":    {answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), 502, 409},
		"breaks off its chunks":  {answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), -1, 409},
		"breaks off a long body": {answer("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 90_000)), -1, 409},
		"is not ready":           {answer("HTTP/1.1 503 Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 503, 503},
		"gives up":               {answer("HTTP/1.1 503 Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 503, 409},
		"is a gateway itself":    {answer("HTTP/1.1 504 Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 504, 409},
		"wants less":             {answer("HTTP/1.1 429 Too Many\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 429, 429},
		"fails":                  {answer("HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 500, 500},
		"refuses":                {answer("HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 400, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, gateway.Settings{Upstreams: []string{tc.up(t)}, Contract: onceOnly})
			status := func() int {
				resp, err := g.client.Do(g.request(http.MethodPost, "/pay", strings.NewReader("5"), "Idempotency-Key", "k"))
				if err != nil {
					return -1
				}
				defer resp.Body.Close()
				if _, err := io.ReadAll(resp.Body); err != nil {
					return -1
				}
				return resp.StatusCode
			}
			if got := status(); got != tc.status {
				t.Errorf("got %d, want %d", got, tc.status)
			}
			if got := status(); got != tc.next {
				t.Errorf("then %d, want %d", got, tc.next)
			}
		})
	}
}

// hang takes a request and does not answer it. Only who has read the body is
// told that the other side has gone.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// TestKeyedTimeout: an upstream that takes too long may have done the work.
func TestKeyedTimeout(t *testing.T) {
	t.Parallel()
	up := upstream(t, hang)
	g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: onceOnly})
	resp, body := g.pay("/quick", "k", "5")
	wantFault(t, resp, body, 504, "timeout")
	resp, body = g.pay("/quick", "k", "5")
	wantFault(t, resp, body, 409, "unknown")
}

// TestNoSecondUpstream: a keyed write goes to another upstream only when the
// first was provably not reached.
func TestNoSecondUpstream(t *testing.T) {
	t.Parallel()
	var worked, hungUp atomic.Int64
	good := func(w http.ResponseWriter, _ *http.Request) {
		worked.Add(1)
		io.WriteString(w, "paid")
	}
	g := start(t, gateway.Settings{Upstreams: []string{nobody(t), upstream(t, good)}, Contract: onceOnly})
	for i := range 8 {
		if resp, body := g.pay("/pay", fmt.Sprint(i), "5"); resp.StatusCode != 200 || body != "paid" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
	}
	worked.Store(0)
	rude := rawUpstream(t, func(conn net.Conn) {
		readHead(conn)
		hungUp.Add(1)
	})
	g = start(t, gateway.Settings{Upstreams: []string{rude, upstream(t, good)}, Contract: onceOnly})
	for i := range 8 {
		resp, _ := g.pay("/pay", fmt.Sprint(i), "5")
		if resp.StatusCode == http.StatusBadGateway {
			resp, body := g.pay("/pay", fmt.Sprint(i), "5")
			wantFault(t, resp, body, 409, "unknown")
		}
	}
	if worked.Load()+hungUp.Load() != 8 || hungUp.Load() == 0 {
		t.Errorf("%d worked, %d hung up, of 8", worked.Load(), hungUp.Load())
	}
}

// TestDrainWaitsForKeyedWrites: a write whose caller has left is waited for at
// shutdown, also where net/http does not, and its answer is there afterwards.
func TestDrainWaitsForKeyedWrites(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			arrived, release := make(chan struct{}, 1), make(chan struct{})
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				arrived <- struct{}{}
				select {
				case <-release:
					io.WriteString(w, "paid")
				case <-r.Context().Done():
				}
			})
			memory := &stays{Store: &store.Memory{}}
			settings := gateway.Settings{Upstreams: []string{up}, Contract: onceOnly, DrainTimeout: 10 * time.Second}
			if protocol == "HTTP/2.0" {
				settings.TLSCert, settings.TLSKey = servers.Certificate(t)
			}
			g := startAt(t, settings, memory)
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan struct{})
			r := g.request(http.MethodPost, "/pay", strings.NewReader("5"), "Idempotency-Key", "k", "Content-Type", "text/plain").WithContext(ctx)
			go func() {
				defer close(left)
				if resp, err := g.client.Do(r); err == nil {
					resp.Body.Close()
				}
			}()
			<-arrived
			leave()
			<-left
			stopped := make(chan error, 1)
			go func() { stopped <- g.stop() }()
			select {
			case err := <-stopped:
				t.Errorf("it did not wait: %v", err)
			case <-time.After(2 * time.Second): // net/http closes an HTTP/2 connection a second after its last stream
				close(release)
				if err := <-stopped; err != nil {
					t.Error(err)
				}
			}
			again := startAt(t, gateway.Settings{Upstreams: []string{up}, Contract: onceOnly}, memory)
			if resp, body := again.pay("/pay", "k", "5"); resp.StatusCode != 200 || body != "paid" || resp.Header.Get("X-Replay") != "yes" {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
		})
	}
}

// stays is a store that outlives its gateways.
type stays struct{ store.Store }

func (*stays) Close() error { return nil }

// TestDrainEndsKeyedWrites: what takes longer than the drain timeout is ended,
// also when nobody waits for it.
func TestDrainEndsKeyedWrites(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		hang(w, r)
	})
	memory := &stays{Store: &store.Memory{}}
	g := startAt(t, gateway.Settings{Upstreams: []string{up}, Contract: onceOnly, DrainTimeout: 50 * time.Millisecond}, memory)
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n5")
	<-arrived
	conn.Close()
	began := time.Now()
	if err := g.stop(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("stopped after %v: %v", time.Since(began), err)
	}
	again := startAt(t, gateway.Settings{Upstreams: []string{up}, Contract: onceOnly}, memory)
	resp, body := again.pay("/pay", "k", "5")
	wantFault(t, resp, body, 409, "unknown")
}

// TestGatewayReconciles: the upstream is asked what became of a call, in the
// name of the caller.
func TestGatewayReconciles(t *testing.T) {
	t.Parallel()
	var worked, asked atomic.Int64
	var says atomic.Int64
	var question atomic.Pointer[http.Request]
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if worked.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
			io.WriteString(w, "paid now")
			return
		}
		asked.Add(1)
		question.Store(r)
		w.WriteHeader(int(says.Load()))
		io.WriteString(w, "was paid")
	})
	for _, tc := range []struct {
		says, status int
		text         string
	}{
		{200, 200, "was paid"}, {201, 201, "was paid"}, {404, 200, "paid now"}, {500, 503, ""}, {429, 503, ""}, {302, 409, ""}, {403, 409, ""},
	} {
		worked.Store(0)
		asked.Store(0)
		says.Store(int64(tc.says))
		g := start(t, gateway.Settings{Upstreams: []string{up}, Contract: onceOnly})
		send := func() (*http.Response, string) {
			return g.do(g.request(http.MethodPost, "/ask", strings.NewReader("5"), "Idempotency-Key", "k/1?&", "Authorization", "Bearer of the upstream",
				"X-Failwell-First-Request-Id", "forged"))
		}
		first, body := send()
		wantFault(t, first, body, 502, "unreachable")
		resp, body := send()
		if resp.StatusCode != tc.status || tc.text != "" && body != tc.text {
			t.Errorf("it said %d: got %d %q", tc.says, resp.StatusCode, body)
		}
		q := question.Load()
		if q.Method != http.MethodGet || q.URL.EscapedPath() != "/done/k%2F1%3F&" || q.URL.Query().Get("again") != "k/1?&" || q.ContentLength != 0 {
			t.Errorf("asked %s %s, %d bytes", q.Method, q.URL, q.ContentLength)
		}
		if got := q.Header.Get("X-Failwell-First-Request-Id"); got != first.Header.Get("X-Request-Id") {
			t.Errorf("asked for %q", got)
		}
		if q.Header.Get("Authorization") != "Bearer of the upstream" || q.Header.Get("Content-Type") != "" {
			t.Errorf("asked with %v", q.Header)
		}
		again, replayed := send()
		if tc.text != "" && (again.StatusCode != tc.status || replayed != tc.text || again.Header.Get("X-Replay") != "yes" || asked.Load() != 1) {
			t.Errorf("then %d %q, asked %d times", again.StatusCode, replayed, asked.Load())
		}
		if want := map[bool]int64{true: 2, false: 1}[tc.says == 404]; worked.Load() != want {
			t.Errorf("it said %d: worked %d times", tc.says, worked.Load())
		}
	}
}
