package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/openapi"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store"
)

// open is a contract that lets everything through.
const open = `
failwell: 1
api: open
envelopes:
  standard:
    body: {code: $code, message: $message, status: $status, request_id: $request_id, details?: {"...": $params, fields?: [{$each: fields, field: $field.name, message: $field.message}]}}
headers:
  process_time: {name: X-Process-Time}
streams: {event: fault, ndjson: true}
errors:
  unauthorized: {status: 401, is: [key_unknown], message: No.}
  unpaid: {status: 402, is: [payment_required], message: Pay.}
  forbidden: {status: 403, is: [permission_denied, account_suspended, feature_unavailable], message: No.}
  missing: {status: 404, is: [resource_missing], message: Nothing there.}
  bad_request: {status: 400, also: [417, 431, 501, 505], is: [request_malformed], message: Bad.}
  invalid: {status: 422, is: [validation_failed], message: Invalid.}
  conflict: {status: 409, is: [resource_conflict], message: Conflict.}
  too_large: {status: 413, is: [body_too_large], message: Too large.}
  no_route: {status: 404, is: [route_unknown], message: No such path.}
  method: {status: 405, is: [method_not_allowed], params: {allow: string}, message: Not with this method.}
  slow_down: {status: 429, is: [rate_limited], retry: after_wait, message: Slow down.}
  timeout: {status: 504, is: [upstream_timeout], params: {timeout_seconds: integer}, message: Took too long.}
  slow_client: {status: 408, is: [client_timeout], message: Too slow.}
  broken: {status: 500, is: [internal], message: Broken.}
  unreachable: {status: 502, is: [upstream_unreachable], message: Unreachable.}
  unavailable: {status: 503, is: [unavailable], message: Unavailable.}
`

type fault struct {
	Code      string         `json:"code"`
	Message   string         `json:"message"`
	Status    int            `json:"status"`
	RequestID string         `json:"request_id"`
	Details   map[string]any `json:"details"`
}

// running is a gateway on a port of its own.
type running struct {
	*gateway.Gateway
	t        *testing.T
	settings gateway.Settings
	url      string
	client   *http.Client
	logs     *syncBuffer
	store    store.Store
	// stop ends it and returns what Run returned.
	stop func() error
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// load takes the text of a contract, or the name of a built-in one, for its name.
func load(name string) (*contract.Contract, error) {
	if strings.Contains(name, "\n") {
		return contract.Parse("test.yaml", []byte(name))
	}
	return builtin.Get(name)
}

func loadOperations(file string) ([]*contract.Operation, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return openapi.Import(file, data)
}

// start runs a gateway under a contract with an upstream.
func start(t *testing.T, s gateway.Settings) *running {
	t.Helper()
	return startAt(t, s, &store.Memory{})
}

// startAt runs a gateway on a store, which it closes in the end.
func startAt(t *testing.T, s gateway.Settings, on store.Store) *running {
	t.Helper()
	if s.Contract == "" {
		s.Contract = open
	}
	s.Listen = "127.0.0.1:0"
	if s.Admin == "" {
		s.Admin = "off"
	}
	g := &running{t: t, settings: s, logs: &syncBuffer{}, store: on}
	logger := slog.New(slog.NewTextHandler(g.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	g.Gateway, err = gateway.New(gateway.Config{
		Settings: s, LoadContract: load, LoadOperations: loadOperations, Reference: reference, Store: g.store, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := g.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	g.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true,
	}
	g.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	g.url = g.URL()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := g.stop(); err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
		if err := g.store.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(g.logs.String())
		}
	})
	return g
}

// upstream runs a server behind the gateway.
func upstream(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

// behind starts a gateway in front of a handler.
func behind(t *testing.T, handle http.HandlerFunc) *running {
	t.Helper()
	return start(t, gateway.Settings{Upstreams: []string{upstream(t, handle)}})
}

// rawUpstream answers each connection by hand.
func rawUpstream(t *testing.T, answer func(conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				answer(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

// readHead reads a request up to the end of its head.
func readHead(conn net.Conn) string {
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := conn.Read(one); err != nil {
			break
		}
		head = append(head, one[0])
	}
	return string(head)
}

// nobody is an address where nothing listens, and that no listener of another
// test can be given meanwhile.
func nobody(t *testing.T) string {
	t.Helper()
	return "http://127.0.0.1:1" // tcpmux; systems give no port below 1024 by themselves
}

func (g *running) do(r *http.Request) (*http.Response, string) {
	g.t.Helper()
	resp, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("reading the body: %v", err)
	}
	return resp, string(body)
}

func (g *running) request(method, path string, body io.Reader, header ...string) *http.Request {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, body)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func (g *running) get(path string, header ...string) (*http.Response, string) {
	g.t.Helper()
	return g.do(g.request(http.MethodGet, path, nil, header...))
}

// wantFault checks that a response is the contract's error with the given code.
func wantFault(t *testing.T, resp *http.Response, body string, status int, code string) fault {
	t.Helper()
	var f fault
	if err := json.Unmarshal([]byte(body), &f); err != nil {
		t.Fatalf("status %d, not the contract's envelope: %q", resp.StatusCode, body)
	}
	if resp.StatusCode != status || f.Code != code || f.Status != status {
		t.Errorf("got %d %s (%d in the body), want %d %s", resp.StatusCode, f.Code, f.Status, status, code)
	}
	if id := resp.Header.Values("X-Request-Id"); len(id) != 1 || id[0] != f.RequestID || f.RequestID == "" {
		t.Errorf("request id %q in the header, %q in the body", id, f.RequestID)
	}
	return f
}

// raw sends bytes to the gateway and returns all that comes back.
func (g *running) raw(request string) string {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.Addr())
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		g.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		g.t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		g.t.Fatalf("no answer to %q: %v", request, err)
	}
	return string(answer)
}
