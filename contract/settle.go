package contract

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/failwell/failwell/contract/condition"
)

// settle fills in what the contract leaves to its defaults and ties names to
// the things they name. Names that lead nowhere become faults.
func (p *parser) settle(c *Contract) {
	p.settleHeaders(c)
	p.settleCodes(c)
	p.settlePages(c)
	p.settleStatuses(c)
	p.settlePlans(c)
	p.settleBalances(c)
	p.settleIdempotency(&c.Idempotency)
	p.settleOperations(c)
	p.checkOccurrence(c)
	p.settleClient(c)
	if c.repeatsItself() {
		c.lately = new(atomic.Pointer[glanced])
	}
	for i := range c.Scenarios {
		c.Scenarios[i].Times = max(c.Scenarios[i].Times, 1)
	}
}

func (p *parser) settleHeaders(c *Contract) {
	h := &c.Headers
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&h.RequestID.Name, "X-Request-ID")
	def(&h.RequestID.Format, "token")
	def(&h.ProcessTime.Unit, "ms")
	def(&h.RetryAfter.Name, "Retry-After")
	if h.RetryAfter.Format == "" {
		h.RetryAfter.Format = DeltaSeconds
	}
	if !h.RetryAfter.On.All && h.RetryAfter.On.Statuses == nil {
		h.RetryAfter.On.All = true
	}
	if h.RateLimit.ResetFormat == "" {
		h.RateLimit.ResetFormat = EpochSeconds
	}
	if c.Timestamp == "" {
		c.Timestamp = RFC3339
	}
	for i := range c.Auth.Schemes {
		if s := &c.Auth.Schemes[i]; s.Prefix != "" {
			s.Prefix += " "
		}
	}
	if k := &c.Auth.Key; len(k.Environments) == 0 {
		k.Environments = []Environment{{Name: "live", Prefix: c.API + "_"}}
	}
	def(&c.Auth.Key.Alphabet, "base62")
	if k := &c.Auth.Key; k.Length == 0 {
		k.Length = map[string]int{"base62": 36, "hex": 64}[k.Alphabet]
	}
	if k := &c.Auth.Key; k.Alphabet == "hex" && k.Length < 53 {
		p.fault(Position{File: p.file, Line: 1}, "45 hex digits hold 180 bits, 8 more the checksum", "auth.key.length %d is too short for hex", k.Length)
	}
}

func (p *parser) settleCodes(c *Contract) {
	c.byName = map[string]*Code{}
	c.byWire = map[string][]*Code{}
	for _, e := range c.Envelopes {
		e.walk(func(n *node) { e.slots |= 1 << n.slot })
		if e.MediaType == "" {
			e.MediaType = "application/json"
			if e.body == nil {
				e.MediaType = "text/plain; charset=utf-8"
			}
		}
		if (e.body == nil) == (e.text == nil) {
			p.fault(e.Pos, "give it a body or a text", "envelope %q needs exactly one of body and text", e.Name)
		}
	}
	for _, code := range c.Codes {
		c.byName[code.Name] = code
		c.byWire[code.Wire] = append(c.byWire[code.Wire], code)
		if code.Status == 0 {
			code.Status = p.usualStatus(code)
		}
		if code.Retry == "" {
			code.Retry = condition.Never
			if len(code.Is) > 0 {
				if e, ok := condition.Lookup(code.Is[0].Condition); ok {
					code.Retry = e.Retry
				}
			}
		}
		code.Envelope = p.envelopeOf(c, code)
	}
}

// usualStatus decides the status of a code that gives none; its conditions
// must agree.
func (p *parser) usualStatus(code *Code) int {
	status := 0
	for _, m := range code.Is {
		e, _ := condition.Lookup(m.Condition)
		s := e.Status
		if m.Status != 0 {
			s = m.Status
		}
		if status != 0 && s != status {
			p.fault(code.Pos, "add \"status:\"", "the status of %q cannot be decided: its conditions suggest %d and %d", code.Name, status, s)
			return 0
		}
		status = s
	}
	if status == 0 {
		p.fault(code.Pos, "add \"status:\" or \"is:\"", "the status of %q cannot be decided", code.Name)
	}
	return status
}

func (p *parser) envelopeOf(c *Contract, code *Code) *Envelope {
	if code.envelopeName != "" {
		for _, e := range c.Envelopes {
			if e.Name == code.envelopeName {
				return e
			}
		}
		p.fault(code.Pos, didYouMean(code.envelopeName, names(c.Envelopes, func(e *Envelope) string { return e.Name })), "%q names the envelope %q, which does not exist", code.Name, code.envelopeName)
		return nil
	}
	for _, e := range c.Envelopes {
		if e.When.fits(code) {
			return e
		}
	}
	p.fault(code.Pos, "add an envelope without \"when:\" at the end", "no envelope carries %q", code.Name)
	return nil
}

func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = name(x)
	}
	return out
}

func (c *Contract) codeNames() []string {
	return names(c.Codes, func(x *Code) string { return x.Name })
}

func (p *parser) settleStatuses(c *Contract) {
	c.byStatus = map[int]*StatusRow{}
	for i := range c.Statuses {
		row := &c.Statuses[i]
		c.byStatus[row.Status] = row
		if row.codeName == "" {
			continue
		}
		row.Code = c.byName[row.codeName]
		if row.Code == nil {
			p.fault(row.Pos, didYouMean(row.codeName, c.codeNames()), "status %d names the code %q, which does not exist", row.Status, row.codeName)
		} else if !row.Code.Allows(row.Status) {
			p.fault(row.Pos, "let the code have that status with \"also:\"", "status %d names the code %q, which is sent under %d", row.Status, row.codeName, row.Code.Status)
		}
	}
}

