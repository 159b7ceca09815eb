package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/admission"
)

// Settings is everything that can be set about a gateway. Each field is a flag,
// an environment variable and a line of gateway.yaml under the same name, as
// its tags say; a flag wins over a variable, a variable over the file. A zero
// field means the default that its comment gives.
//
// The tags are in the form that github.com/alecthomas/kong reads.
type Settings struct {
	// Contract is Required: the name of a built-in contract or a file.
	Contract string `env:"FAILWELL_CONTRACT" help:"Contract to obey: a built-in name or a file." name:"contract" placeholder:"NAME|FILE" yaml:"contract"`
	// OpenAPI is a file that describes the service: its operations take the place
	// of the contract's, so that any contract's errors fit any service.
	OpenAPI string `env:"FAILWELL_OPENAPI" help:"OpenAPI file of the service; its operations replace the contract's." name:"openapi" placeholder:"FILE" yaml:"openapi"`
	// Upstreams are Required: base URLs with scheme http, https or h2c (HTTP/2
	// without TLS). Requests go to the one with the fewest under way.
	Upstreams []string `env:"FAILWELL_UPSTREAM" help:"URL of the service behind the gateway; repeat it for several." name:"upstream" placeholder:"URL" yaml:"upstream"`
	// UpstreamCA is a PEM file with the authorities that upstreams' certificates
	// are checked against. Default: the system's.
	UpstreamCA string `env:"FAILWELL_UPSTREAM_CA" help:"File with the authorities for upstreams' certificates (the system's)." name:"upstream-ca" placeholder:"FILE" yaml:"upstream_ca"`
	// Listen is where callers connect. Default 127.0.0.1:8080.
	Listen string `env:"FAILWELL_LISTEN" help:"Address to serve on (127.0.0.1:8080)." name:"listen" placeholder:"HOST:PORT" yaml:"listen"`
	// Admin is where operators connect. Default 127.0.0.1:8081; "off" for none.
	Admin string `env:"FAILWELL_ADMIN" help:"Address of the admin listener, or off (127.0.0.1:8081)." name:"admin" placeholder:"HOST:PORT" yaml:"admin"`
	// AdminScope is "loopback" (default) or "any", without which an admin
	// address that others can reach is refused.
	AdminScope string `env:"FAILWELL_ADMIN_SCOPE" help:"Who may reach the admin listener: loopback, or any." name:"admin-scope" placeholder:"SCOPE" yaml:"admin_scope"`
	// AdminTLSCert and AdminTLSKey are PEM files for the admin listener; both or
	// none. They are read again on reload. Names of the certificate are names under
	// which the listener answers.
	AdminTLSCert string `env:"FAILWELL_ADMIN_TLS_CERT" help:"File with the TLS certificate chain of the admin listener." name:"admin-tls-cert" placeholder:"FILE" yaml:"admin_tls_cert"`
	// AdminTLSKey belongs to AdminTLSCert.
	AdminTLSKey string `env:"FAILWELL_ADMIN_TLS_KEY" help:"File with the TLS private key of the admin listener." name:"admin-tls-key" placeholder:"FILE" yaml:"admin_tls_key"`
	// Store is where keys, accounts, limits and idempotency records are kept.
	// Gateways with the same one share all of it. Whoever opens stores gives its
	// default.
	Store string `env:"FAILWELL_STORE" help:"Where keys, counts and kept answers are: memory:, pebble:DIR, redis://HOST or postgres://HOST/DATABASE." name:"store" placeholder:"URL" yaml:"store"`
	// Limits is "exact" (default) or "leased": whether each decision asks a store
	// that gateways share, or each gateway takes a twentieth of a rate ahead and
	// gives it out by itself. Then at most a limit and a lease for each gateway are
	// admitted in a window.
	Limits string `env:"FAILWELL_LIMITS" help:"Rates kept by all gateways together: exact, or leased, with fewer questions to the store (exact)." name:"limits" placeholder:"HOW" yaml:"limits"`
	// StoreTimeout is how long a decision waits for the store before each limit does
	// what it declares for a store that is away. Default 20 ms over a network; 250
	// ms for a store in this process, which is slow only when the whole machine is.
	StoreTimeout time.Duration `env:"FAILWELL_STORE_TIMEOUT" help:"How long a decision waits for the store (20ms over a network, 250ms in the process)." name:"store-timeout" placeholder:"DURATION" yaml:"store_timeout"`
	// StaleKeys is how long keys and accounts that were read before are served
	// while the store is away; a negative value means not at all. Default 30 s.
	StaleKeys time.Duration `env:"FAILWELL_STALE_KEYS" help:"How long known keys are served while the store is away, -1s for not at all (30s)." name:"stale-keys" placeholder:"DURATION" yaml:"stale_keys"`
	// MaxInFlight bounds the bytes of all request bodies under way together; what
	// would exceed it is overloaded. Default none: bodies pass in pieces, and
	// those that are checked against a schema are bounded by themselves.
	MaxInFlight Bytes `env:"FAILWELL_MAX_IN_FLIGHT" help:"Most bytes of request bodies under way together (no bound)." name:"max-in-flight" placeholder:"BYTES" yaml:"max_in_flight"`
	// AdaptiveLimit is "off" (default) or "on": whether the calls under way are
	// bounded by a number that follows how long the upstream takes.
	AdaptiveLimit string `env:"FAILWELL_ADAPTIVE_LIMIT" help:"Whether to refuse calls when the upstream slows down: on or off (off)." name:"adaptive-limit" placeholder:"HOW" yaml:"adaptive_limit"`
	// TLSCert and TLSKey are PEM files; both or none. They are read again on reload.
	TLSCert string `env:"FAILWELL_TLS_CERT" help:"File with the TLS certificate chain." name:"tls-cert" placeholder:"FILE" yaml:"tls_cert"`
	// TLSKey belongs to TLSCert.
	TLSKey string `env:"FAILWELL_TLS_KEY" help:"File with the TLS private key." name:"tls-key" placeholder:"FILE" yaml:"tls_key"`
	// Timeout is how long an upstream may take to begin its answer, where the
	// contract's operation says nothing. Default 60 s.
	Timeout time.Duration `env:"FAILWELL_TIMEOUT" help:"How long an upstream may take to begin its answer (60s)." name:"timeout" placeholder:"DURATION" yaml:"timeout"`
	// DrainTimeout is how long requests may take to finish at shutdown. Default 30 s.
	DrainTimeout time.Duration `env:"FAILWELL_DRAIN_TIMEOUT" help:"How long requests may take to finish at shutdown (30s)." name:"drain-timeout" placeholder:"DURATION" yaml:"drain_timeout"`
	// IdleTimeout ends connections without a request. Default 2 min.
	IdleTimeout time.Duration `env:"FAILWELL_IDLE_TIMEOUT" help:"How long a connection may be without a request (2m)." name:"idle-timeout" placeholder:"DURATION" yaml:"idle_timeout"`
	// HeaderTimeout bounds the arrival of a request's head. Default 10 s.
	HeaderTimeout time.Duration `env:"FAILWELL_HEADER_TIMEOUT" help:"How long the head of a request may take to arrive (10s)." name:"header-timeout" placeholder:"DURATION" yaml:"header_timeout"`
	// MaxBody bounds request bodies where the operation says nothing. Default 10 MiB.
	MaxBody Bytes `env:"FAILWELL_MAX_BODY" help:"Largest request body (10MiB)." name:"max-body" placeholder:"BYTES" yaml:"max_body"`
	// MaxHeader bounds the head of a request. Default 64 KiB.
	MaxHeader Bytes `env:"FAILWELL_MAX_HEADER" help:"Largest request head (64KiB)." name:"max-header" placeholder:"BYTES" yaml:"max_header"`
	// MaxConnections bounds callers' connections; more wait until one ends, in the
	// system's queue. One whose head is on its way takes up to three times
	// MaxHeader: all of them at most 3.7 GiB with both defaults. Default 20000.
	MaxConnections int `env:"FAILWELL_MAX_CONNECTIONS" help:"Most open connections of callers; more have to wait (20000)." name:"max-connections" placeholder:"N" yaml:"max_connections"`
	// TrustedProxies are addresses or CIDR ranges whose X-Forwarded-* and
	// Forwarded headers are believed. Default none: they are dropped.
	TrustedProxies []string `env:"FAILWELL_TRUSTED_PROXIES" help:"Addresses or ranges whose forwarding headers are believed." name:"trusted-proxies" placeholder:"CIDR" yaml:"trusted_proxies"`
	// Foreign is "pass" (default) or "translate": what becomes of upstreams' errors
	// in a shape that is not the contract's. An operation that asks for
	// translation gets it either way.
	Foreign string `env:"FAILWELL_FOREIGN" help:"Upstreams' errors in another shape: pass or translate (pass)." name:"foreign" placeholder:"HOW" yaml:"foreign"`
	// Credentials is "strip" (default) or "pass": whether the upstream sees the
	// key that the gateway has checked. At public operations, where none is
	// checked, "strip" removes what begins as the contract's keys do and passes
	// other credentials, which may be the upstream's own.
	Credentials string `env:"FAILWELL_CREDENTIALS" help:"Whether upstreams see the caller's key: strip or pass (strip)." name:"credentials" placeholder:"HOW" yaml:"credentials"`
	// Identity is "on" (default) or "off": whether the upstream is told account,
	// key id and plan in X-Failwell-* headers.
	Identity string `env:"FAILWELL_IDENTITY" help:"Whether upstreams are told who calls: on or off (on)." name:"identity" placeholder:"HOW" yaml:"identity"`
	// ErrorPages is where the error reference is served below /errors/: "admin"
	// (default) at the admin listener, "public" there and where callers connect, or
	// "off". Public takes that path from the service behind the gateway.
	ErrorPages string `env:"FAILWELL_ERROR_PAGES" help:"Where /errors/ explains the contract's errors: admin, public or off (admin)." name:"error-pages" placeholder:"WHERE" yaml:"error_pages"`
	// LogLevel is "debug", "info" (default), "warn" or "error".
	LogLevel string `env:"FAILWELL_LOG_LEVEL" help:"Least level that is logged: debug, info, warn, error (info)." name:"log-level" placeholder:"LEVEL" yaml:"log_level"`
	// AccessLog is "errors" (default: requests that end with 5xx, and broken
	// ones), "all" or "off".
	AccessLog string `env:"FAILWELL_ACCESS_LOG" help:"Which requests are logged: errors, all or off (errors)." name:"access-log" placeholder:"WHICH" yaml:"access_log"`
	// Records says of which requests a record is kept in the store, so that it can
	// be looked up by its id: "on" (default), a share such as "10%" of those that go
	// well, "errors", or "off". A process keeps at most 2,000 a second of those that
	// go well and 5,000 of those that fail.
	Records string `env:"FAILWELL_RECORDS" help:"Which requests can be looked up later: on, a share such as 10%, errors, or off (on)." name:"records" placeholder:"WHICH" yaml:"records"`
	// RecordsKeep is how long a record is kept. Default 7 days.
	RecordsKeep time.Duration `env:"FAILWELL_RECORDS_KEEP" help:"How long records are kept (168h)." name:"records-keep" placeholder:"DURATION" yaml:"records_keep"`
	// RecordsMax bounds what all records in the store take; the oldest go first.
	// Default 1 GiB, and 64 MiB where the store is the process's memory.
	RecordsMax Bytes `env:"FAILWELL_RECORDS_MAX" help:"Most bytes of records in the store (1GiB; 64MiB in memory)." name:"records-max" placeholder:"BYTES" yaml:"records_max"`
	// OTLPEndpoint is where spans go: the base URL of a collector of OpenTelemetry
	// that takes OTLP over HTTP in JSON. Default none. Requests whose traceparent
	// says that they are not sampled are left out.
	OTLPEndpoint string `env:"FAILWELL_OTLP_ENDPOINT" help:"Collector that spans are sent to (OTLP over HTTP), such as http://127.0.0.1:4318 (none)." name:"otlp-endpoint" placeholder:"URL" yaml:"otlp_endpoint"`
	// OTLPHeaders go with them, each as NAME=VALUE; what is secret belongs into the
	// variable or the file, not into a flag.
	OTLPHeaders []string `env:"FAILWELL_OTLP_HEADERS" help:"Headers for the collector." name:"otlp-headers" placeholder:"NAME=VALUE" yaml:"otlp_headers"`
}

