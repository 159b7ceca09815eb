package contract

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract/condition"
)

// FormatVersion is the version of the contract format, given as "failwell: 1".
const FormatVersion = 1

// document is the contract with what only the parser needs.
type document struct {
	Contract
	version int
}

func conditionNames() []string {
	all := condition.All()
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = string(e.Condition)
	}
	return names
}

func readCondition(s string) (condition.Condition, error) {
	if _, ok := condition.Lookup(condition.Condition(s)); !ok {
		return "", fmt.Errorf("%s", didYouMean(s, conditionNames()))
	}
	return condition.Condition(s), nil
}

var conditionForm = form{"enum": conditionNames()}

var statusForm = form{"type": []string{"integer", "string"}, "pattern": `^([1-9]xx|[1-9][0-9]{2}(\.\.[1-9][0-9]{2})?)$`}

var retryWords = []condition.Retry{condition.Never, condition.AfterWait, condition.Backoff, condition.SameKey, condition.NewKey, condition.AfterAction}

// documentSection is the whole file.
func documentSection() section[document] {
	return section[document]{name: "the contract", keys: []key[document]{
		required(integer("failwell", "Version of the format: 1.", 1, FormatVersion, func(d *document) *int { return &d.version })),
		required(text("api", "Short name of the API, in lower case.", func(d *document) *string { return &d.API })),
		text("title", "Name of the API for people.", func(d *document) *string { return &d.Title }),
		text("base_url", "Where the API lives.", func(d *document) *string { return &d.BaseURL }),
		text("document", "Where the API documents its errors.", func(d *document) *string { return &d.Document }),
		text("reference", "Where the reference generated from this contract is published, as in https://docs.example.com/errors; doc_url of a code is its page there when absent.", func(d *document) *string { return &d.Reference }),
		text("support", "Whom to contact with a request id.", func(d *document) *string { return &d.Support }),
		required(entries("envelopes", "Shapes of an error, tried in order.", envelopeSection, func(p *parser, k *yaml.Node, d *document, e Envelope) {
			e.Name, e.Pos = k.Value, p.pos(k)
			d.Envelopes = append(d.Envelopes, &e)
		})),
		word("timestamp", "Form of $timestamp; rfc3339 when absent.", instantForms, func(d *document) *TimeFormat { return &d.Timestamp }),
		sub("headers", "Response headers and when they are sent.", headersSection, func(d *document) *Headers { return &d.Headers }),
		sub("auth", "How callers prove who they are.", authSection, func(d *document) *Auth { return &d.Auth }),
		texts("permissions", "What a key may be allowed to do.", func(d *document) *[]string { return &d.Permissions }),
		entries("features", "What only some plans include.", featureSection, func(_ *parser, k *yaml.Node, d *document, f Feature) {
			f.Name = k.Value
			d.Features = append(d.Features, &f)
		}),
		sub("limits", "Defaults of all rates.", limitsSection, func(d *document) *LimitRules { return &d.Limits }),
		entries("plans", "What accounts are granted. The first is the default.", planSection, func(p *parser, k *yaml.Node, d *document, x Plan) {
			x.Name, x.Pos = k.Value, p.pos(k)
			d.Plans = append(d.Plans, &x)
		}),
		entries("balances", "What accounts pay in beforehand and calls use up.", balanceSection, func(p *parser, k *yaml.Node, d *document, b Balance) {
			b.Name, b.Pos = k.Value, p.pos(k)
			d.Balances = append(d.Balances, &b)
		}),
		sub("idempotency", "The promise about repeated writes.", idempotencySection, func(d *document) *Idempotency { return &d.Idempotency }),
		sub("client", "How callers should retry and what they should log.", clientSection, func(d *document) *ClientRules { return &d.Client }),
		sub("streams", "How a failure after the first byte is told.", streamsSection, func(d *document) *Streams { return &d.Streams }),
		list("partial", "Bodies that hold failures of single items.", partialSection, func(d *document, x Partial) { d.Partial = append(d.Partial, x) }),
		messages("friendly", "Text for end users where a code has none, or is unknown.", func(d *document) *[]*Text { return &d.Friendly }),
		flag("open_codes", "The API may send codes that are not listed.", func(d *document) *bool { return &d.OpenCodes }),
		entries("statuses", "The API's own table of statuses.", statusSection, func(p *parser, k *yaml.Node, d *document, r StatusRow) {
			n, err := strconv.Atoi(k.Value)
			if err != nil || n < 100 || n > 999 {
				p.faultAt(k, "write a number such as 404", "%q is not an HTTP status", k.Value)
			}
			r.Status, r.Pos = n, p.pos(k)
			d.Statuses = append(d.Statuses, r)
		}),
		required(entries("errors", "The catalogue: every code, by name.", codeSection, func(p *parser, k *yaml.Node, d *document, c Code) {
			c.Name, c.Pos = k.Value, p.pos(k)
			switch c.Wire {
			case "":
				c.Wire = c.Name
			case noCode:
				c.Wire = ""
			}
			d.Codes = append(d.Codes, &c)
		})),
		sub("validation", "How a request that breaks its schema is told.", validationSection, func(d *document) *Validation { return &d.Validation }),
		entries("operations", "Method and path pattern, as in \"POST /v1/items/{id}\".", operationSection, func(p *parser, k *yaml.Node, d *document, o Operation) {
			method, path, ok := strings.Cut(k.Value, " ")
			if !ok || !strings.HasPrefix(path, "/") || method != strings.ToUpper(method) {
				p.faultAt(k, "write it as \"POST /v1/items/{id}\"", "%q is not a method and a path", k.Value)
			}
			o.Method, o.Path, o.Pos = method, path, p.pos(k)
			if o.ID == "" {
				o.ID = k.Value
			}
			d.Operations = append(d.Operations, &o)
		}),
		text("openapi", "OpenAPI 3.0 or 3.1 file, relative to this one, from which operations are taken as well.", func(d *document) *string { return &d.OpenAPI }),
		list("scenarios", "Tests that the API's document lists.", scenarioSection, func(d *document, s Scenario) { d.Scenarios = append(d.Scenarios, s) }),
		list("notes", "Where the API's documents disagree, and what is promised.", noteSection, func(d *document, x Note) { d.Notes = append(d.Notes, x) }),
	}}
}

