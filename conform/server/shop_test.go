package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

// shop is a service behind a gateway whose contract promises something for every
// rule, with a front before it that may break the promises.
type shop struct {
	contract *contract.Contract
	keys     map[string]string
	gateway  string
	clock    *storetest.Clock

	mu    sync.Mutex
	turns []string
}

func startShop(t *testing.T) *shop {
	t.Helper()
	text, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Parse("shop.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{contract: c, clock: storetest.ClockAt(time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC))}
	service := httptest.NewServer(items(c))
	t.Cleanup(service.Close)
	records := &store.Memory{Clock: s.clock.Now}
	s.keys = seed(t, c, records, s.clock)
	s.gateway = startGateway(t, c, records, s.clock, gateway.Settings{Upstreams: []string{service.URL}})
	return s
}

// startGateway runs a gateway in a clock's time until the test ends.
func startGateway(t *testing.T, c *contract.Contract, records store.Store, clock *storetest.Clock, settings gateway.Settings) (url string) {
	t.Helper()
	settings.Contract, settings.Listen, settings.Admin = "test", "127.0.0.1:0", "off"
	settings.StoreTimeout = 10 * time.Second // where the store is slow the machine is
	g, err := gateway.New(gateway.Config{
		Settings: settings, LoadContract: func(string) (*contract.Contract, error) { return c, nil },
		Store: records, Clock: clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := g.Listen(ctx); err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g.URL()
}

// items is a service that knows nothing of contracts, but for its forms: what is
// in them nobody else looks at.
func items(c *contract.Contract) http.Handler {
	var made atomic.Int64
	mux := http.NewServeMux()
	list := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"items":[]}`) }
	create := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"item_%d"}`, made.Add(1))
	}
	mux.HandleFunc("GET /v1/items", list)
	mux.HandleFunc("GET /v1/items/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"detail":"no such item"}`)
	})
	mux.HandleFunc("GET /v1/search", list)
	mux.HandleFunc("POST /v1/items", create)
	for _, path := range []string{"orders", "orders/express", "reports", "files"} {
		mux.HandleFunc("POST /v1/"+path, create)
	}
	mux.HandleFunc("POST /v1/renders", func(w http.ResponseWriter, r *http.Request) {
		select { // it takes its time
		case <-time.After(400 * time.Millisecond):
		case <-r.Context().Done():
		}
		create(w, r)
	})
	guard := &failwell.Guard{Contract: c, Logger: slog.New(slog.DiscardHandler)}
	mux.Handle("POST /v1/photos", guard.HandleFunc(formed(create, func(r *http.Request) ([]string, error) {
		return []string{"caption", "photo"}, r.ParseMultipartForm(1 << 20)
	})))
	mux.Handle("POST /v1/notes", guard.HandleFunc(formed(create, func(r *http.Request) ([]string, error) {
		return []string{"text"}, r.ParseForm()
	})))
	return mux
}

// formed reads a form, with the fields that have to be there, before the work.
func formed(work http.HandlerFunc, read func(r *http.Request) (required []string, err error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		required, err := read(r)
		if err != nil {
			return failwell.FromCondition(condition.RequestMalformed, err)
		}
		for _, name := range required {
			if !r.Form.Has(name) && (r.MultipartForm == nil || r.MultipartForm.File[name] == nil) {
				return failwell.FromCondition(condition.ParameterMissing, nil).WithField(name, "is missing", "required")
			}
		}
		for name, values := range r.Form {
			_, err := strconv.Atoi(values[0])
			if count := name == "size" || name == "stars"; count && err != nil || len(values[0]) > 20 {
				return failwell.FromCondition(condition.ValidationFailed, nil).WithField(name, "is wrong", "wrong")
			}
		}
		work(w, r)
		return nil
	}
}

