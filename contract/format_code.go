package contract

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/hint"
)

// noCode is what a contract writes for an entry whose code is not sent.
const noCode = "none"

var codeSection = section[Code]{name: "an error", keys: []key[Code]{
	{name: "code", doc: "The code as sent, where it is not the entry's name: a string, a number, or none.", form: form{"type": []string{"string", "integer"}},
		read: func(p *parser, n *yaml.Node, c *Code) {
			if s, ok := scalar(p, n, "code"); ok {
				c.Wire, c.Numeric = s, n.Tag == "!!int"
			}
		}},
	integer("status", "The status that it fixes. May be left out when the first condition's usual status is meant.", 100, 599, func(c *Code) *int { return &c.Status }),
	manyOf("also", "Further statuses under which it may be sent.", statusForm, parseStatuses, func(c *Code) *[]StatusRange { return &c.Others }),
	{name: "is", doc: "Conditions that it stands for; \"condition: status\" where one of them is sent under a status of its own.",
		form: form{"type": "array", "items": form{"oneOf": []any{conditionForm, conditionStatusForm}}},
		read: readMeanings},
	word("retry", "Advice: "+joinWords(retryWords)+".", retryWords, func(c *Code) *condition.Retry { return &c.Retry }),
	text("type", "Coarse category ($type).", func(c *Code) *string { return &c.Type }),
	text("subcode", "Finer code ($subcode).", func(c *Code) *string { return &c.Subcode }),
	text("title", "Short name ($title).", func(c *Code) *string { return &c.Title }),
	text("doc_url", "Documentation link ($doc_url).", func(c *Code) *string { return &c.DocURL }),
	entriesOrType("params", "Public parameters. Nothing else is ever sent.", func(c *Code) *[]*Param { return &c.Params }),
	messages("message", "Text for developers; several are tried in order, the first whose parameters are all there is used.", func(c *Code) *[]*Text { return &c.Messages }),
	{name: "translations", doc: "The message by BCP 47 language tag.", form: form{"type": "object", "additionalProperties": form{"type": []string{"string", "array"}}},
		read: func(p *parser, n *yaml.Node, c *Code) {
			c.Translations = map[string][]*Text{}
			p.pairs(n, "translations", func(k, v *yaml.Node) { c.Translations[k.Value] = readTexts(p, v, "translations") })
		}},
	text("meaning", "What it means, in a sentence.", func(c *Code) *string { return &c.Meaning }),
	text("cause", "What usually causes it.", func(c *Code) *string { return &c.Cause }),
	text("remedy", "What to do about it.", func(c *Code) *string { return &c.Remedy }),
	messages("friendly", "Text that is safe to show to end users.", func(c *Code) *[]*Text { return &c.Friendly }),
	text("envelope", "Envelope that carries it, where no rule chooses one.", func(c *Code) *string { return &c.envelopeName }),
	texts("operations", "Operations in which it may occur; absent: all.", func(c *Code) *[]string { return &c.Operations }),
	text("since", "Version or date of its introduction.", func(c *Code) *string { return &c.Since }),
	text("deprecated", "Why and since when it should not be relied on.", func(c *Code) *string { return &c.Deprecated }),
	flag("beyond", "The API's own document does not list it; a gateway needs it.", func(c *Code) *bool { return &c.Beyond }),
}}

var conditionStatusForm = form{"type": "object", "additionalProperties": form{"type": "integer"}, "propertyNames": conditionForm}

func joinWords[W ~string](words []W) string {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return strings.Join(names, ", ")
}

func readMeanings(p *parser, n *yaml.Node, c *Code) {
	add := func(v *yaml.Node, status int) {
		of, err := readCondition(v.Value)
		if err != nil {
			p.faultAt(v, err.Error(), "%q is not a condition", v.Value)
			return
		}
		if c.Means(of) {
			p.faultAt(v, "", "condition %s is listed twice", of)
			return
		}
		c.Is = append(c.Is, Meaning{Condition: of, Status: status})
	}
	oneOrMore(p, n, "is", func(v *yaml.Node) {
		if v.Kind != yaml.MappingNode {
			add(v, 0)
			return
		}
		p.pairs(v, "is", func(k, s *yaml.Node) {
			status, err := strconv.Atoi(s.Value)
			if err != nil || status < 100 || status > 599 {
				p.faultAt(s, "write \"condition: status\"", "%q is not an HTTP status", s.Value)
			}
			add(k, status)
		})
	})
}

var timeFormats = []TimeFormat{RFC3339, RFC3339Milli, EpochSeconds, EpochMillis, DeltaSeconds, DeltaMillis, HTTPDate}