// withDefaults fills in what zero fields stand for.
func (s Settings) withDefaults() Settings {
	s.Listen = cmp.Or(s.Listen, "127.0.0.1:8080")
	s.Admin = cmp.Or(s.Admin, "127.0.0.1:8081")
	s.AdminScope = cmp.Or(s.AdminScope, "loopback")
	s.Timeout = cmp.Or(s.Timeout, time.Minute)
	s.DrainTimeout = cmp.Or(s.DrainTimeout, 30*time.Second)
	s.IdleTimeout = cmp.Or(s.IdleTimeout, 2*time.Minute)
	s.HeaderTimeout = cmp.Or(s.HeaderTimeout, 10*time.Second)
	s.MaxBody = cmp.Or(s.MaxBody, 10<<20)
	s.MaxHeader = cmp.Or(s.MaxHeader, 64<<10)
	s.MaxConnections = cmp.Or(s.MaxConnections, 20_000)
	s.Limits = cmp.Or(s.Limits, limitsExact)
	s.StaleKeys = cmp.Or(s.StaleKeys, 30*time.Second)
	s.AdaptiveLimit = cmp.Or(s.AdaptiveLimit, adaptiveOff)
	s.Credentials = cmp.Or(s.Credentials, "strip")
	s.Foreign = cmp.Or(s.Foreign, "pass")
	s.Identity = cmp.Or(s.Identity, "on")
	s.ErrorPages = cmp.Or(s.ErrorPages, pagesAdmin)
	s.LogLevel = cmp.Or(s.LogLevel, "info")
	s.AccessLog = cmp.Or(s.AccessLog, "errors")
	s.Records = cmp.Or(s.Records, recordsOn)
	return s
}

