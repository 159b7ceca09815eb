// Package gateway stands in front of an HTTP service and makes it fail the way
// its contract says: keys, limits and request ids are the gateway's work, and
// every answer that does not come from the service is in the contract's shape,
// down to what net/http would say about a broken request line.
//
// It is made of [failwell.Guard] and httputil.ReverseProxy, and uses nothing of
// failwell that other programs cannot use. What it promises:
//
//   - a request is sent to an upstream once; it goes to another one only when
//     the first was provably not reached;
//   - a response that breaks off is never passed on as complete: streams of
//     events end with an error event, other bodies with a broken connection;
//   - nobody outside sets headers that tell the upstream who is calling;
//   - a reload drops no request, and a bad file changes nothing.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// Config is what a program gives to a [Gateway]: its settings, and what they
// only name.
type Config struct {
	// Settings as merged by [ReadSettings].
	Settings Settings
	// LoadContract finds the contract that settings name. Required. It is called
	// again at each reload.
	LoadContract func(name string) (*contract.Contract, error)
	// Store keeps keys and accounts. Required. It stays the caller's, who closes
	// it after Run has returned.
	Store store.Store
	// Logger is Optional: nil means slog.Default.
	Logger *slog.Logger
	// Clock is Optional: nil means time.Now.
	Clock func() time.Time
	// Version is Optional: what the admin API reports.
	Version string
}

func (c *Config) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}

// Gateway is a running gateway. Its methods are safe for concurrent use.
type Gateway struct {
	config  Config
	log     *slog.Logger
	live    atomic.Pointer[generation]
	started time.Time

	// reloading keeps reloads one after the other.
	reloading sync.Mutex
	faults    atomic.Pointer[ReloadFaults]

	listen    sync.Mutex
	public    net.Listener
	private   net.Listener
	token     string
	forget    func() error // takes the token's file away
	draining  atomic.Bool
	underWay  atomic.Int64
	responses [6]atomic.Uint64 // by class of status; 0 is for callers who went away
}

// ReloadFaults is why the last reload was refused.
type ReloadFaults struct {
	At     time.Time `json:"at"`
	Faults []string  `json:"faults"`
}

// New checks the settings and loads the contract. It opens no port; [Listen]
// and [Run] do. The error lists everything that is wrong.
func New(config Config) (*Gateway, error) {
	if config.LoadContract == nil || config.Store == nil {
		return nil, errors.New("gateway: Config.LoadContract and Config.Store are required")
	}
	g := &Gateway{config: config, log: config.Logger, started: config.now()}
	if g.log == nil {
		g.log = slog.Default()
	}
	first, err := g.build(config.Settings, nil)
	if err != nil {
		return nil, err
	}
	g.live.Store(first)
	return g, nil
}

// Listen opens the gateway's ports, so that its addresses are known before Run.
// Calling it is optional; what it opened is closed by Run or [Gateway.Close].
func (g *Gateway) Listen(ctx context.Context) error {
	g.listen.Lock()
	defer g.listen.Unlock()
	if g.public != nil {
		return nil
	}
	s := g.live.Load().settings
	var config net.ListenConfig
	public, err := config.Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen %s: %w", s.Listen, err)
	}
	if s.Admin != adminOff {
		private, err := config.Listen(ctx, "tcp", s.Admin)
		if err != nil {
			return errors.Join(fmt.Errorf("admin %s: %w", s.Admin, err), public.Close())
		}
		// Whoever can connect finds the token.
		if g.token, g.forget, err = leaveToken(private.Addr().String()); err != nil {
			return errors.Join(err, private.Close(), public.Close())
		}
		g.private = private
	}
	g.public = public
	return nil
}

// Close closes ports that Listen opened and takes the admin token away. It is
// for gateways that are never run; Run does it by itself.
func (g *Gateway) Close() error {
	g.listen.Lock()
	defer g.listen.Unlock()
	var faults []error
	for _, l := range []net.Listener{g.public, g.private} {
		if l != nil {
			faults = append(faults, ignoreClosed(l.Close()))
		}
	}
	if g.forget != nil {
		faults = append(faults, g.forget())
	}
	g.public, g.private, g.forget = nil, nil, nil
	return errors.Join(faults...)
}

// Addr is where callers connect, "" before Listen.
func (g *Gateway) Addr() string { return g.address(&g.public) }

// AdminAddr is where operators connect, "" before Listen and when there is no
// admin listener.
func (g *Gateway) AdminAddr() string { return g.address(&g.private) }

func (g *Gateway) address(l *net.Listener) string {
	g.listen.Lock()
	defer g.listen.Unlock()
	if *l == nil {
		return ""
	}
	return (*l).Addr().String()
}

// URL is the base URL for callers, "" before Listen.
func (g *Gateway) URL() string {
	address := g.Addr()
	if address == "" {
		return ""
	}
	if g.live.Load().cert != nil {
		return "https://" + address
	}
	return "http://" + address
}

// ServeHTTP implements http.Handler: a caller's request, as the ports get it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.underWay.Add(1)
	defer g.underWay.Add(-1)
	n := g.live.Load()
	if status := suspicious(w, r, int(n.settings.MaxHeader)); status != 0 {
		n.guard.WriteError(w, r, refused(status, n.contract))
		return
	}
	n.hygiene.clean(r)
	pace(w, r)
	n.handler.ServeHTTP(w, r)
}