var instantForms = []TimeFormat{RFC3339, RFC3339Milli, EpochSeconds, EpochMillis, HTTPDate}

var templateForm = form{"description": "A template in the shape of the JSON that it makes."}

func template[T any](name, doc string, read func(*parser, *yaml.Node) *node, at func(*T) **node) key[T] {
	return key[T]{name: name, doc: doc, form: templateForm, read: func(p *parser, n *yaml.Node, into *T) { *at(into) = read(p, n) }}
}

var envelopeSection = section[Envelope]{name: "an envelope", keys: []key[Envelope]{
	sub("when", "The failures it carries; all parts must fit. Absent: any.", whenSection, func(e *Envelope) *When { return &e.When }),
	text("media_type", "Content-Type; application/json when absent.", func(e *Envelope) *string { return &e.MediaType }),
	template("body", "The JSON body as a template.", (*parser).template, func(e *Envelope) **node { return &e.body }),
	template("text", "A body that is not JSON, as text with $slots; escaped as XML where media_type says so.", (*parser).textTemplate, func(e *Envelope) **node { return &e.text }),
	{name: "headers", doc: "Response headers that belong to the shape, as templates.", form: form{"type": "object", "additionalProperties": form{"type": "string"}},
		read: func(p *parser, n *yaml.Node, e *Envelope) {
			p.pairs(n, "headers", func(k, v *yaml.Node) {
				e.Headers = append(e.Headers, EnvelopeHeader{Name: k.Value, value: p.textTemplate(v)})
			})
		}},
	manyOf("inside", "2xx statuses under which a body of this shape is a failure.", form{"type": "integer"}, strconv.Atoi, func(e *Envelope) *[]int { return &e.Inside }),
	texts("successes", "Codes that say, in this shape, that nothing failed; needed where open_codes is set.", func(e *Envelope) *[]string { return &e.Successes }),
	texts("requires", "Slots that each error in this envelope must be able to fill.", func(e *Envelope) *[]string { return &e.Requires }),
}}

