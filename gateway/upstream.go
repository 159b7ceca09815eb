package gateway

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// upstream is one server behind the gateway, and what its answers have told
// about its health. It outlives reloads that keep its URL.
type upstream struct {
	url       *url.URL
	name      string // scheme, host and path, for logs and status
	base      string // path that goes before each request's, without a last slash
	basePlain string // the same, unescaped
	transport http.RoundTripper

	// active counts requests under way; it chooses among upstreams.
	active atomic.Int64
	// ejected is the instant, in Unix nanoseconds, until which no request is
	// sent; 0 while healthy. Once it has passed one request may try.
	ejected atomic.Int64
	trial   atomic.Bool
	// troubled says that there are failures to forget at the next success.
	troubled atomic.Bool

	mu sync.Mutex
	// failures in a row; rounds counts ejections in a row.
	failures, rounds int
	lastError        string
}

func newUpstream(u *url.URL, transport http.RoundTripper) *upstream {
	dial := *u
	if dial.Scheme == "h2c" {
		dial.Scheme = "http"
	}
	return &upstream{
		url: &dial, name: u.String(), transport: transport,
		base: strings.TrimSuffix(u.EscapedPath(), "/"), basePlain: strings.TrimSuffix(u.Path, "/"),
	}
}

// point turns a request to the upstream: same path below the upstream's own.
// from is the URL as the caller sent it.
func (u *upstream) point(out *http.Request, from *url.URL) {
	out.URL.Scheme, out.URL.Host = u.url.Scheme, u.url.Host
	out.URL.Path, out.URL.RawPath = from.Path, from.RawPath
	if u.base != "" {
		out.URL.Path = u.basePlain + from.Path
		out.URL.RawPath = u.base + from.EscapedPath()
	}
	out.Host = ""
}

const (
	// failuresToEject is how many failures in a row take an upstream out: one
	// may be chance, three in a row hardly are.
	failuresToEject = 3
	firstEjection   = time.Second
	longestEjection = time.Minute
)

// pool chooses among upstreams.
type pool struct {
	members []*upstream
	turn    atomic.Uint32
	now     func() time.Time
}

// pick returns the upstream with the fewest requests under way among the
// healthy, avoiding those in tried; ties go round. When all are ejected it
// returns the one whose ejection ends first, because an answer that may fail is
// better than one that surely does. Nil: all have been tried.
func (p *pool) pick(tried []*upstream) *upstream {
	if len(p.members) == 1 {
		if len(tried) > 0 {
			return nil
		}
		return p.members[0]
	}
	var best, leastBad *upstream
	var now, soonest int64
	first := int(p.turn.Add(1) % uint32(len(p.members)))
	for i := range p.members {
		u := p.members[(first+i)%len(p.members)]
		if slices.Contains(tried, u) {
			continue
		}
		if until := u.ejected.Load(); until != 0 {
			if now == 0 {
				now = p.now().UnixNano()
			}
			if now >= until && u.trial.CompareAndSwap(false, true) {
				return u // the half-open trial: one request finds out
			}
			if leastBad == nil || until < soonest {
				leastBad, soonest = u, until
			}
			continue
		}
		if best == nil || u.active.Load() < best.active.Load() {
			best = u
		}
	}
	if best == nil {
		return leastBad
	}
	return best
}

// succeeded notes that the upstream answered. It is cheap while all is well.
func (u *upstream) succeeded() {
	if !u.troubled.Load() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failures, u.rounds, u.lastError = 0, 0, ""
	u.ejected.Store(0)
	u.trial.Store(false)
	u.troubled.Store(false)
}

// abandoned notes a request that told nothing about the upstream, for example
// because its caller went away: another may be the trial.
func (u *upstream) abandoned() {
	if u.troubled.Load() {
		u.trial.Store(false)
	}
}

// failed notes that the upstream could not be reached, or broke off before it
// answered. It reports whether that took the upstream out.
func (u *upstream) failed(now time.Time, cause error) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failures++
	u.troubled.Store(true)
	u.lastError = cause.Error()
	wasTrial := u.trial.Swap(false)
	if u.failures < failuresToEject && !wasTrial {
		return false
	}
	if !wasTrial && u.ejected.Load() > now.UnixNano() {
		return false // it was the least bad of many that are out
	}
	wait := min(firstEjection<<min(u.rounds, 10), longestEjection)
	u.rounds++
	// Spread by a fifth, so that gateways do not come back together.
	wait += time.Duration(rand.Int64N(int64(wait)/5 + 1)) //nolint:gosec // spreading needs no secrecy
	u.ejected.Store(now.Add(wait).UnixNano())
	return true
}

// UpstreamStatus is one upstream as the admin API shows it.
type UpstreamStatus struct {
	URL      string `json:"url"`
	Active   int64  `json:"active"`
	Healthy  bool   `json:"healthy"`
	Failures int    `json:"failures"`
	// EjectedUntil is zero while requests may be sent.
	EjectedUntil time.Time `json:"ejected_until,omitzero"`
	LastError    string    `json:"last_error,omitempty"`
}

func (u *upstream) status(now time.Time) UpstreamStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := UpstreamStatus{URL: u.name, Active: u.active.Load(), Failures: u.failures, LastError: u.lastError, Healthy: true}
	if until := u.ejected.Load(); until > now.UnixNano() {
		s.Healthy, s.EjectedUntil = false, time.Unix(0, until).UTC()
	}
	return s
}

// anyHealthy reports whether at least one upstream would be asked: it is not
// ejected, or its time is over and the next request finds out.
func (p *pool) anyHealthy() bool {
	now := p.now().UnixNano()
	for _, u := range p.members {
		if u.ejected.Load() <= now {
			return true
		}
	}
	return false
}