func (p *parser) settleRates(c *Contract, rates []Rate, scope string) {
	for i := range rates {
		r := &rates[i]
		if r.Algorithm == "" {
			r.Algorithm = c.Limits.Algorithm
		}
		if r.Scope == "" {
			r.Scope = scope
		}
		if r.Burst == 0 {
			r.Burst = r.Limit
		}
		r.Away = cmp.Or(r.Away, c.Limits.Away)
	}
}

func (p *parser) settlePlans(c *Contract) {
	settleLimits(&c.Limits)
	features := names(c.Features, func(f *Feature) string { return f.Name })
	for _, f := range c.Features {
		if f.Title == "" {
			f.Title = strings.ReplaceAll(f.Name, "_", " ")
		}
	}
	if len(c.Plans) == 0 {
		c.Plans = []*Plan{{Name: "default", Title: "Default", Features: features}}
	}
	c.DefaultPlan = c.Plans[0]
	for _, x := range c.Plans {
		if x.Title == "" {
			x.Title = x.Name
		}
		p.settleRates(c, x.Rates, c.Limits.Scope)
		settleQuotas(c, x.Quotas)
		for _, f := range x.Features {
			if !slices.Contains(features, f) {
				p.fault(x.Pos, didYouMean(f, features), "plan %q includes the feature %q, which is not declared", x.Name, f)
			}
		}
	}
}

func (p *parser) settleOperations(c *Contract) {
	features := names(c.Features, func(f *Feature) string { return f.Name })
	v := &c.Validation
	if v.Body == "" {
		v.Body = condition.ValidationFailed
	}
	if v.Parameter == "" {
		v.Parameter = condition.ParameterInvalid
	}
	seen := map[string]*Operation{}
	for _, o := range c.Operations {
		if o.Feature != "" && !slices.Contains(features, o.Feature) {
			p.fault(o.Pos, didYouMean(o.Feature, features), "operation %s %s asks for the feature %q, which is not declared", o.Method, o.Path, o.Feature)
		} else if o.Feature != "" && !slices.ContainsFunc(c.Plans, func(x *Plan) bool { return x.Includes(o.Feature) }) {
			p.fault(o.Pos, "add it to a plan's features", "no plan includes the feature %q of operation %s %s", o.Feature, o.Method, o.Path)
		}
		if o.Permission != "" && !slices.Contains(c.Permissions, o.Permission) {
			p.fault(o.Pos, didYouMean(o.Permission, c.Permissions), "operation %s %s asks for the permission %q, which is not declared", o.Method, o.Path, o.Permission)
		}
		if first, dup := seen[o.ID]; dup {
			p.fault(o.Pos, "give one of them another id", "%s %s has the operation id %q, which %s %s has already, at line %d",
				o.Method, o.Path, o.ID, first.Method, first.Path, first.Pos.Line)
		} else {
			seen[o.ID] = o
		}
		if o.BodyCondition == "" {
			o.BodyCondition = v.Body
		}
		for i := range o.Parameters {
			if o.Parameters[i].Condition == "" {
				o.Parameters[i].Condition = v.Parameter
			}
		}
		p.settleRates(c, o.Rates, "operation")
		p.settleUse(c, o)
	}
}

// checkOccurrence refuses codes that are said to occur in no operation.
func (p *parser) checkOccurrence(c *Contract) {
	ids := names(c.Operations, func(o *Operation) string { return o.ID })
	for _, code := range c.Codes {
		for _, id := range code.Operations {
			if !slices.Contains(ids, id) {
				p.fault(code.Pos, didYouMean(id, ids), "%q is said to occur in %q, which is no operation", code.Name, id)
			}
		}
	}
}

// WithOperations returns a copy of the contract for another API: everything
// but the operations stays, so that a built-in contract's errors can be put in
// front of any service. The error is [Faults].
func (c *Contract) WithOperations(operations []*Operation) (*Contract, error) {
	other := *c
	other.Operations = operations
	other.Scenarios = nil
	p := &parser{file: c.File}
	p.settleOperations(&other)
	if err := p.sorted(); err != nil {
		return nil, err
	}
	return &other, nil
}

func (p *parser) settleClient(c *Contract) {
	r := &c.Client
	if r.Attempts == 0 {
		r.Attempts = 3
	}
	if r.Backoff.First == 0 {
		r.Backoff.First = 500_000_000
		r.Backoff.Cap = 30_000_000_000
		r.Backoff.Jitter = Jitter{Low: 0.5, High: 1}
	}
	if r.Backoff.Factor == 0 {
		r.Backoff.Factor = 2
	}
	if r.Network == "" {
		r.Network = condition.Backoff
	}
	if len(r.Hints) == 0 {
		r.Hints = []Hint{{Header: c.Headers.RetryAfter.Name}}
	}
	for i := range r.Hints {
		h := &r.Hints[i]
		if h.Unit == "" {
			h.Unit = "auto"
		}
		*h = *h.settled(c)
		if (h.Header == "") == (len(h.Body) == 0) {
			p.fault(Position{File: p.file, Line: 1}, "give each hint a header or a body path", "client.hints: a hint needs exactly one of header and body")
		}
	}
	for _, class := range r.Classes {
		if class.Base != "" && !slices.ContainsFunc(r.Classes, func(x Class) bool { return x.Name == class.Base }) {
			p.fault(Position{File: p.file, Line: 1}, "declare the base class too", "client.classes: %s derives from %s, which is not listed", class.Name, class.Base)
		}
	}
}