// Level is LogLevel as package slog has it.
func (s Settings) Level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cmp.Or(s.LogLevel, "info"))); err != nil {
		return slog.LevelInfo
	}
	return level
}

// Check returns all that is wrong with the settings, joined.
func (s Settings) Check() error {
	s = s.withDefaults()
	var faults []error
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.Contract == "" {
		wrong("contract is missing, name a built-in one or a file")
	}
	if len(s.Upstreams) == 0 {
		wrong("upstream is missing, give the URL of the service behind the gateway")
	}
	for _, u := range s.Upstreams {
		if _, err := parseUpstream(u); err != nil {
			faults = append(faults, err)
		}
	}
	if _, err := parsePrefixes(s.TrustedProxies); err != nil {
		faults = append(faults, err)
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		wrong("tls_cert and tls_key belong together, give both or none")
	}
	if (s.AdminTLSCert == "") != (s.AdminTLSKey == "") {
		wrong("admin_tls_cert and admin_tls_key belong together, give both or none")
	}
	oneOf := func(name, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			wrong("%s cannot be %q, choose one of %s", name, value, strings.Join(allowed, ", "))
		}
	}
	oneOf("limits", s.Limits, limitsExact, limitsLeased)
	oneOf("adaptive_limit", s.AdaptiveLimit, adaptiveOff, adaptiveOn)
	oneOf("admin_scope", s.AdminScope, "loopback", "any")
	oneOf("credentials", s.Credentials, "strip", "pass")
	oneOf("foreign", s.Foreign, "pass", "translate")
	oneOf("identity", s.Identity, "on", "off")
	oneOf("error_pages", s.ErrorPages, pagesAdmin, pagesPublic, pagesOff)
	oneOf("log_level", s.LogLevel, "debug", "info", "warn", "error")
	oneOf("access_log", s.AccessLog, "errors", "all", "off")
	for _, x := range []struct {
		name string
		span time.Duration
	}{
		{"timeout", s.Timeout}, {"store_timeout", s.StoreTimeout}, {"drain_timeout", s.DrainTimeout}, {"idle_timeout", s.IdleTimeout},
		{"header_timeout", s.HeaderTimeout}, {"records_keep", s.RecordsKeep},
	} {
		if x.span < 0 {
			wrong("%s cannot be negative", x.name)
		}
	}
	if _, _, err := sample(s.Records); err != nil {
		faults = append(faults, err)
	}
	if _, err := newSpans(s, nil); err != nil {
		faults = append(faults, err)
	}
	if s.MaxHeader < 8<<10 {
		wrong("max_header cannot be below 8KiB, requests of browsers would not fit")
	}
	if s.MaxConnections < 0 {
		wrong("max_connections cannot be negative")
	}
	if err := s.checkAdmin(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

const (
	adaptiveOff  = "off"
	adaptiveOn   = "on"
	limitsExact  = "exact"
	limitsLeased = "leased"
)

// overload is what the process takes on at a time; nil for whatever comes.
func (s Settings) overload() *admission.Overload {
	o := &admission.Overload{MaxBytes: int64(s.MaxInFlight), Unannounced: int64(s.MaxBody)}
	if s.AdaptiveLimit == adaptiveOn {
		o.Adaptive = &admission.Adaptive{}
	}
	if o.MaxBytes == 0 && o.Adaptive == nil {
		return nil
	}
	return o
}

// checkAdmin keeps the admin listener where only this machine reaches it,
// unless the operator says otherwise.
func (s Settings) checkAdmin() error {
	if s.Admin == adminOff || s.AdminScope == "any" {
		return nil
	}
	host, _, err := net.SplitHostPort(s.Admin)
	if err != nil {
		return fmt.Errorf("admin %q is no address, write HOST:PORT or off", s.Admin)
	}
	if !isLoopback(host) {
		return fmt.Errorf("admin %q can be reached from other machines, use 127.0.0.1 or set admin_scope to any", s.Admin)
	}
	return nil
}

const adminOff = "off"

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func parseUpstream(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("upstream %q is no URL, write for example http://127.0.0.1:3000", s)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c":
		return nil, fmt.Errorf("upstream %q has no scheme that can be used, write http://, https:// or h2c://", u.Redacted())
	case u.Host == "":
		return nil, fmt.Errorf("upstream %q names no host", u.Redacted())
	case u.User != nil:
		return nil, fmt.Errorf("upstream %q holds a password, which would end up in logs; let the upstream trust the gateway's address", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("upstream %q has a query or a fragment, give a base URL", u.Redacted())
	}
	return u, nil
}

func parsePrefixes(list []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, s := range list {
		if addr, err := netip.ParseAddr(s); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q is neither an address nor a range, write for example 10.0.0.0/8", s)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// Bytes is a size. Its text is a number, or one with a unit: KiB, MiB, GiB
// (powers of 1024) or kB, MB, GB (powers of 1000).
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s, unit := strings.TrimSpace(string(text)), int64(1)
	for _, u := range byteUnits {
		if cut, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = strings.TrimSpace(cut), u.size
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is no size, write for example 10MiB", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) {
	for _, u := range []int{2, 1, 0} {
		if size := byteUnits[u].size; b != 0 && int64(b)%size == 0 {
			return fmt.Appendf(nil, "%d%s", int64(b)/size, byteUnits[u].name), nil
		}
	}
	return strconv.AppendInt(nil, int64(b), 10), nil
}
