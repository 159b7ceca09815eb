package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

// generation is everything that a reload replaces at once. It is only read;
// requests keep the one that they began with.
type generation struct {
	settings Settings
	contract *contract.Contract
	// admission decides; generations share keys and counts of limits.
	admission *admission.Controller
	guard     *failwell.Guard
	handler   http.Handler
	// reference is nil where no pages are served.
	reference func() (Reference, error)
	pool      *pool
	hygiene   hygiene
	cert      *tls.Certificate
	adminCert *tls.Certificate
	roots     *x509.CertPool
	// patience is the longest that any operation waits for an upstream.
	patience time.Duration
	// transports by whether they speak h2c, shared by upstreams.
	transports map[bool]*http.Transport
}

// nearPatience is how long a decision waits for a store that lives in the
// process: where one of them is slow the whole machine is, and a busy moment
// must not refuse calls.
const nearPatience = 250 * time.Millisecond

// storePatience is how long a decision waits; 0 means the 20 ms of admission.
func (s Settings) storePatience(of store.Store) time.Duration {
	if s.StoreTimeout == 0 && !store.Shared(of) {
		return nearPatience
	}
	return s.StoreTimeout
}

// withOpenAPI puts the contract before the operations of an OpenAPI file.
func (g *Gateway) withOpenAPI(c *contract.Contract, file string) (*contract.Contract, error) {
	if file == "" {
		return c, nil
	}
	if g.config.LoadOperations == nil {
		return nil, errors.New("openapi: this program reads no OpenAPI files")
	}
	operations, err := g.config.LoadOperations(file)
	if err != nil {
		return nil, err
	}
	return c.WithOperations(operations)
}

// build makes a generation. Upstreams that old has as well keep what is known
// of them. The error lists everything that is wrong.
func (g *Gateway) build(s Settings, old *generation) (*generation, error) {
	s = s.withDefaults()
	if err := s.Check(); err != nil {
		return nil, err
	}
	n := &generation{settings: s}
	var faults []error
	var err error
	if n.contract, err = g.config.LoadContract(s.Contract); err != nil {
		faults = append(faults, err)
	} else if n.contract, err = g.withOpenAPI(n.contract, s.OpenAPI); err != nil {
		faults = append(faults, err)
	}
	if n.cert, err = readCertificate("tls", s.TLSCert, s.TLSKey); err != nil {
		faults = append(faults, err)
	}
	if n.adminCert, err = readCertificate("admin_tls", s.AdminTLSCert, s.AdminTLSKey); err != nil {
		faults = append(faults, err)
	}
	if n.roots, err = readRoots(s.UpstreamCA); err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if n.hygiene.trusted, err = parsePrefixes(s.TrustedProxies); err != nil {
		return nil, err
	}
	n.hygiene.own = ownNames(n.contract)
	n.patience = s.Timeout
	for _, o := range n.contract.Operations {
		n.patience = max(n.patience, o.Timeout)
	}
	if err := n.refer(g.config.Reference); err != nil {
		return nil, err
	}
	if err := n.connect(g, old); err != nil {
		return nil, err
	}
	if old == nil {
		n.admission = &admission.Controller{
			Contract: n.contract, Store: g.config.Store, Clock: g.config.Clock, Logger: g.log, StoreTimeout: s.storePatience(g.config.Store),
			StaleKeys: s.StaleKeys, Leased: s.Limits == limitsLeased, Overload: s.overload(),
		}
	} else {
		n.admission = old.admission.WithContract(n.contract)
	}
	return n, n.guarded(g)
}

// readCertificate reads what a listener shows; no files mean that it speaks in
// the clear.
func readCertificate(setting, certFile, keyFile string) (*tls.Certificate, error) {
	if certFile == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%[1]s_cert %[2]s, %[1]s_key %[3]s: %[4]w", setting, certFile, keyFile, err)
	}
	return &cert, nil
}

// readRoots reads certificate authorities; no file means the system's.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // what crypto/tls takes for the system's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("upstream_ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("upstream_ca: %s holds no certificate in PEM form", file)
	}
	return roots, nil
}

// connect makes the pool, with transports and upstreams of old where they fit.
func (n *generation) connect(g *Gateway, old *generation) error {
	known := map[string]*upstream{}
	n.transports = map[bool]*http.Transport{}
	if old != nil && old.patience == n.patience && old.roots.Equal(n.roots) {
		n.transports = old.transports
		for _, u := range old.pool.members {
			known[u.name] = u
		}
	}
	n.pool = &pool{now: g.config.now}
	for _, address := range n.settings.Upstreams {
		u, err := parseUpstream(address)
		if err != nil {
			return err
		}
		n.pool.members = append(n.pool.members, n.upstream(u, known))
	}
	return nil
}

func (n *generation) upstream(u *url.URL, known map[string]*upstream) *upstream {
	if kept := known[u.String()]; kept != nil {
		return kept
	}
	h2c := u.Scheme == "h2c"
	if n.transports[h2c] == nil {
		n.transports[h2c] = newTransport(n.patience, n.roots, h2c)
	}
	behind := n.transports[h2c]
	if h2c {
		return newUpstream(u, behind)
	}
	return newUpstream(u, &direct{behind: behind, headers: behind.ResponseHeaderTimeout})
}

// closeIdle closes the connections that no request uses.
func (n *generation) closeIdle() {
	for _, t := range n.transports {
		t.CloseIdleConnections()
	}
	for _, u := range n.pool.members {
		if d, ok := u.transport.(*direct); ok {
			d.CloseIdleConnections()
		}
	}
}

// guarded puts the contract around the proxy. A contract that cannot be
// enforced makes the guard panic, which is an error here: it came from a file.
func (n *generation) guarded(g *Gateway) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("contract %s cannot be enforced: %v", n.settings.Contract, thrown)
		}
	}()
	n.guard = &failwell.Guard{
		Contract: n.contract, Admission: n.admission, MaxBody: int64(n.settings.MaxBody),
		Lifetime: g.lifetime, Cooperative: true, KeepPlainErrors: true, Logger: g.log, Clock: g.config.Clock, Caller: seatOf,
		OnDone: g.done(n.settings.AccessLog, g.metrics.observer(n.contract)),
	}
	n.guard.Recorder = g.recorder()
	if n.patience > n.settings.Timeout {
		// The transport waits for the longest; the guard, at the price of a timer
		// per request, for the others.
		n.guard.Timeout = n.settings.Timeout
	}
	p := &proxy{
		guard: n.guard, contract: n.contract, pool: n.pool, hygiene: &n.hygiene, timeout: n.settings.Timeout,
		logger: g.log, via: &g.via, spans: g.spans != nil,
		strip: n.settings.Credentials == "strip", identify: n.settings.Identity == "on", translate: n.settings.Foreign == "translate",
	}
	p.prepare()
	n.guard.Reconcile = p.reconcile
	n.handler = n.pagesFirst(n.guard.Wrap(p))
	return nil
}

// ownNames are the headers whose look-alikes are removed.
func ownNames(c *contract.Contract) map[string]bool {
	own := map[string]bool{normal(c.Headers.RequestID.Name): true}
	for i := range c.Auth.Schemes {
		if c.Auth.Schemes[i].In == "header" {
			own[normal(c.Auth.Schemes[i].Name)] = true
		}
	}
	if c.Idempotency.Header != "" {
		own[normal(c.Idempotency.Header)] = true
	}
	return own
}
