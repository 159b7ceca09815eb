package contract

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract/condition"
)

// validate refuses contracts that lie: codes that no envelope can carry or
// that cannot be told apart when read back, conditions without a code.
func (p *parser) validate(c *Contract) {
	c.compiled = map[*Code]*program{}
	for _, code := range c.Codes {
		program, err := compile(code, code.Envelope)
		if err != nil {
			p.fault(code.Pos, "declare it, or mark the place with a ? as optional", "%q cannot be sent in envelope %q: %v", code.Name, code.Envelope.Name, err)
			continue
		}
		c.compiled[code] = program
		p.checkCarried(code)
		p.checkTexts(code)
	}
	p.checkFriendly(c)
	p.checkDistinct(c)
	p.indexConditions(c)
	for _, e := range c.Envelopes {
		for _, slot := range e.Requires {
			if !e.Carries(slot) {
				p.fault(e.Pos, "add $"+slot+" to its body", "envelope %q requires %s but has no place for it", e.Name, slot)
			}
		}
	}
}

// checkCarried refuses required parameters that the envelope drops.
func (p *parser) checkCarried(code *Code) {
	for _, x := range code.Params {
		if x.Required && !code.Envelope.Carries("params") && !code.Envelope.Carries("params."+x.Name) {
			p.fault(code.Pos, "add $params or $params."+x.Name+" to the envelope", "envelope %q cannot carry the required parameter %q of %q", code.Envelope.Name, x.Name, code.Name)
		}
		if x.Type == TypeTime && x.Format == "" {
			x.Format = RFC3339
		}
	}
}

// commonFacts are the values that a text may name whatever the code.
func commonFacts() map[string]bool {
	return map[string]bool{factRequestID: true, factRetryAfter: true, factStatus: true, factCode: true, factMessage: true, factField: true, factIssue: true}
}

// checkFriendly holds the text for all codes to what every failure has.
func (p *parser) checkFriendly(c *Contract) {
	for _, t := range c.Friendly {
		for _, name := range t.Names() {
			if !commonFacts()[name] {
				p.fault(Position{File: c.File, Line: 1}, "name only what every failure has, such as $message", "friendly names $%s, which nothing fills", name)
			}
		}
	}
}

// checkTexts refuses values in messages that nothing fills: a message can name
// parameters of its code and the facts that every failure has.
func (p *parser) checkTexts(code *Code) {
	known := commonFacts()
	for _, x := range code.Params {
		known[x.Name], known["params."+x.Name] = true, true
	}
	check := func(what string, texts []*Text) {
		for _, t := range texts {
			for _, name := range t.Names() {
				if !known[name] {
					p.fault(code.Pos, fmt.Sprintf("declare it under params of %q", code.Name), "%s of %q names $%s, which nothing fills", what, code.Name, name)
				}
			}
		}
	}
	check("message", code.Messages)
	check("friendly", code.Friendly)
	for lang, texts := range code.Translations {
		check("translation "+lang, texts)
	}
	if len(code.Messages) == 0 && code.Envelope.Carries("message") {
		p.fault(code.Pos, "add \"message:\"", "%q has no message, but its envelope carries one", code.Name)
	}
}

// checkDistinct refuses two codes that look alike on the wire.
func (p *parser) checkDistinct(c *Contract) {
	seen := map[string]*Code{}
	for _, code := range c.Codes {
		e := code.Envelope
		mark := []string{strconv.Itoa(code.Status)}
		if e.Carries("code") || c.Headers.Code != "" {
			mark = append(mark, "code="+code.Wire)
		}
		if e.Carries("subcode") {
			mark = append(mark, "subcode="+code.Subcode)
		}
		if e.Carries("type") {
			mark = append(mark, "type="+code.Type)
		}
		if e.Carries("title") {
			mark = append(mark, "title="+code.Title)
		}
		look := strings.Join(mark, " ")
		if !e.Carries("code") {
			look = e.Name + " " + look
		}
		if first, dup := seen[look]; dup {
			p.fault(code.Pos, "give one of them another code, type or status", "%q and %q (line %d) look alike on the wire: %s", code.Name, first.Name, first.Pos.Line, look)
			continue
		}
		seen[look] = code
	}
}

// resolved is the code and the status that stand for a condition.
type resolved struct {
	code   *Code
	status int
}