var paramTypes = []ParamType{TypeString, TypeInteger, TypeNumber, TypeBoolean, TypeObject, TypeArray, TypeTime, TypeAny}

var paramSection = section[Param]{name: "a parameter", keys: []key[Param]{
	word("type", "JSON type, or time.", paramTypes, func(x *Param) *ParamType { return &x.Type }),
	text("from", "The fact that fills it, where it is not its name.", func(x *Param) *string { return &x.From }),
	word("format", "Form of an instant or a wait.", timeFormats, func(x *Param) *TimeFormat { return &x.Format }),
	text("prefix", "Put before a string value.", func(x *Param) *string { return &x.Prefix }),
	flag("required", "Always present.", func(x *Param) *bool { return &x.Required }),
	text("example", "A typical value.", func(x *Param) *string { return &x.Example }),
	text("doc", "What it tells.", func(x *Param) *string { return &x.Doc }),
}}

func entriesOrType(name, doc string, at func(*Code) *[]*Param) key[Code] {
	one := form{"oneOf": []any{form{"enum": paramTypes}, paramSection.form()}}
	return key[Code]{name: name, doc: doc, form: form{"type": "object", "additionalProperties": one}, read: func(p *parser, n *yaml.Node, c *Code) {
		p.pairs(n, name, func(k, v *yaml.Node) {
			x := &Param{Name: k.Value, From: k.Value, Type: TypeString}
			if v.Kind == yaml.ScalarNode {
				if !slices.Contains(paramTypes, ParamType(v.Value)) {
					p.faultAt(v, didYouMean(v.Value, strings.Split(joinWords(paramTypes), ", ")), "%q is not a type of parameter", v.Value)
				}
				x.Type = ParamType(v.Value)
			} else {
				paramSection.parse(p, v, x)
			}
			*at(c) = append(*at(c), x)
		})
	}}
}

func messages[T any](name, doc string, at func(*T) *[]*Text) key[T] {
	f := form{"type": []string{"string", "array"}, "items": form{"type": "string"}}
	return key[T]{name: name, doc: doc, form: f, read: func(p *parser, n *yaml.Node, into *T) { *at(into) = readTexts(p, n, name) }}
}

func readTexts(p *parser, n *yaml.Node, name string) []*Text {
	var out []*Text
	oneOrMore(p, n, name, func(v *yaml.Node) {
		if s, ok := scalar(p, v, name); ok {
			t, err := parseText(strings.TrimSpace(s))
			if err != nil {
				p.faultAt(v, "write $$ for a dollar sign", "%s: %v", name, err)
				return
			}
			out = append(out, t)
		}
	})
	return out
}

var hintUnits = []hint.Unit{hint.Auto, hint.Seconds, hint.Milliseconds, hint.EpochSeconds, hint.EpochMilliseconds, hint.HTTPDate, hint.RFC3339, hint.Duration}

