package compat

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Of takes out of a contract what it promises.
func Of(c *contract.Contract) *Promises {
	p := &Promises{
		Version: version, API: c.API, BaseURL: c.BaseURL, OpenCodes: c.OpenCodes, Timestamp: string(c.Timestamp),
		Envelopes: map[string]*Envelope{}, Errors: map[string]*Code{}, Conditions: map[string]string{}, Statuses: map[int]string{},
		Headers: headersOf(&c.Headers), Auth: authOf(&c.Auth), Permissions: sorted(c.Permissions),
		Plans: map[string]*Plan{}, DefaultPlan: c.DefaultPlan.Name, Away: string(c.Limits.Away), CountersAway: string(c.Limits.CountersAway),
		Idempotency: idempotencyOf(&c.Idempotency), Client: clientOf(&c.Client), Streams: Streams(c.Streams),
		Validation: Validation{Missing: string(c.Validation.Missing), Structure: string(c.Validation.Structure), Codes: c.Validation.Codes},
		Operations: map[string]*Operation{}, at: places(c),
	}
	for _, e := range c.Envelopes {
		p.Envelopes[e.Name] = envelopeOf(e)
	}
	for _, code := range c.Codes {
		p.Errors[code.Name] = codeOf(code)
	}
	for _, e := range condition.All() {
		if code, _ := c.For(e.Condition); code != nil {
			p.Conditions[string(e.Condition)] = code.Name
		}
	}
	for _, row := range c.Statuses {
		if row.Code != nil {
			p.Statuses[row.Status] = row.Code.Name
		}
	}
	for _, f := range c.Features {
		p.Features = append(p.Features, f.Name)
	}
	for _, b := range c.Balances {
		p.Balances = append(p.Balances, b.Name)
	}
	p.Features, p.Balances = sorted(p.Features), sorted(p.Balances)
	for _, x := range c.Plans {
		plan := &Plan{Rates: ratesOf(x.Rates), Quotas: map[string]Quota{}, Features: sorted(x.Features), Storage: x.Storage, Concurrency: x.Concurrency}
		for _, q := range x.Quotas {
			plan.Quotas[q.Name] = Quota{q.Amount, q.Per, string(q.Away)}
		}
		p.Plans[x.Name] = plan
	}
	for _, x := range c.Partial {
		p.Partial = append(p.Partial, Partial{ranges(x.Statuses), strings.Join(x.Items, "."), strings.Join(x.Error, "."), strings.Join(x.ID, ".")})
	}
	for _, o := range c.Operations {
		p.Operations[o.Method+" "+o.Path] = operationOf(o)
	}
	return p
}

// places finds keys in the contract's file, and operations where they come from.
func places(c *contract.Contract) func(path ...string) contract.Position {
	return func(path ...string) contract.Position {
		if len(path) > 1 && path[0] == "operations" {
			for _, o := range c.Operations {
				if o.Method+" "+o.Path == path[1] && o.Pos.File != c.File {
					return o.Pos
				}
			}
		}
		at, _ := c.Place(path...)
		return at
	}
}

func codeOf(code *contract.Code) *Code {
	out := &Code{
		Wire: code.Wire, Numeric: code.Numeric, Status: code.Status, Type: code.Type, Subcode: code.Subcode, Retry: code.Retry,
		Envelope: code.Envelope.Name, Params: map[string]*Param{}, Operations: sorted(code.Operations),
		Translations: slices.Sorted(maps.Keys(code.Translations)), Deprecated: code.Deprecated != "",
	}
	for _, r := range code.Others {
		out.Also = append(out.Also, rangeText(r))
	}
	for _, m := range code.Is {
		out.Is = append(out.Is, Meaning{string(m.Condition), m.Status})
	}
	for _, x := range code.Params {
		from := x.From
		if from == x.Name {
			from = ""
		}
		out.Params[x.Name] = &Param{string(x.Type), string(x.Format), x.Prefix, from, x.Required}
	}
	if code.Wire == "" {
		for _, t := range code.Messages {
			out.Messages = append(out.Messages, t.String())
		}
	}
	return out
}

func headersOf(h *contract.Headers) Headers {
	out := Headers{RequestID: RequestIDHeader{h.RequestID.Name, h.RequestID.Format, h.RequestID.Prefix}, Sent: map[string]*Header{}}
	add := func(what, name, on, unit string) {
		if name != "" {
			out.Sent[what] = &Header{name, on, unit}
		}
	}
	add("process_time", h.ProcessTime.Name, all, h.ProcessTime.Unit)
	add("retry_after", h.RetryAfter.Name, onText(h.RetryAfter.On), string(h.RetryAfter.Format))
	on := onText(h.RateLimit.On)
	add("rate_limit.limit", h.RateLimit.Limit, on, "")
	add("rate_limit.remaining", h.RateLimit.Remaining, on, "")
	add("rate_limit.reset", h.RateLimit.Reset, on, string(h.RateLimit.ResetFormat))
	if h.RateLimit.IETF {
		add("rate_limit.ietf", "RateLimit", on, "")
	}
	add("code", h.Code, all, "")
	return out
}

