package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// few is how many operations stand for all, unless the check is thorough.
const few = 3

// Bounds of what is made to be refused.
const (
	// longHeader is more than most servers take in one header (Apache 8 KiB,
	// nginx 32 KiB in all), and less than a word of a command line may have.
	longHeader = 100_000
	// longestBody is the longest that is sent to see it refused.
	longestBody = 16 << 20
)

// planner collects probes.
type planner struct {
	*checker

	probes []*probe
	// tried counts the operations that a rule was tried on.
	tried map[string]int
}

// plan lists all probes but those whose number depends on the answers.
func (k *checker) plan() []*probe {
	p := &planner{checker: k, tried: map[string]int{}}
	p.reads()
	p.secrets()
	p.keys()
	p.routes()
	for _, o := range k.operations() {
		p.bodies(o)
		p.parameters(o)
		p.resources(o)
	}
	p.idempotencyKeys()
	p.wire()
	if k.config.Writes && !k.config.Safe {
		p.writes()
	}
	if k.config.Limits {
		p.limit()
	}
	if !k.config.Safe {
		p.useUp()
	}
	return p.probes
}

func (p *planner) add(x probe) {
	if p.config.Safe && x.effect != Reads && !safeMethod(x.request.method) {
		return
	}
	if x.request.key != "" && p.key(x.request.key) == "" {
		return
	}
	p.probes = append(p.probes, &x)
}

// refused adds a call that has to be refused, for few operations each.
func (p *planner) refused(rule string, o *contract.Operation, subject string, r request, field string, want ...condition.Condition) {
	if !p.config.Thorough && p.tried[rule+subject] >= few {
		return
	}
	p.tried[rule+subject]++
	effect := Refused
	if safeMethod(r.method) {
		effect = Reads
	}
	p.add(probe{kind: kindRefusal, subject: subject, operation: o, effect: effect, request: r, rule: rule, want: want, field: field})
}

// safeMethod: RFC 9110 section 9.2.1, and PROPFIND of RFC 4918 section 9.1.
func safeMethod(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == propfind
}

// readable is an operation that can be called without any harm; nil when the
// contract has none.
func (k *checker) readable() *contract.Operation {
	var best *contract.Operation
	score := 0
	for _, o := range k.operations() {
		if o.Method != http.MethodGet {
			continue
		}
		s := 1
		if _, known := k.call(o); known {
			s += 4
		}
		if !o.Public {
			s += 2
		}
		if len(o.Charges) == 0 {
			s++
		}
		if s > score {
			best, score = o, s
		}
	}
	return best
}

// reads are calls that should succeed.
func (p *planner) reads() {
	n := 0
	for _, o := range p.operations() {
		r, known := p.call(o)
		if o.Method != http.MethodGet || !known || n >= few && !p.config.Thorough {
			continue
		}
		n++
		p.add(probe{kind: kindPlain, operation: o, effect: Reads, request: r})
	}
	o := p.readable()
	if o == nil {
		return
	}
	r, _ := p.call(o)
	if !slices.ContainsFunc(p.probes, func(x *probe) bool { return x.operation == o }) {
		p.add(probe{kind: kindPlain, operation: o, effect: Reads, request: r})
	}
	own := r
	own.header = slices.Clone(r.header)
	own.set(p.contract.Headers.RequestID.Name, ownID)
	p.add(probe{kind: kindOwnID, subject: "an id of the caller's", operation: o, effect: Reads, request: own})
	head := r
	head.method = http.MethodHead
	p.add(probe{kind: kindHead, operation: o, effect: Reads, request: head})
}

// ownID is an id in both forms that contracts can ask for.
const ownID = "7f3c2b1a-0d4e-4f6a-9b8c-1a2b3c4d5e6f"

// canary is a secret that no answer may repeat.
const canary = "failwell-canary-5d8f0c2e"

// secrets puts one where it does not belong.
func (p *planner) secrets() {
	r := request{method: http.MethodGet, path: p.nowhere() + "?api_key=" + canary, key: p.ifKey(validKey)}
	p.add(probe{kind: kindEcho, subject: "a secret in the URL", effect: Reads, request: r, secret: canary, want: []condition.Condition{condition.RouteUnknown}})
	if o := p.keyed(); o != nil && len(p.contract.Auth.Schemes) > 0 {
		r, _ := p.call(o)
		r.key = ""
		scheme := p.scheme()
		if scheme.In == "query" {
			r.with(scheme.Name, canary)
		} else {
			r.set(scheme.Name, scheme.Prefix+canary)
		}
		p.add(probe{kind: kindEcho, subject: "a secret as the key", operation: o, effect: refusedOf(r.method), request: r, secret: canary})
	}
}

