package failwell

import (
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/hint"
)

// paceRules is where a contract's responses tell how a limit stands.
type paceRules struct {
	limit, remaining, reset string // header names in canonical form, "" for none
	unit                    hint.Unit
	ietf                    bool
	// headers and queries hold the credentials by which callers are told apart.
	headers, queries []string
	// rates by their limit, see Contract.ToldRates.
	rates map[int64]*contract.Rate
	seed  maphash.Seed
	// own says that some operation has a rate of its own, which its headers tell of.
	own bool
}

// pacing returns nil where responses tell nothing of limits.
func pacing(c *contract.Contract) *paceRules {
	h := &c.Headers.RateLimit
	if h.Remaining == "" && !h.IETF {
		return nil
	}
	p := &paceRules{
		limit: http.CanonicalHeaderKey(h.Limit), remaining: http.CanonicalHeaderKey(h.Remaining), reset: http.CanonicalHeaderKey(h.Reset),
		unit: h.ResetFormat.Unit(), ietf: h.IETF, rates: map[int64]*contract.Rate{}, seed: maphash.MakeSeed(),
	}
	p.headers = []string{"Authorization"}
	for i := range c.Auth.Schemes {
		s := &c.Auth.Schemes[i]
		if name := http.CanonicalHeaderKey(s.Name); s.In == "query" {
			p.queries = append(p.queries, s.Name)
		} else if !slices.Contains(p.headers, name) {
			p.headers = append(p.headers, name)
		}
	}
	for _, r := range c.ToldRates() {
		p.rates[r.Limit] = r
	}
	for _, o := range c.Operations {
		p.own = p.own || len(o.Rates) > 0
	}
	return p
}

// tells reports whether a response may tell how a limit stands.
func (p *paceRules) tells(header http.Header) bool {
	return p.remaining != "" && len(header[p.remaining]) > 0 || p.ietf && len(header["Ratelimit"]) > 0
}

// read takes a limit's standing out of a response.
func (p *paceRules) read(header http.Header, now time.Time) (s standing, ok bool) {
	if p.remaining != "" {
		if s.left, ok = count(first(header, p.remaining)); ok {
			s.limit, _ = count(first(header, p.limit))
			if s.every = p.everyOf(s.limit); s.every == 0 {
				s.fresh = p.readReset(header, now)
			}
		}
	}
	if !ok && p.ietf {
		s, ok = readFields(first(header, "Ratelimit"), first(header, "Ratelimit-Policy"), now)
	}
	if !ok {
		return s, false
	}
	s.every = p.everyOf(s.limit)
	if rate := p.rates[int64(s.limit)]; rate != nil {
		if s.every == 0 {
			s.window = rate.Per
		} else if rate.Burst > 0 {
			s.limit = min(s.limit, float64(rate.Burst))
		}
	}
	// Without a way to come back a limit of nothing would be one for good.
	return s, s.every > 0 || !s.fresh.IsZero()
}

// everyOf is how long one unit of the limit takes to be free again, where the
// contract says that they come back one by one.
func (p *paceRules) everyOf(limit float64) time.Duration {
	rate := p.rates[int64(limit)]
	if rate == nil || rate.Algorithm == contract.FixedWindow || rate.Limit <= 0 {
		return 0
	}
	return rate.Per / time.Duration(rate.Limit)
}

func (p *paceRules) readReset(header http.Header, now time.Time) time.Time {
	value := first(header, p.reset)
	if value == "" {
		return time.Time{}
	}
	wait, ok := hint.Parse(value, p.unit, contract.ServerTime(header, now))
	if !ok {
		return time.Time{}
	}
	return now.Add(wait)
}

func first(h http.Header, name string) string {
	if values := h[name]; name != "" && len(values) > 0 {
		return values[0]
	}
	return ""
}

// count reads a number of units. strconv would allocate an error where the
// header is absent, which is the rule.
func count(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 12 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return float64(n), true
}

// readFields reads the fields of draft-ietf-httpapi-ratelimit-headers-10: of the
// policies that count requests, the one with the least left. Others (bytes,
// calls at once, an API's own units) say nothing about the next call.
func readFields(fields, policies string, now time.Time) (best standing, ok bool) {
	for item := range items(fields, ',') {
		name, params := nameOf(item)
		s, wait, told := standing{}, time.Duration(0), false
		if s.left, ok = count(param(params, "r")); !ok {
			continue
		}
		if seconds, good := count(param(params, "t")); good {
			wait, told = time.Duration(seconds)*time.Second, true
		}
		policy := policyOf(policies, name)
		if unit := param(policy, "qu"); unit != "" && unit != `"requests"` {
			continue
		}
		s.limit, _ = count(param(policy, "q"))
		if seconds, good := count(param(policy, "w")); good {
			s.window = time.Duration(seconds) * time.Second
		}
		if told {
			s.fresh = now.Add(wait)
		}
		if told && (best.fresh.IsZero() || s.left < best.left || s.left == best.left && s.fresh.After(best.fresh)) {
			best = s
		}
	}
	return best, !best.fresh.IsZero()
}

func policyOf(policies, name string) string {
	for item := range items(policies, ',') {
		if own, params := nameOf(item); own == name {
			return params
		}
	}
	return ""
}

// nameOf is what stands before an item's parameters, which may hold a semicolon.
func nameOf(item string) (name, params string) {
	for part := range items(item, ';') {
		return strings.TrimSpace(part), item[len(part):]
	}
	return "", ""
}

// param is a parameter as it is written.
func param(params, name string) string {
	for p := range items(params, ';') {
		if own, value, _ := strings.Cut(p, "="); strings.TrimSpace(own) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// items splits a structured field (RFC 9651) outside of its strings.
func items(s string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case c == separator && !quoted:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		if start < len(s) {
			yield(s[start:])
		}
	}
}