// seed makes a key in each state.
func seed(t *testing.T, c *contract.Contract, records store.Store, clock *storetest.Clock) map[string]string {
	t.Helper()
	controller := &admission.Controller{Contract: c, Store: records, Clock: clock.Now}
	ring := controller.Keys()
	keys := map[string]string{}
	environments := c.Auth.Key.Environments
	for _, k := range []struct {
		name, account string
		state         admission.AccountState
		permissions   []string
		expires       time.Time
	}{
		{name: "valid", account: "main"}, {name: "other", account: "other"}, {name: "read_only", account: "main", permissions: readOnly(c)},
		{name: "expired", account: "main", expires: clock.Now().Add(-time.Hour)}, {name: "revoked", account: "main"}, {name: "deactivated", account: "main"},
		{name: "suspended", account: "held", state: admission.AccountSuspended}, {name: "unpaid", account: "owing", state: admission.AccountUnpaid},
	} {
		if err := ring.PutAccount(t.Context(), admission.Account{ID: k.account, State: k.state}); err != nil {
			t.Fatal(err)
		}
		secret, key, err := ring.Create(t.Context(), admission.NewKey{Name: k.name, Account: k.account, Environment: environments[len(environments)-1].Name, Permissions: k.permissions, Expires: k.expires})
		if err == nil && k.name == "revoked" {
			_, err = ring.Revoke(t.Context(), key.ID)
		}
		if err == nil && k.name == "deactivated" {
			_, err = ring.Deactivate(t.Context(), key.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		keys[k.name] = secret
	}
	return keys
}

// readOnly are the permissions of a contract that read.
func readOnly(c *contract.Contract) []string {
	list := []string{}
	for _, p := range c.Permissions {
		if p == "read" || strings.HasSuffix(p, ":read") {
			list = append(list, p)
		}
	}
	return list
}

// config is a check of all that can be checked, in the shop's time.
func (s *shop) config(url string) Config {
	return Config{
		Contract: s.contract, URL: url, Keys: s.keys, Writes: true, Limits: true, Thorough: true, Pause: -1, Clock: s.clock.Now,
		Sleep: func(_ context.Context, d time.Duration) error {
			s.clock.Advance(d)
			return nil
		},
	}
}

// spoil changes an answer on its way to the caller; nil in place of it is a
// connection that is closed.
type spoil func(r *http.Request, resp *answer)

// answer is a response that can be changed.
type answer struct {
	status int
	header http.Header
	body   []byte
	gone   bool
}

// code makes an error of another code of the contract of it.
func (a *answer) code(name string, status int) {
	a.status = status
	a.header.Set("Content-Type", "application/json")
	a.body = fmt.Appendf(nil, `{"error":{"code":%q,"message":"Spoilt.","status":%d,"request_id":%q}}`, name, status, a.header.Get("X-Request-ID"))
}

// ok makes a success of it.
func (a *answer) ok(status int) {
	a.status, a.body = status, []byte(`{"id":"item_0"}`)
	a.header.Set("Content-Type", "application/json")
}

// edit changes the error in the body.
func (a *answer) edit(change func(map[string]any)) {
	var body struct {
		Error map[string]any `json:"error"`
	}
	if json.Unmarshal(a.body, &body) != nil || body.Error == nil {
		return
	}
	change(body.Error)
	a.body, _ = json.Marshal(body) //nolint:errchkjson // it came out of JSON
}

// front is a server that passes requests on and spoils the answers. What is no
// HTTP it passes on as it is, unless it answers that itself.
func (s *shop) front(t *testing.T, do spoil, noHTTP []byte) (url string) {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				s.pass(conn, transport, do, noHTTP)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

func (s *shop) pass(conn net.Conn, transport http.RoundTripper, do spoil, noHTTP []byte) {
	var seen bytes.Buffer
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &seen)))
	if err != nil || r.ProtoMajor != 1 {
		if len(noHTTP) > 0 {
			_, _ = conn.Write(noHTTP)
			return
		}
		var dialer net.Dialer
		behind, err := dialer.DialContext(context.Background(), "tcp", strings.TrimPrefix(s.gateway, "http://"))
		if err != nil {
			return
		}
		defer behind.Close()
		_, _ = behind.Write(seen.Bytes())
		if half, ok := behind.(*net.TCPConn); ok {
			_ = half.CloseWrite() // so that nobody waits for more
		}
		_, _ = io.Copy(conn, behind)
		return
	}
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", strings.TrimPrefix(s.gateway, "http://"), ""
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	resp.Header.Set("Date", s.clock.Now().UTC().Format(http.TimeFormat)) // net/http has a clock of its own
	a := &answer{status: resp.StatusCode, header: resp.Header, body: body}
	if do != nil {
		do(r, a)
	}
	if a.gone {
		return
	}
	a.header.Del("Content-Length")
	out := http.Response{
		StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Header: a.header, Request: r, Close: true,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
	_ = out.Write(conn)
}