// standIns are tried in order for a condition that the contract does not name:
// a coarser or neighbouring one.
var standIns = map[condition.Condition][]condition.Condition{
	condition.KeyMissing:                {condition.KeyMalformed, condition.KeyUnknown},
	condition.KeyMalformed:              {condition.KeyUnknown},
	condition.KeyUnknown:                {condition.KeyMalformed},
	condition.KeyExpired:                {condition.KeyUnknown},
	condition.KeyRevoked:                {condition.KeyUnknown},
	condition.KeyDeactivated:            {condition.KeyRevoked, condition.KeyUnknown},
	condition.PaymentRequired:           {condition.AccountSuspended, condition.PermissionDenied},
	condition.AccountSuspended:          {condition.PermissionDenied},
	condition.FeatureUnavailable:        {condition.PermissionDenied},
	condition.ParameterMissing:          {condition.ParameterInvalid, condition.RequestMalformed},
	condition.ParameterInvalid:          {condition.RequestMalformed},
	condition.FormatInvalid:             {condition.RequestMalformed},
	condition.ConfirmationMismatch:      {condition.RequestMalformed},
	condition.BalanceInsufficient:       {condition.PaymentRequired, condition.RequestMalformed},
	condition.ValidationFailed:          {condition.ParameterInvalid, condition.RequestMalformed},
	condition.BodyTooLarge:              {condition.RequestMalformed},
	condition.MediaUnsupported:          {condition.FormatInvalid, condition.RequestMalformed},
	condition.RouteUnknown:              {condition.ResourceMissing},
	condition.MethodNotAllowed:          {condition.RouteUnknown, condition.RequestMalformed},
	condition.ResourceConflict:          {condition.RequestMalformed},
	condition.QuotaExhausted:            {condition.RateLimited},
	condition.ConcurrencyExceeded:       {condition.RateLimited},
	condition.StorageExhausted:          {condition.BodyTooLarge, condition.RequestMalformed},
	condition.Overloaded:                {condition.Unavailable, condition.Internal},
	condition.IdempotencyMismatch:       {condition.ValidationFailed, condition.ParameterInvalid, condition.RequestMalformed},
	condition.IdempotencyInProgress:     {condition.ResourceConflict, condition.RequestMalformed},
	condition.IdempotencyOutcomeUnknown: {condition.ResourceConflict, condition.RequestMalformed},
	condition.IdempotencyNotReplayable:  {condition.ResourceConflict, condition.RequestMalformed},
	condition.ClientTimeout:             {condition.RequestMalformed},
	condition.ProcessingFailed:          {condition.Internal},
	condition.ChunkRejected:             {condition.RequestMalformed},
	condition.StorageFailed:             {condition.Internal},
	condition.DependencyFailed:          {condition.Unavailable, condition.Internal},
	condition.Unavailable:               {condition.Overloaded, condition.Internal},
	condition.UpstreamUnreachable:       {condition.Unavailable, condition.DependencyFailed, condition.Internal},
	condition.UpstreamTimeout:           {condition.UpstreamUnreachable, condition.DependencyFailed, condition.Internal},
}

// indexConditions gives every condition of the vocabulary a code. A contract
// that has nothing even for the coarsest ones cannot tell its own failures.
func (p *parser) indexConditions(c *Contract) {
	c.byCondition = map[condition.Condition]resolved{}
	for _, code := range c.Codes {
		for _, m := range code.Is {
			if _, taken := c.byCondition[m.Condition]; !taken {
				c.byCondition[m.Condition] = resolved{code, code.StatusOf(m.Condition)}
			}
		}
	}
	var lost []string
	for _, e := range condition.All() {
		if !c.standIn(e.Condition, e.Condition, 0) {
			lost = append(lost, string(e.Condition))
		}
	}
	if lost != nil {
		p.fault(Position{File: c.File, Line: 1}, "add them to \"is:\" of the codes that should stand for them", "no code stands for the conditions %s", strings.Join(lost, ", "))
	}
}

// standIn finds a code for a condition through its neighbours.
func (c *Contract) standIn(of, via condition.Condition, depth int) bool {
	if r, ok := c.byCondition[via]; ok {
		if of != via {
			c.byCondition[of] = r
		}
		return true
	}
	if depth > 4 {
		return false
	}
	for _, next := range standIns[via] {
		if c.standIn(of, next, depth+1) {
			return true
		}
	}
	return false
}