func (p *planner) ifKey(name string) string {
	if p.key(name) == "" {
		return ""
	}
	return name
}

func refusedOf(method string) Effect {
	if safeMethod(method) {
		return Reads
	}
	return Refused
}

// keyed is an operation that asks for a key; one that reads where there is one.
func (k *checker) keyed() *contract.Operation {
	if o := k.readable(); o != nil && !o.Public {
		return o
	}
	for _, o := range k.operations() {
		if !o.Public {
			return o
		}
	}
	return nil
}

// keys are calls with keys that do not work.
func (p *planner) keys() {
	o := p.keyed()
	if o == nil || len(p.contract.Auth.Schemes) == 0 {
		return
	}
	as := func(key, rule, subject string, want ...condition.Condition) {
		r, _ := p.call(o)
		r.key = key
		p.refused(rule, o, subject, r, "", want...)
	}
	as("", ruleKeyMissing, "no key", condition.KeyMissing)
	as(malformedKey, ruleKeyMalformed, "a key that can be none", condition.KeyMalformed, condition.KeyUnknown)
	as(unknownKey, ruleKeyUnknown, "a key that nobody issued", condition.KeyUnknown)
	for _, s := range states {
		as(s.name, ruleKeyState, s.is, s.want)
	}
	if p.altered() != "" {
		r, _ := p.call(o)
		r.key = alteredKey
		p.add(probe{
			kind: kindAltered, subject: "such a key with one character changed", operation: o, effect: refusedOf(r.method), request: r,
			rule: ruleKeyDisclosure, want: []condition.Condition{condition.KeyUnknown, condition.KeyMalformed},
		})
	}
	var reads []string
	for _, o := range p.contract.Operations {
		if o.Method == http.MethodGet {
			reads = append(reads, o.Permission)
		}
	}
	for _, w := range p.operations() {
		r, known := p.call(w)
		if slices.Contains(reads, w.Permission) || w.Permission == "" || safeMethod(w.Method) || w.Method == http.MethodDelete || !known {
			continue
		}
		r.key = "read_only"
		p.refused(rulePermission, w, "a key that may only read", r, "", condition.PermissionDenied)
	}
}

const propfind = "PROPFIND"

// routes are paths and methods that the contract does not have.
func (p *planner) routes() {
	p.refused(ruleRoute, nil, "", request{method: http.MethodGet, path: p.nowhere(), key: p.ifKey(validKey)}, "", condition.RouteUnknown)
	seen := map[string]bool{}
	for _, o := range p.operations() {
		if strings.Contains(o.Path, "{") || seen[o.Path] {
			continue
		}
		seen[o.Path] = true
		method := propfind
		if !slices.ContainsFunc(p.contract.Operations, func(x *contract.Operation) bool { return x.Path == o.Path && x.Method == http.MethodGet }) {
			method = http.MethodGet
		}
		r := request{method: method, path: o.Path, key: p.ifKey(validKey)}
		p.refused(ruleMethod, o, "a method that it does not have", r, "", condition.MethodNotAllowed)
	}
}

// nowhere is a path that no operation has, below what all have in common.
func (p *planner) nowhere() string {
	prefix := ""
	if all := p.contract.Operations; len(all) > 0 {
		prefix = all[0].Path[:strings.LastIndexByte(all[0].Path, '/')]
		for _, o := range all {
			for prefix != "" && !strings.HasPrefix(o.Path, prefix+"/") {
				prefix = prefix[:max(strings.LastIndexByte(prefix, '/'), 0)]
			}
		}
	}
	return prefix + "/" + unheard
}

// wire are requests that never reach a handler.
func (p *planner) wire() {
	host := p.origin.Host
	for _, x := range []struct{ subject, raw string }{
		{"a request line that is none", "NONSENSE\r\n\r\n"},
		{"a header without a name", "GET / HTTP/1.1\r\nHost: " + host + "\r\nnonsense\r\nConnection: close\r\n\r\n"},
		{"a version of HTTP that there is not", "GET / HTTP/9.9\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"},
	} {
		p.add(probe{kind: kindWire, subject: x.subject, effect: Reads, request: request{raw: x.raw}})
	}
	path := "/"
	if o := p.readable(); o != nil {
		r, _ := p.call(o)
		path = r.path
	}
	p.add(probe{kind: kindWire, subject: "a header of 100 kB", effect: Reads, request: request{method: http.MethodGet, path: path, padding: longHeader}})
}