var whenSection = section[When]{name: "when", keys: []key[When]{
	manyOf("status", "Statuses.", statusForm, parseStatuses, func(w *When) *[]StatusRange { return &w.Statuses }),
	manyOf("condition", "Conditions.", conditionForm, readCondition, func(w *When) *[]condition.Condition { return &w.Conditions }),
	texts("code", "Names of codes.", func(w *When) *[]string { return &w.Codes }),
}}

var headersSection = section[Headers]{name: "headers", keys: []key[Headers]{
	sub("request_id", "On every response; X-Request-ID when absent.", section[RequestIDHeader]{name: "request_id", keys: []key[RequestIDHeader]{
		text("name", "Name of the header.", func(h *RequestIDHeader) *string { return &h.Name }),
		word("format", "What is accepted from a caller: uuid, or token (up to 128 of A-Z a-z 0-9 . _ ~ -).", []string{"uuid", "token"}, func(h *RequestIDHeader) *string { return &h.Format }),
		text("prefix", "Put before ids that are made here.", func(h *RequestIDHeader) *string { return &h.Prefix }),
		flag("documented", "The API's own document names it.", func(h *RequestIDHeader) *bool { return &h.Documented }),
	}}, func(h *Headers) *RequestIDHeader { return &h.RequestID }),
	sub("process_time", "On every response: how long the server worked.", section[ProcessTimeHeader]{name: "process_time", keys: []key[ProcessTimeHeader]{
		text("name", "Name of the header.", func(h *ProcessTimeHeader) *string { return &h.Name }),
		word("unit", "ms or s.", []string{"ms", "s"}, func(h *ProcessTimeHeader) *string { return &h.Unit }),
	}}, func(h *Headers) *ProcessTimeHeader { return &h.ProcessTime }),
	sub("retry_after", "How long to wait.", section[RetryAfterHeader]{name: "retry_after", keys: []key[RetryAfterHeader]{
		text("name", "Name of the header; Retry-After when absent.", func(h *RetryAfterHeader) *string { return &h.Name }),
		onKey(func(h *RetryAfterHeader) *On { return &h.On }),
		word("format", "delta_s (the default), delta_ms or http_date.", []TimeFormat{DeltaSeconds, DeltaMillis, HTTPDate}, func(h *RetryAfterHeader) *TimeFormat { return &h.Format }),
	}}, func(h *Headers) *RetryAfterHeader { return &h.RetryAfter }),
	sub("rate_limit", "Numbers of the binding rate limit.", section[RateLimitHeaders]{name: "rate_limit", keys: []key[RateLimitHeaders]{
		onKey(func(h *RateLimitHeaders) *On { return &h.On }),
		text("limit", "Header with the ceiling of the window.", func(h *RateLimitHeaders) *string { return &h.Limit }),
		text("remaining", "Header with the calls left.", func(h *RateLimitHeaders) *string { return &h.Remaining }),
		text("reset", "Header with the instant at which all of the limit is free again.", func(h *RateLimitHeaders) *string { return &h.Reset }),
		word("reset_format", "epoch_s (the default), epoch_ms, delta_s, http_date or rfc3339.", []TimeFormat{EpochSeconds, EpochMillis, DeltaSeconds, HTTPDate, RFC3339}, func(h *RateLimitHeaders) *TimeFormat { return &h.ResetFormat }),
		flag("ietf", "Send RateLimit and RateLimit-Policy structured fields as well.", func(h *RateLimitHeaders) *bool { return &h.IETF }),
	}}, func(h *Headers) *RateLimitHeaders { return &h.RateLimit }),
	text("code", "Header that carries the code of an error.", func(h *Headers) *string { return &h.Code }),
}}

func onKey[T any](at func(*T) *On) key[T] {
	f := form{"oneOf": []any{form{"const": "all"}, form{"type": "array", "items": form{"type": "integer"}}, form{"type": "integer"}}}
	return key[T]{name: "on", doc: "all, or a list of statuses.", form: f, read: func(p *parser, n *yaml.Node, into *T) {
		on := at(into)
		oneOrMore(p, n, "on", func(v *yaml.Node) {
			status, err := strconv.Atoi(v.Value)
			switch {
			case v.Value == "all":
				on.All = true
			case err != nil || status < 100 || status > 599:
				p.faultAt(v, "write all, or statuses such as [429, 503]", "on cannot hold %q", v.Value)
			default:
				on.Statuses = append(on.Statuses, status)
			}
		})
	}}
}