// suspicious returns the status for requests that net/http lets through and
// that are refused here; 0 for all others.
func suspicious(w http.ResponseWriter, r *http.Request, maxHeader int) int {
	c, http1 := r.Context().Value(connKey{}).(*clientConn)
	if !http1 {
		if r.ProtoMajor >= 2 && headSize(r) > maxHeader {
			return http.StatusRequestHeaderFieldsTooLarge
		}
		return 0
	}
	c.serving.Store(true)
	if r.ProtoMajor >= 2 { // the preface of HTTP/2, on a connection that speaks HTTP/1
		return http.StatusBadRequest
	}
	switch c.framing(r) {
	case framingContradictory:
		w.Header().Set("Connection", "close")
		return http.StatusBadRequest
	case framingUnseen:
		w.Header().Set("Connection", "close")
	case framingClear:
	}
	return 0
}

// headSize is what HTTP/2 counts (RFC 9113 section 6.5.2).
func headSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host) + 3*32
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + 32
		}
	}
	return size
}

// refused is the error for what net/http refuses with a status of its own.
func refused(status int, c *contract.Contract) error {
	of := condition.OfStatus(status)
	if status >= 500 || status == http.StatusExpectationFailed {
		of = condition.RequestMalformed // an HTTP version or a transfer coding that nobody knows
	}
	e := failwell.FromCondition(of, fmt.Errorf("the request was refused before it could be read: %s", http.StatusText(status)))
	if code, _ := c.For(of); code.Allows(status) {
		e.Status = status
	}
	return e
}

// refusal renders an answer for a connection on which no request could be read.
func (g *Gateway) refusal(status int) []byte {
	n := g.live.Load()
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1}
	w := &recorder{header: http.Header{}}
	n.guard.WriteError(w, r, refused(status, n.contract))
	g.responses[classOf(w.status)].Add(1)
	return w.wire()
}

func classOf(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

// done counts requests and logs those that the settings ask for.
func (g *Gateway) done(which string) func(*http.Request, failwell.Outcome) {
	return func(r *http.Request, o failwell.Outcome) {
		g.responses[classOf(o.Status)].Add(1)
		// What the guard itself answered with 5xx it has logged with the cause.
		if which != "all" && (which == "off" || o.Status > 0 && o.Status < 500 || o.Code != nil) {
			return
		}
		status := o.Status
		if status == 0 {
			status = 499 // as nginx has it: the caller went away
		}
		attrs := make([]slog.Attr, 0, 9)
		attrs = append(attrs, slog.String("request_id", o.RequestID), slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", status), slog.Int64("bytes", o.Bytes), slog.Duration("took", o.Took))
		if o.Code != nil {
			attrs = append(attrs, slog.String("code", o.Code.Name))
		}
		if o.Key != nil {
			attrs = append(attrs, slog.String("key", o.Key.ID))
		}
		if o.Account != nil {
			attrs = append(attrs, slog.String("account", o.Account.ID))
		}
		g.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
	}
}

// Reload replaces contract, upstreams and the other settings at once; requests
// under way end as they began. When anything is wrong everything stays as it
// is, the faults are logged and shown by the admin API, and returned. What needs
// a new port or store cannot change.
func (g *Gateway) Reload(s Settings) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	old := g.live.Load()
	next, err := g.build(s, old)
	if err == nil {
		err = old.settings.fixed(next.settings)
	}
	if err != nil {
		g.RefuseReload(err)
		return err
	}
	g.live.Store(next)
	g.faults.Store(nil)
	for _, t := range old.transports {
		t.CloseIdleConnections() // upstreams that are gone; the others dial again
	}
	g.log.Info("reloaded", "contract", next.contract.API, "upstreams", len(next.pool.members))
	return nil
}

// RefuseReload records why a reload did not come to pass, for whoever could not
// even read the settings: it is logged and shown as Reload's own refusals are.
func (g *Gateway) RefuseReload(err error) {
	f := &ReloadFaults{At: g.config.now().UTC(), Faults: strings.Split(err.Error(), "\n")}
	g.faults.Store(f)
	for _, fault := range f.Faults {
		g.log.Error("reload refused, the old settings stay", "fault", fault)
	}
}

// fixed names the settings that differ and cannot change while running.
func (s Settings) fixed(next Settings) error {
	var faults []error
	for _, x := range []struct {
		name string
		same bool
	}{
		{"listen", s.Listen == next.Listen},
		{"admin", s.Admin == next.Admin},
		{"store", s.Store == next.Store},
		{"idle_timeout", s.IdleTimeout == next.IdleTimeout},
		{"header_timeout", s.HeaderTimeout == next.HeaderTimeout},
		{"max_header", s.MaxHeader == next.MaxHeader},
		{"tls_cert and tls_key as a whole", (s.TLSCert == "") == (next.TLSCert == "")},
	} {
		if !x.same {
			faults = append(faults, fmt.Errorf("%s cannot change while the gateway runs, restart it", x.name))
		}
	}
	return errors.Join(faults...)
}

func (g *Gateway) tlsConfig() *tls.Config {
	if g.live.Load().cert == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return g.live.Load().cert, nil
		},
	}
}
