package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/record"
)

// admin serves operators. Its own errors are problem details (RFC 9457), under
// the built-in contract for a new API.
type admin struct {
	gateway *Gateway
	guard   *failwell.Guard
	token   [sha256.Size]byte
	// host is what the listener was told to listen on.
	host string
	// scrape serves the metrics.
	scrape http.Handler
}

// serveAdmin starts the admin listener; stop ends it.
// Both are nil without a listener.
func (g *Gateway) serveAdmin(failed chan<- error) (stop func(), err error) {
	private := g.private // an end that comes at once takes it away
	if private == nil {
		return nil, nil //nolint:nilnil // there is nothing to stop
	}
	contract, err := builtin.Get("problem")
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(g.live.Load().settings.Admin)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	a := &admin{gateway: g, token: sha256.Sum256([]byte(g.token)), host: host, scrape: g.metrics.handler()}
	a.guard = &failwell.Guard{Contract: contract, Logger: g.log, MaxBody: maxImport}
	server := &http.Server{
		Handler: a.guard.Wrap(a.routes()), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	server.TLSConfig = g.tlsConfig(adminCertificate)
	go func() {
		serve := server.Serve
		if server.TLSConfig != nil {
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		if err := serve(private); err != nil && !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("admin: %w", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}, nil
}

// routes are the API, the error reference and, where the program brings one, the
// console.
func (a *admin) routes() http.Handler {
	api := a.api()
	mux := http.NewServeMux()
	mux.Handle("/", api)
	pages := a.guard.HandleFunc(func(w http.ResponseWriter, r *http.Request) error { return a.gateway.live.Load().showPage(w, r) })
	mux.Handle("GET "+errorPages, pages)
	mux.Handle("GET "+strings.TrimSuffix(errorPages, "/"), pages)
	if a.gateway.config.Console == nil {
		return a.sameHost(mux)
	}
	// What the console asks of the API comes from within, as a request of its own.
	console := a.gateway.config.Console(a.gateway, a.guard.Wrap(api))
	mux.Handle(consolePath, console)
	mux.Handle("GET /{$}", http.RedirectHandler(consolePath, http.StatusSeeOther))
	return a.sameHost(mux)
}

// consolePath is where the console is on the admin listener.
const consolePath = "/console/"

// sameHost refuses requests that a page in a browser has sent here by pointing
// its own name at this address (DNS rebinding): they carry that name.
func (a *admin) sameHost(next http.Handler) http.Handler {
	return a.guard.HandleFunc(func(w http.ResponseWriter, r *http.Request) error {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		// Pages of the console send their origin; who calls the API is no page.
		foreign := r.Header.Get("Origin") != "" && !strings.HasPrefix(r.URL.Path, consolePath)
		if !isLoopback(host) && !strings.EqualFold(host, a.host) && net.ParseIP(host) == nil && !a.certified(host) || foreign {
			return failwell.FromCondition(failwell.PermissionDenied, fmt.Errorf("host %q is not this listener's", r.Host))
		}
		if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
			// The mux would redirect to the clean path, in words of its own.
			return failwell.FromCondition(failwell.RouteUnknown, nil).With("method", r.Method).With("path", r.URL.Path)
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// certified reports whether the listener's certificate is for a name: a page
// cannot have pointed it here, since browsers would have refused the certificate.
func (a *admin) certified(host string) bool {
	cert := a.gateway.live.Load().adminCert
	return cert != nil && cert.Leaf.VerifyHostname(host) == nil
}

func (a *admin) health(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, map[string]string{"status": "alive"})
}

// readyPatience bounds the look at the store.
const readyPatience = time.Second

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready bool `json:"ready"`
	// Why lists what is missing.
	Why []string `json:"why,omitempty"`
}

func (a *admin) ready(w http.ResponseWriter, r *http.Request) error {
	state := Readiness{Why: a.gateway.unready(r.Context())}
	state.Ready = len(state.Why) == 0
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
	}
	return answer(w, status, state)
}

// unready lists why the gateway should get no requests now. What a store says
// is for the log: readiness is told to anybody.
func (g *Gateway) unready(ctx context.Context) (why []string) {
	if g.draining.Load() {
		why = append(why, "the gateway is shutting down")
	}
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	if _, err := g.config.Store.Now(ctx); err != nil {
		g.log.Warn("not ready", "store", err)
		why = append(why, "the store does not answer")
	}
	if !g.live.Load().pool.anyHealthy() {
		why = append(why, "no upstream is healthy")
	}
	return why
}

// Status is the answer of /v1/status.
type Status struct {
	Version   string           `json:"version,omitempty"`
	API       string           `json:"api"`
	Contract  string           `json:"contract"`
	Listen    string           `json:"listen"`
	Started   time.Time        `json:"started"`
	Draining  bool             `json:"draining"`
	UnderWay  int64            `json:"under_way"`
	Upstreams []UpstreamStatus `json:"upstreams"`
	// Responses by class of status, for example "2xx"; "gone" counts callers
	// who went away before there was one.
	Responses map[string]uint64 `json:"responses"`
	// Records is how the log of records is doing; nil where none are kept.
	Records *record.Stats `json:"records,omitempty"`
	// Reload is why the last reload was refused; nil when it was not.
	Reload *ReloadFaults `json:"reload,omitempty"`
}

// Status tells how the gateway is.
func (g *Gateway) Status() Status {
	n := g.live.Load()
	s := Status{
		Version: g.config.Version, API: n.contract.API, Contract: n.settings.Contract, Listen: g.Addr(), Started: g.started.UTC(),
		Draining: g.draining.Load(), UnderWay: g.underWay.Load(), Reload: g.faults.Load(), Responses: map[string]uint64{},
	}
	if g.records != nil {
		stats := g.records.Stats()
		s.Records = &stats
	}
	for _, u := range n.pool.members {
		s.Upstreams = append(s.Upstreams, u.status(g.config.now()))
	}
	for class, name := range []string{"gone", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		s.Responses[name] = g.responses[class].Load()
	}
	return s
}

func (a *admin) status(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, a.gateway.Status())
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	if err != nil {
		return failwell.FromCondition(failwell.Internal, err)
	}
	return nil
}

// maxImport bounds a body of the admin API: some hundred thousand keys.
const maxImport = 64 << 20