var clientSection = section[ClientRules]{name: "client", keys: []key[ClientRules]{
	integer("attempts", "All tries of one call, the first included.", 1, 100, func(c *ClientRules) *int { return &c.Attempts }),
	duration("timeout", "Of one attempt.", func(c *ClientRules) *time.Duration { return &c.Timeout }),
	sub("backoff", "The growing wait between attempts.", section[Backoff]{name: "backoff", keys: []key[Backoff]{
		required(duration("first", "Wait before the first retry.", func(b *Backoff) *time.Duration { return &b.First })),
		parsed("factor", "Growth from retry to retry.", form{"type": "number", "minimum": 1}, readFactor, func(b *Backoff) *float64 { return &b.Factor }),
		duration("cap", "Longest wait before jitter.", func(b *Backoff) *time.Duration { return &b.Cap }),
		parsed("jitter", "Added, as 0s..1s, or a factor, as 0.9x..1.1x.", form{"type": "string"}, parseJitter, func(b *Backoff) *Jitter { return &b.Jitter }),
	}}, func(c *ClientRules) *Backoff { return &c.Backoff }),
	list("hints", "Where a response says how long to wait, in order of trust.", section[Hint]{name: "a hint", keys: []key[Hint]{
		text("header", "Name of a header.", func(h *Hint) *string { return &h.Header }),
		parsed("body", "Dotted path of a member.", form{"type": "string"}, dotted, func(h *Hint) *[]string { return &h.Body }),
		word("unit", "Unit of the value; auto when absent.", hintUnits, func(h *Hint) *hint.Unit { return &h.Unit }),
	}}, func(c *ClientRules, h Hint) { c.Hints = append(c.Hints, h) }),
	duration("max_hint", "Longest hint that is waited for; a longer one ends the call at once.", func(c *ClientRules) *time.Duration { return &c.MaxHint }),
	{name: "default_waits", doc: "Waits by status where a hint is missing.", form: form{"type": "object", "additionalProperties": form{"type": "string"}},
		read: func(p *parser, n *yaml.Node, c *ClientRules) {
			c.DefaultWaits = map[int]time.Duration{}
			p.pairs(n, "default_waits", func(k, v *yaml.Node) {
				status, err := strconv.Atoi(k.Value)
				wait, err2 := parseDuration(v.Value)
				if err != nil || err2 != nil {
					p.faultAt(k, "write \"429: 60s\"", "default_waits cannot hold %s: %s", k.Value, v.Value)
					return
				}
				c.DefaultWaits[status] = wait
			})
		}},
	word("network", "Advice for a call that got no response.", retryWords, func(c *ClientRules) *condition.Retry { return &c.Network }),
	{name: "statuses", doc: "Advice by status, for codes that give none.", form: form{"type": "object", "additionalProperties": form{"enum": retryWords}},
		read: func(p *parser, n *yaml.Node, c *ClientRules) {
			p.pairs(n, "statuses", func(k, v *yaml.Node) {
				r, err := parseStatuses(k.Value)
				if err != nil || !condition.Retry(v.Value).Known() {
					p.faultAt(k, "write \"5xx: backoff\"", "statuses cannot hold %s: %s", k.Value, v.Value)
					return
				}
				c.ByStatus = append(c.ByStatus, StatusAdvice{r, condition.Retry(v.Value)})
			})
		}},
	entries("classes", "Typed errors of the API's own clients.", section[Class]{name: "a class", keys: []key[Class]{
		text("base", "The class it derives from.", func(c *Class) *string { return &c.Base }),
		manyOf("status", "Statuses that raise it.", statusForm, parseStatuses, func(c *Class) *[]StatusRange { return &c.Statuses }),
		manyOf("condition", "Conditions that raise it.", conditionForm, readCondition, func(c *Class) *[]condition.Condition { return &c.Conditions }),
		texts("languages", "Languages in which it is documented.", func(c *Class) *[]string { return &c.Languages }),
	}}, func(_ *parser, k *yaml.Node, c *ClientRules, x Class) {
		x.Name = k.Value
		c.Classes = append(c.Classes, x)
	}),
	texts("log", "What callers should log.", func(c *ClientRules) *[]string { return &c.Log }),
	texts("advice", "Guidance to callers.", func(c *ClientRules) *[]string { return &c.Advice }),
}}

func readFactor(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 1 || f > 100 {
		return 0, strconv.ErrRange
	}
	return f, nil
}

// schemaKeywords are the assertions of JSON Schema 2020-12 that a request can break.
var schemaKeywords = []string{
	"type", "enum", "const", "required", "dependentRequired", "additionalProperties", "propertyNames", "minProperties", "maxProperties",
	"minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
	"minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "oneOf", "anyOf", "allOf", "not", "if",
}

var validationSection = section[Validation]{name: "validation", keys: []key[Validation]{
	parsed("body", "Condition of a body; validation_failed when absent.", conditionForm, readCondition, func(v *Validation) *condition.Condition { return &v.Body }),
	parsed("missing", "Condition when a required member or parameter is absent; told like any other fault when this is left out.", conditionForm, readCondition, func(v *Validation) *condition.Condition { return &v.Missing }),
	parsed("structure", "Condition when the body as a whole is at fault: no object, or none or several of members that exclude each other; told like any other fault when this is left out.", conditionForm, readCondition, func(v *Validation) *condition.Condition { return &v.Structure }),
	parsed("parameter", "Condition of a query, path or header parameter; parameter_invalid when absent.", conditionForm, readCondition, func(v *Validation) *condition.Condition { return &v.Parameter }),
	{name: "codes", doc: "Code of a field error by the keyword of JSON Schema that was broken. Where there is none it is pydantic's, such as missing or int_type.",
		form: form{"type": "object", "propertyNames": form{"enum": schemaKeywords}, "additionalProperties": form{"type": "string"}},
		read: func(p *parser, n *yaml.Node, v *Validation) {
			v.Codes = map[string]string{}
			p.pairs(n, "codes", func(k, x *yaml.Node) {
				if !slices.Contains(schemaKeywords, k.Value) {
					p.faultAt(k, didYouMean(k.Value, schemaKeywords), "%q is no keyword of JSON Schema that a value can break", k.Value)
				}
				v.Codes[k.Value] = x.Value
			})
		}},
}}

var bodyConditions = []condition.Condition{condition.ValidationFailed, condition.RequestMalformed, condition.ParameterInvalid, condition.ParameterMissing}