var authSection = section[Auth]{name: "auth", keys: []key[Auth]{
	list("schemes", "Places where a key may stand, in the order they are looked at.", section[Scheme]{name: "a scheme", keys: []key[Scheme]{
		required(word("in", "header or query.", []string{"header", "query"}, func(s *Scheme) *string { return &s.In })),
		required(text("name", "Name of the header or parameter.", func(s *Scheme) *string { return &s.Name })),
		word("prefix", "Word before the key in a header.", []string{"Bearer", "Basic", "Token", "ApiKey"}, func(s *Scheme) *string { return &s.Prefix }),
	}}, func(a *Auth, s Scheme) { a.Schemes = append(a.Schemes, s) }),
	sub("key", "Form of the keys that are issued here.", section[KeyFormat]{name: "key", keys: []key[KeyFormat]{
		{name: "prefixes", doc: "Prefix of a key by environment.", form: form{"type": "object", "additionalProperties": form{"type": "string"}},
			read: func(p *parser, n *yaml.Node, f *KeyFormat) {
				p.pairs(n, "prefixes", func(k, v *yaml.Node) {
					f.Environments = append(f.Environments, Environment{Name: k.Value, Prefix: v.Value})
				})
			}},
		word("alphabet", "base62 (the default) or hex.", []string{"base62", "hex"}, func(f *KeyFormat) *string { return &f.Alphabet }),
		integer("length", "Characters after the prefix, the checksum among them: at least 36 of base62 or 53 of hex.", 36, 256, func(f *KeyFormat) *int { return &f.Length }),
	}}, func(a *Auth) *KeyFormat { return &a.Key }),
}}

var featureSection = section[Feature]{name: "a feature", keys: []key[Feature]{
	text("title", "Name for people.", func(f *Feature) *string { return &f.Title }),
}}

var algorithms = []Algorithm{GCRA, FixedWindow}

var rateScopes = []string{"key", "account", "operation"}

var limitsSection = section[LimitRules]{name: "limits", keys: []key[LimitRules]{
	word("algorithm", "gcra (the default) or window.", algorithms, func(l *LimitRules) *Algorithm { return &l.Algorithm }),
	word("scope", "key (the default), account or operation.", rateScopes, func(l *LimitRules) *string { return &l.Scope }),
	word("away", "What becomes of calls when the state of rates and concurrency is out of reach: open, closed or local (the default: each process by itself).", aways, func(l *LimitRules) *Away { return &l.Away }),
	word("counters_away", "The same for quotas, balances and storage; closed when absent.", aways, func(l *LimitRules) *Away { return &l.CountersAway }),
}}

var aways = []Away{AwayOpen, AwayClosed, AwayLocal}

var balanceSection = section[Balance]{name: "a balance", keys: []key[Balance]{
	text("title", "Name for people.", func(b *Balance) *string { return &b.Title }),
}}

var rateSection = section[Rate]{name: "a rate", keys: []key[Rate]{
	text("name", "Name in headers and messages.", func(r *Rate) *string { return &r.Name }),
	required(integer("limit", "Calls per window.", 1, 1e12, func(r *Rate) *int64 { return &r.Limit })),
	required(duration("per", "Length of the window.", func(r *Rate) *time.Duration { return &r.Per })),
	integer("burst", "Calls that may come at once; the limit when absent. GCRA only.", 1, 1e12, func(r *Rate) *int64 { return &r.Burst }),
	word("algorithm", "gcra or window.", algorithms, func(r *Rate) *Algorithm { return &r.Algorithm }),
	word("scope", "key, account or operation.", rateScopes, func(r *Rate) *string { return &r.Scope }),
	word("away", "open, closed or local; what limits says when absent.", aways, func(r *Rate) *Away { return &r.Away }),
}}

