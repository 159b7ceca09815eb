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
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/record"
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
	// LoadOperations reads the OpenAPI file that settings name. Optional; it is
	// called again at each reload.
	LoadOperations func(file string) ([]*contract.Operation, error)
	// Reference makes the error reference of the contract, served as ErrorPages
	// says. Optional; it is called again after each reload.
	Reference func(*contract.Contract) (Reference, error)
	// Store keeps keys and accounts. Required. It stays the caller's, who closes
	// it after Run has returned.
	Store store.Store
	// Logger is Optional: nil means slog.Default.
	Logger *slog.Logger
	// Clock is Optional: nil means time.Now.
	Clock func() time.Time
	// Console is Optional: it makes what is served below /console/ on the admin
	// listener. api is the admin API itself, without a network in between: what
	// the console wants of it, it asks as anybody else, with an operator's token.
	Console func(g *Gateway, api http.Handler) http.Handler
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

	// lifetime ends what goes on after its caller has left.
	lifetime context.Context //nolint:containedctx // the gateway's own
	die      context.CancelCauseFunc

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
	metrics   *metrics
	records   *record.Log
	spans     *spans
	via       via
}

// New checks the settings and loads the contract. It opens no port; [Gateway.Listen]
// and [Gateway.Run] do. The error lists everything that is wrong.
func New(config Config) (*Gateway, error) {
	if config.LoadContract == nil || config.Store == nil {
		return nil, errors.New("gateway: Config.LoadContract and Config.Store are required")
	}
	g := &Gateway{config: config, log: config.Logger, started: config.now(), via: newVia()}
	if g.log == nil {
		g.log = slog.Default()
	}
	g.lifetime, g.die = context.WithCancelCause(context.Background())
	g.metrics = newMetrics(g)
	g.records = g.newRecords(config.Settings.withDefaults())
	var err error
	if g.spans, err = newSpans(config.Settings, g.log); err != nil {
		return nil, err
	}
	if g.spans != nil {
		g.spans.start(context.WithoutCancel(g.lifetime)) // the last ones come when that has ended
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
		if host, _, err := net.SplitHostPort(s.Admin); err == nil && !isLoopback(host) && s.AdminTLSCert == "" {
			g.log.Warn("the admin listener can be reached from other machines and has no TLS: tokens, sessions and new keys go over the network unencrypted",
				"admin", s.Admin, "remedy", "set admin_tls_cert and admin_tls_key, or let nobody in but a proxy that speaks TLS")
		}
	}
	var told time.Time // connections are taken up one after the other
	g.public = bound(public, s.MaxConnections, func() {
		if now := time.Now(); now.Sub(told) > time.Minute {
			told = now
			g.log.Warn("no more connections are taken up until one ends", "max_connections", s.MaxConnections)
		}
	})
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
	g.closeRecords()
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

// AdminURL is the base URL for operators, "" where AdminAddr is.
func (g *Gateway) AdminURL() string {
	address := g.AdminAddr()
	if address == "" {
		return ""
	}
	return schemeOf(g.live.Load().adminCert) + address
}

// Contract is the contract in force; a reload replaces it.
func (g *Gateway) Contract() *contract.Contract { return g.live.Load().contract }

// AdminToken is the token that the gateway leaves for the user who runs it, ""
// before Listen.
func (g *Gateway) AdminToken() string {
	g.listen.Lock()
	defer g.listen.Unlock()
	return g.token
}

// URL is the base URL for callers, "" before Listen.
func (g *Gateway) URL() string {
	address := g.Addr()
	if address == "" {
		return ""
	}
	return schemeOf(g.live.Load().cert) + address
}

func schemeOf(cert *tls.Certificate) string {
	if cert != nil {
		return "https://"
	}
	return "http://"
}

// tlsConfig is for a listener whose certificate a reload may replace; nil where
// there is none.
func (g *Gateway) tlsConfig(certificate func(*generation) *tls.Certificate) *tls.Config {
	if certificate(g.live.Load()) == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificate(g.live.Load()), nil
		},
	}
}

func publicCertificate(n *generation) *tls.Certificate { return n.cert }
func adminCertificate(n *generation) *tls.Certificate  { return n.adminCert }