var operationSection = section[Operation]{name: "an operation", keys: []key[Operation]{
	text("id", "Stable name; the method and path when absent.", func(o *Operation) *string { return &o.ID }),
	text("summary", "What it does.", func(o *Operation) *string { return &o.Summary }),
	flag("public", "No key is asked for.", func(o *Operation) *bool { return &o.Public }),
	text("permission", "Permission that the key must hold.", func(o *Operation) *string { return &o.Permission }),
	text("feature", "Feature that the plan must include.", func(o *Operation) *string { return &o.Feature }),
	integer("cost", "Units of the rate that a call takes; 1 when absent.", 0, 1e9, func(o *Operation) *int64 { return &o.Cost }),
	ratesKey("Limits of this operation on top of the plan's.", func(o *Operation) *[]Rate { return &o.Rates }),
	anyJSON("body", "JSON Schema (2020-12) of the request body.", func(o *Operation) *any { return &o.Body }),
	anyJSON("form", "JSON Schema of a body that is a form, as an object of its fields; one of the format binary is a file. For checks and documents: the gateway does not look into forms.", func(o *Operation) *any { return &o.Form }),
	flag("body_required", "An empty body is refused. When absent: for POST, PUT and PATCH, if the schema asks for an object.", func(o *Operation) *bool {
		o.bodySaid = true
		return &o.BodyRequired
	}),
	word("body_condition", "Condition of a body that breaks its schema; what validation says when absent.", bodyConditions, func(o *Operation) *condition.Condition { return &o.BodyCondition }),
	list("parameters", "Query, header and path parameters.", section[Parameter]{name: "a parameter", keys: []key[Parameter]{
		required(word("in", "query, header or path.", []string{"query", "header", "path"}, func(x *Parameter) *string { return &x.In })),
		required(text("name", "Its name.", func(x *Parameter) *string { return &x.Name })),
		flag("required", "Must be there.", func(x *Parameter) *bool { return &x.Required }),
		anyJSON("schema", "JSON Schema of its value.", func(x *Parameter) *any { return &x.Schema }),
		parsed("condition", "Condition of a value that breaks its schema.", conditionForm, readCondition, func(x *Parameter) *condition.Condition { return &x.Condition }),
	}}, func(o *Operation, x Parameter) { o.Parameters = append(o.Parameters, x) }),
	texts("media_types", "Accepted media types of the body.", func(o *Operation) *[]string { return &o.MediaTypes }),
	size("max_body", "Longest body.", func(o *Operation) *int64 { return &o.MaxBody }),
	duration("timeout", "Longest time until the response has begun.", func(o *Operation) *time.Duration { return &o.Timeout }),
	flag("translate", "Turn foreign error bodies of the upstream into this contract's.", func(o *Operation) *bool { return &o.Translate }),
	flag("safe", "Repeating the call does no harm although its method is not idempotent.", func(o *Operation) *bool { return &o.Safe }),
	word("idempotency", "required or off; by default a key is honoured when sent.", []string{"required", "off"}, func(o *Operation) *string { return &o.Idempotency }),
	word("unknown", "What a repetition gets when nobody knows what became of the first: reject, reexecute or reconcile.", unknowns, func(o *Operation) *string { return &o.Unknown }),
	text("reconcile", "Path at the upstream that tells what became of a call, with $key for its idempotency key: 2xx is the answer, 404 says that it never happened.", func(o *Operation) *string { return &o.Reconcile }),
	{name: "charge", doc: "Units of quotas and balances that a call takes if it succeeds, such as credits: 1.", form: form{"type": "object", "additionalProperties": form{"type": "integer", "minimum": 1}},
		read: func(p *parser, n *yaml.Node, o *Operation) {
			p.pairs(n, "charge", func(k, v *yaml.Node) {
				amount, err := strconv.ParseInt(v.Value, 10, 64)
				if err != nil || amount < 1 || amount > 1e12 {
					p.faultAt(v, "write a whole number of 1 or more", "charge %s cannot be %q", k.Value, v.Value)
					return
				}
				o.Charges = append(o.Charges, Charge{Name: k.Value, Amount: amount})
			})
		}},
	flag("slot", "The call counts against the plan's concurrency.", func(o *Operation) *bool { return &o.Slot }),
	flag("stores", "The body is kept: its bytes count against the plan's storage.", func(o *Operation) *bool { return &o.Stores }),
	anyJSON("sample", "A request body that works.", func(o *Operation) *any { return &o.Sample }),
}}

func anyJSON[T any](name, doc string, at func(*T) *any) key[T] {
	return key[T]{name: name, doc: doc, form: form{}, read: func(p *parser, n *yaml.Node, into *T) { *at(into) = p.value(n) }}
}