// ratesKey reads "60/min", a mapping, or a list of either.
func ratesKey[T any](doc string, at func(*T) *[]Rate) key[T] {
	one := form{"oneOf": []any{form{"type": "string", "pattern": `^[0-9]+/`}, rateSection.form()}}
	f := form{"oneOf": []any{one, form{"type": "array", "items": one}}}
	return key[T]{name: "rate", doc: doc, form: f, read: func(p *parser, n *yaml.Node, into *T) {
		read := func(v *yaml.Node) {
			var r Rate
			if v.Kind == yaml.MappingNode {
				rateSection.parse(p, v, &r)
			} else if s, ok := scalar(p, v, "rate"); ok {
				var err error
				if r.Limit, r.Per, err = parseRate(s); err != nil {
					p.faultAt(v, err.Error(), "rate cannot be %q", s)
				}
			}
			*at(into) = append(*at(into), r)
		}
		if n.Kind == yaml.SequenceNode {
			p.items(n, "rate", read)
			return
		}
		read(n)
	}}
}

var quotaPeriods = []string{"month", "day"}

var quotaSection = section[Quota]{name: "a quota", keys: []key[Quota]{
	required(integer("amount", "Units per period.", 0, 1e15, func(q *Quota) *int64 { return &q.Amount })),
	required(word("per", "month or day, in UTC.", quotaPeriods, func(q *Quota) *string { return &q.Per })),
	word("away", "open, closed or local; what limits says when absent.", aways, func(q *Quota) *Away { return &q.Away }),
}}

// quotasKey reads "1000/month" or a mapping by the name of each quota.
var quotasKey = key[Plan]{
	name: "quota", doc: "Allowances per calendar period, such as credits: 1000/month.",
	form: form{"type": "object", "additionalProperties": form{"oneOf": []any{form{"type": "string", "pattern": `^[0-9]+/(month|day)$`}, quotaSection.form()}}},
	read: func(p *parser, n *yaml.Node, x *Plan) {
		p.pairs(n, "quota", func(k, v *yaml.Node) {
			var q Quota
			if v.Kind == yaml.MappingNode {
				quotaSection.parse(p, v, &q)
			} else {
				var err error
				amount, per, _ := strings.Cut(v.Value, "/")
				q.Amount, err = strconv.ParseInt(amount, 10, 64)
				if err != nil || q.Amount < 0 || !slices.Contains(quotaPeriods, per) {
					p.faultAt(v, "write an allowance such as 1000/month", "quota %s cannot be %q", k.Value, v.Value)
					return
				}
				q.Per = per
			}
			q.Name = k.Value
			x.Quotas = append(x.Quotas, q)
		})
	},
}

var planSection = section[Plan]{name: "a plan", keys: []key[Plan]{
	text("title", "Name for people.", func(x *Plan) *string { return &x.Title }),
	text("price", "Price as people read it.", func(x *Plan) *string { return &x.Price }),
	text("credits", "Monthly allowance as people read it.", func(x *Plan) *string { return &x.Credits }),
	ratesKey("Calls per time, such as 60/min.", func(x *Plan) *[]Rate { return &x.Rates }),
	quotasKey,
	texts("features", "Features that the plan includes.", func(x *Plan) *[]string { return &x.Features }),
	size("storage", "Bytes that may be stored.", func(x *Plan) *int64 { return &x.Storage }),
	integer("concurrency", "Calls that may run at once.", 1, 1e6, func(x *Plan) *int { return &x.Concurrency }),
}}

var unknowns = []string{"reject", "reexecute", "reconcile"}

func beginIdempotency(p *parser, n *yaml.Node, i *Idempotency) { i.Pos = p.pos(n) }

