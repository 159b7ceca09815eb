package server

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// bodies are request bodies that an operation has to refuse.
func (p *planner) bodies(o *contract.Operation) {
	if !hasBody(o.Method) {
		return
	}
	good, known := p.call(o)
	if !known { // who knows which of several faults is told
		return
	}
	p.forms(o, good)
	takesJSON := len(o.MediaTypes) == 0 || slices.Contains(o.MediaTypes, "application/json")
	if o.Body != nil && takesJSON {
		p.refused(ruleBroken, o, "a body that is no JSON", good.carrying("application/json", `{"failwell": `), "",
			condition.FormatInvalid, condition.RequestMalformed)
		invalid := p.invalid(o)
		if body, field, ok := p.schemas.without(o); ok {
			p.refused(ruleFieldMissing, o, "without "+field, good.carrying("application/json", body), field, cmp.Or(p.contract.Validation.Missing, invalid))
		}
		if body, field, ok := p.schemas.broken(o); ok {
			p.refused(ruleFieldInvalid, o, field+" of the wrong type", good.carrying("application/json", body), field, invalid)
		}
	}
	if len(o.MediaTypes) > 0 {
		p.refused(ruleMedia, o, "a body of another media type", good.carrying("application/x-"+unheard, "<"+unheard+"/>"), "", condition.MediaUnsupported)
	}
	if o.MaxBody > 0 && o.MaxBody < longestBody {
		r := good.carrying(cmp.Or(first(o.MediaTypes), "application/json"), "")
		r.blanks = o.MaxBody + 1
		p.refused(ruleBodySize, o, fmt.Sprintf("a body of %d bytes", r.blanks), r, "", condition.BodyTooLarge)
	}
}

// invalid is what a body that breaks its schema is told as.
func (p *planner) invalid(o *contract.Operation) condition.Condition {
	return cmp.Or(o.BodyCondition, p.contract.Validation.Body, condition.ValidationFailed)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// parameters are values that break the schema of a parameter.
func (p *planner) parameters(o *contract.Operation) {
	good, known := p.call(o)
	if !known {
		return
	}
	for _, x := range o.Parameters {
		if x.In != "query" {
			continue
		}
		invalid := cmp.Or(x.Condition, p.contract.Validation.Parameter, condition.ParameterInvalid)
		if x.Required {
			r := good
			path, _, _ := strings.Cut(good.path, "?")
			r.path = path
			p.refused(ruleParameterMissing, o, "without "+x.Name, r, x.Name, cmp.Or(p.contract.Validation.Missing, invalid))
			continue
		}
		if wrong, ok := wrongValue(x.Schema); ok {
			r := good
			r.with(x.Name, wrong)
			p.refused(ruleParameterInvalid, o, x.Name+"="+wrong, r, x.Name, invalid)
			return // one of each operation is enough
		}
	}
}

// wrongValue is text that a schema for one value refuses.
func wrongValue(schema any) (string, bool) {
	m, ok := schema.(map[string]any)
	if !ok {
		return "", false
	}
	compiled, err := compile(schema)
	if err != nil {
		return "", false
	}
	switch m["type"] {
	case "integer", "number", "boolean":
		return unheard, true
	case "string":
		return unheard, compiled.Validate(unheard) != nil
	}
	return "", false
}

// resources are ids that nothing has.
func (p *planner) resources(o *contract.Operation) {
	if o.Method != http.MethodGet || !strings.Contains(o.Path, "{") {
		return
	}
	made := *p.checker
	made.config.Params = nil
	r, known := made.call(o)
	if known || len(o.Parameters) == 0 && !strings.Contains(r.path, unheard) {
		return
	}
	p.refused(ruleResource, o, "an id that nothing has", r, "", condition.ResourceMissing)
}

// idempotencyKeys are keys that cannot be one.
func (p *planner) idempotencyKeys() {
	i := &p.contract.Idempotency
	if i.Header == "" {
		return
	}
	for _, o := range p.operations() {
		r, known := p.call(o)
		if !known || !p.honours(o) {
			continue
		}
		long := r
		long.header, long.once = slices.Clone(r.header), ""
		long.set(i.Header, strings.Repeat("k", 4096))
		p.refused(ruleKeySyntax, o, "an idempotency key of 4096 characters", long, "")
		if o.Idempotency == "required" {
			bare := r
			bare.once = ""
			p.refused(ruleKeyRequired, o, "no idempotency key", bare, "")
		}
	}
}

// honours reports whether an operation takes idempotency keys.
func (k *checker) honours(o *contract.Operation) bool {
	i := &k.contract.Idempotency
	return i.Header != "" && o.Idempotency != "off" && slices.Contains(i.Methods, o.Method)
}

// writable lists operations that can be called for an effect, the cheapest first.
func (k *checker) writable() (list []*contract.Operation) {
	for _, o := range k.operations() {
		if _, known := k.call(o); known && k.honours(o) && o.Body != nil {
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b *contract.Operation) int {
		return cmp.Or(cmp.Compare(len(a.Charges), len(b.Charges)), cmp.Compare(strings.Count(a.Path, "{"), strings.Count(b.Path, "{")))
	})
	return list
}

// atOnce is how many calls of one key come at the same time.
const atOnce = 5

// writes are calls that have an effect, and their repetitions.
func (p *planner) writes() {
	list := p.writable()
	if len(list) == 0 {
		return
	}
	o := list[0]
	under := func(o *contract.Operation, key string) request {
		r, _ := p.call(o)
		r.once = key
		return r
	}
	add := func(kind kind, o *contract.Operation, subject string, effect Effect, r request) {
		p.add(probe{kind: kind, subject: subject, operation: o, effect: effect, request: r})
	}
	key := freshKey()
	add(kindFirst, o, "under an idempotency key", Writes, under(o, key))
	add(kindAgain, o, "once more", Reads, under(o, key))
	if body, ok := p.schemas.changed(o); ok {
		r := under(o, key)
		r.body = body
		add(kindOther, o, "the same idempotency key, another body", Refused, r)
	}
	if len(list) > 1 && list[1].Path != o.Path {
		add(kindElsewhere, list[1], "the same idempotency key at another path", Writes, under(list[1], key))
	}
	r := under(o, key)
	r.key = otherKey
	if !o.Public {
		add(kindAccount, o, "the same idempotency key, another account", Writes, r)
	}
	key = freshKey()
	for range atOnce {
		add(kindAtOnce, o, "one of "+strconv.Itoa(atOnce)+" at once under one idempotency key", Writes, under(o, key))
	}
}

// limit stands for the calls that use a limit up.
func (p *planner) limit() {
	o := p.readable()
	if o == nil || o.Public || p.key(validKey) == "" {
		return
	}
	r, _ := p.call(o)
	p.add(probe{kind: kindFill, subject: "until the limit is used up", operation: o, effect: Reads, request: r})
}