const all = "all"

func onText(on contract.On) string {
	if on.All {
		return all
	}
	texts := make([]string, 0, len(on.Statuses))
	for _, s := range slices.Sorted(slices.Values(on.Statuses)) {
		texts = append(texts, strconv.Itoa(s))
	}
	return strings.Join(texts, ", ")
}

func authOf(a *contract.Auth) Auth {
	out := Auth{Prefixes: map[string]string{}, Alphabet: a.Key.Alphabet, Length: a.Key.Length}
	for _, s := range a.Schemes {
		out.Schemes = append(out.Schemes, strings.TrimSpace(fmt.Sprintf("%s %s %s", s.In, s.Name, s.Prefix)))
	}
	for _, e := range a.Key.Environments {
		out.Prefixes[e.Name] = e.Prefix
	}
	return out
}

func ratesOf(rates []contract.Rate) []Rate {
	out := make([]Rate, 0, len(rates))
	for _, r := range rates {
		out = append(out, Rate{r.Name, r.Limit, r.Per, r.Burst, r.Algorithm, r.Scope, string(r.Away)})
	}
	return out
}

func idempotencyOf(i *contract.Idempotency) *Idempotency {
	if i.Header == "" {
		return nil
	}
	out := &Idempotency{
		Header: i.Header, Methods: sorted(i.Methods), Keep: i.Keep, InFlight: i.InFlight, Wait: i.Wait, Lease: i.Lease,
		Unknown: i.Unknown, MaxResponse: i.MaxResponse, Headers: sorted(i.Headers), Away: string(i.Away),
	}
	if i.Replayed.Name != "" {
		out.Replayed = i.Replayed.Name + ": " + i.Replayed.Value
	}
	return out
}

func clientOf(r *contract.ClientRules) Client {
	out := Client{
		Attempts: r.Attempts, Timeout: r.Timeout, First: r.Backoff.First, Factor: r.Backoff.Factor, Cap: r.Backoff.Cap,
		MaxHint: r.MaxHint, Network: r.Network, DefaultWaits: r.DefaultWaits, Classes: map[string]*ErrorClass{},
	}
	if j := r.Backoff.Jitter; j.Low != 0 || j.High != 0 {
		out.Jitter = fmt.Sprintf("%gx..%gx", j.Low, j.High)
	}
	if j := r.Backoff.Jitter; j.Add > 0 {
		out.Jitter = strings.TrimSpace(out.Jitter + " 0s.." + j.Add.String())
	}
	for _, h := range r.Hints {
		in := "header " + h.Header
		if h.Header == "" {
			in = "body " + strings.Join(h.Body, ".")
		}
		out.Hints = append(out.Hints, Hint{in, string(h.Unit)})
	}
	for _, a := range r.ByStatus {
		out.Statuses = append(out.Statuses, StatusAdvice{a.Statuses.From, a.Statuses.To, a.Retry})
	}
	for _, k := range r.Classes {
		class := &ErrorClass{Base: k.Base, Languages: sorted(k.Languages)}
		for _, s := range k.Statuses {
			class.Raised = append(class.Raised, rangeText(s))
		}
		for _, of := range k.Conditions {
			class.Raised = append(class.Raised, string(of))
		}
		out.Classes[k.Name] = class
	}
	return out
}

func operationOf(o *contract.Operation) *Operation {
	out := &Operation{
		Public: o.Public, Permission: o.Permission, Feature: o.Feature, Cost: max(o.Cost, 1), Rates: ratesOf(o.Rates), Charges: map[string]int64{},
		Slot: o.Slot, Stores: o.Stores, MediaTypes: sorted(o.MediaTypes), MaxBody: o.MaxBody, Timeout: o.Timeout, Translate: o.Translate,
		Safe: o.Safe, Idempotency: o.Idempotency, Unknown: o.Unknown, Parameters: map[string]*Parameter{}, Body: plain(o.Body), Form: plain(o.Form),
	}
	if o.ID != o.Method+" "+o.Path {
		out.ID = o.ID
	}
	if o.Body != nil || o.Form != nil {
		out.BodyRequired, out.BodyCondition = o.BodyRequired, string(o.BodyCondition)
	}
	for _, x := range o.Charges {
		out.Charges[x.Name] = x.Amount
	}
	for _, x := range o.Parameters {
		out.Parameters[x.In+" "+x.Name] = &Parameter{x.Required, string(x.Condition), plain(x.Schema)}
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func rangeText(r contract.StatusRange) string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf("%d..%d", r.From, r.To)
}

func ranges(list []contract.StatusRange) string {
	texts := make([]string, 0, len(list))
	for _, r := range slices.SortedFunc(slices.Values(list), func(a, b contract.StatusRange) int { return cmp.Compare(a.From, b.From) }) {
		texts = append(texts, rangeText(r))
	}
	return strings.Join(texts, ", ")
}