var idempotencySection = section[Idempotency]{name: "idempotency", begin: beginIdempotency, keys: []key[Idempotency]{
	required(text("header", "Request header that carries the key.", func(i *Idempotency) *string { return &i.Header })),
	texts("methods", "Methods that honour it.", func(i *Idempotency) *[]string { return &i.Methods }),
	duration("keep", "How long a record lives; 24h when absent.", func(i *Idempotency) *time.Duration { return &i.Keep }),
	sub("replayed", "Header that marks a replay.", section[HeaderValue]{name: "replayed", keys: []key[HeaderValue]{
		required(text("name", "Name of the header.", func(h *HeaderValue) *string { return &h.Name })),
		required(text("value", "Its value.", func(h *HeaderValue) *string { return &h.Value })),
	}}, func(i *Idempotency) *HeaderValue { return &i.Replayed }),
	word("in_flight", "What a duplicate gets while the first is running: reject or wait.", []string{"reject", "wait"}, func(i *Idempotency) *string { return &i.InFlight }),
	duration("wait", "Longest that a duplicate waits; 10s when absent.", func(i *Idempotency) *time.Duration { return &i.Wait }),
	duration("lease", "How long a call under way is believed in without a sign of life; 30s when absent.", func(i *Idempotency) *time.Duration { return &i.Lease }),
	word("unknown", "What a repetition gets when nobody knows what became of the first: reject (the default), reexecute or reconcile.", unknowns, func(i *Idempotency) *string { return &i.Unknown }),
	size("max_response", "Longest answer that is kept; 1MiB when absent, and at most.", func(i *Idempotency) *int64 { return &i.MaxResponse }),
	texts("headers", "Response headers that are kept with the answer, besides those that describe its body.", func(i *Idempotency) *[]string { return &i.Headers }),
	word("away", "What becomes of a call with a key when the store is away: closed (the default) or open, unprotected.", []Away{AwayClosed, AwayOpen}, func(i *Idempotency) *Away { return &i.Away }),
}}

var streamsSection = section[Streams]{name: "streams", keys: []key[Streams]{
	text("event", "Name of the terminal server-sent event.", func(s *Streams) *string { return &s.Event }),
	flag("ndjson", "A broken stream of lines ends with an error line.", func(s *Streams) *bool { return &s.NDJSON }),
}}

func dotted(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	return strings.Split(s, "."), nil
}

var partialSection = section[Partial]{name: "partial", keys: []key[Partial]{
	required(manyOf("status", "Statuses of such bodies.", statusForm, parseStatuses, func(x *Partial) *[]StatusRange { return &x.Statuses })),
	parsed("items", "Member that holds the list; empty: the root.", form{"type": "string"}, dotted, func(x *Partial) *[]string { return &x.Items }),
	parsed("error", "Member of an item that holds its failure; empty: the item.", form{"type": "string"}, dotted, func(x *Partial) *[]string { return &x.Error }),
	parsed("id", "Member of an item that names it.", form{"type": "string"}, dotted, func(x *Partial) *[]string { return &x.ID }),
}}

var statusSection = section[StatusRow]{name: "a status", keys: []key[StatusRow]{
	text("name", "Reason phrase.", func(r *StatusRow) *string { return &r.Name }),
	texts("meaning", "What it means in this API; several where the table has several rows.", func(r *StatusRow) *[]string { return &r.Meanings }),
	text("error", "Name of the code that stands for a response without one.", func(r *StatusRow) *string { return &r.codeName }),
	flag("beyond", "The API's own document has no such row.", func(r *StatusRow) *bool { return &r.Beyond }),
}}

var scenarioSection = section[Scenario]{name: "a scenario", keys: []key[Scenario]{
	required(text("name", "What is tested.", func(s *Scenario) *string { return &s.Name })),
	required(text("method", "HTTP method.", func(s *Scenario) *string { return &s.Method })),
	required(text("path", "Path below the base URL.", func(s *Scenario) *string { return &s.Path })),
	{name: "headers", doc: "Request headers.", form: form{"type": "object", "additionalProperties": form{"type": "string"}},
		read: func(p *parser, n *yaml.Node, s *Scenario) {
			s.Headers = map[string]string{}
			p.pairs(n, "headers", func(k, v *yaml.Node) { s.Headers[k.Value] = v.Value })
		}},
	text("body", "Request body.", func(s *Scenario) *string { return &s.Body }),
	integer("times", "How often it is sent at once.", 1, 10000, func(s *Scenario) *int { return &s.Times }),
	required(integer("status", "Status that at least one response must have.", 100, 599, func(s *Scenario) *int { return &s.Status })),
	text("code", "Name of its code.", func(s *Scenario) *string { return &s.Code }),
}}

var noteSection = section[Note]{name: "a note", keys: []key[Note]{
	required(text("about", "The subject.", func(x *Note) *string { return &x.About })),
	text("says", "What the document states.", func(x *Note) *string { return &x.Says }),
	text("but", "What speaks against it.", func(x *Note) *string { return &x.But }),
	required(text("promised", "What this contract promises.", func(x *Note) *string { return &x.Promised })),
}}
