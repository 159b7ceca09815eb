package openapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

// mark is a member of every component that is made here, so that a later run
// knows it from those that somebody wrote.
const mark = "x-generated-by"

const marked = "failwell"

// parts are the components that describe a contract's errors.
type parts struct {
	contract *contract.Contract
	// prefix begins their names.
	prefix   string
	schemas  object
	headers  object
	examples object
	// responses by status.
	responses map[int]object
	security  object
}

func newParts(c *contract.Contract) (*parts, error) {
	p := &parts{contract: c, prefix: gen.Pascal(c.API), responses: map[int]object{}}
	if err := p.addSchemas(); err != nil {
		return nil, err
	}
	p.addHeaders()
	byStatus := map[int][]sent{}
	for _, code := range c.Codes {
		for _, status := range statusesOf(code) {
			byStatus[status] = append(byStatus[status], sent{code, status})
		}
	}
	for status, all := range byStatus {
		p.responses[status] = p.response(status, all)
	}
	for _, code := range c.Codes {
		for _, status := range statusesOf(code) {
			if err := p.addExample(sent{code, status}); err != nil {
				return nil, err
			}
		}
	}
	for i, s := range c.Auth.Schemes {
		scheme := object{{"type", "apiKey"}, {"in", s.In}, {"name", s.Name}, {mark, marked}}
		if strings.EqualFold(strings.TrimSpace(s.Prefix), "bearer") && strings.EqualFold(s.Name, "Authorization") {
			scheme = object{{"type", "http"}, {"scheme", "bearer"}, {mark, marked}}
		}
		p.security.add(p.prefix+"Key"+strconv.Itoa(i+1), scheme)
	}
	return p, nil
}

// sent is a code under one of its statuses.
type sent struct {
	code   *contract.Code
	status int
}

// statusesOf are the statuses that a code names one by one.
func statusesOf(code *contract.Code) []int {
	list := append(make([]int, 0, 1+len(code.Is)), code.Status)
	for _, m := range code.Is {
		list = append(list, code.StatusOf(m.Condition))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// schemaName is the component that describes what an envelope carries.
func (p *parts) schemaName(e *contract.Envelope) string {
	if len(p.contract.Envelopes) == 1 {
		return p.prefix + "Error"
	}
	return p.prefix + gen.Pascal(e.Name) + "Error"
}

func (p *parts) addSchemas() error {
	for _, e := range p.contract.Envelopes {
		text := p.contract.ErrorSchema(e)
		if text == nil || !p.used(e) {
			continue
		}
		n, err := parsed(text)
		if err != nil {
			return fmt.Errorf("schema of %s: %w", e.Name, err)
		}
		n.Content = append(n.Content, textNode(mark), textNode(marked))
		p.schemas.add(p.schemaName(e), n)
	}
	return nil
}

func (p *parts) used(e *contract.Envelope) bool {
	return slices.ContainsFunc(p.contract.Codes, func(c *contract.Code) bool { return c.Envelope == e })
}

func (p *parts) exampleName(s sent) string {
	name := p.prefix + "." + s.code.Slug
	if s.status != s.code.Status {
		name += "." + strconv.Itoa(s.status)
	}
	return name
}

func (p *parts) addExample(s sent) error {
	f := p.contract.SampleFailure(s.code)
	f.Status, f.Condition = s.status, s.code.Condition(s.status)
	body, _, _ := p.contract.AppendError(nil, &f)
	value := textNode(string(body))
	if p.contract.ErrorSchema(s.code.Envelope, s.code) != nil {
		var err error
		if value, err = parsed(body); err != nil {
			return fmt.Errorf("example of %s: %w", s.code.Name, err)
		}
	}
	x := object{}
	x.add("summary", p.contract.Explain(s.code).Meaning)
	x.add("value", value)
	x.add(mark, marked)
	p.examples.add(p.exampleName(s), x)
	return nil
}

func ref(section, name string) object {
	return object{{"$ref", "#/components/" + section + "/" + name}}
}

func (p *parts) responseName(status int) string { return p.prefix + strconv.Itoa(status) }

func (p *parts) response(status int, all []sent) object {
	type body struct {
		schemas  []any
		names    []string
		examples object
	}
	contents := map[string]*body{}
	var order []string
	var told strings.Builder
	fmt.Fprintf(&told, "%s.\n", http.StatusText(status))
	for _, s := range all {
		e := s.code.Envelope
		b := contents[e.MediaType]
		if b == nil {
			b = &body{}
			contents[e.MediaType], order = b, append(order, e.MediaType)
		}
		if name := p.schemaName(e); get(nodeOf(p.schemas), name) != nil && !slices.Contains(b.names, name) {
			b.names, b.schemas = append(b.names, name), append(b.schemas, ref("schemas", name))
		}
		b.examples.add(s.code.Slug, ref("examples", p.exampleName(s)))
		fmt.Fprintf(&told, "\n- `%s`: %s", s.code.Error(), p.contract.Explain(s.code).Meaning)
	}
	content := make(object, 0, len(order))
	for _, mediaType := range order {
		b := contents[mediaType]
		x := object{}
		switch len(b.schemas) {
		case 0:
			x.add("schema", object{{"type", "string"}})
		case 1:
			x.add("schema", b.schemas[0])
		default:
			x.add("schema", object{{"anyOf", b.schemas}})
		}
		x.add("examples", b.examples)
		content = append(content, member{mediaType, x})
	}
	out := object{{"description", strings.TrimSpace(told.String())}}
	headers := object{}
	for _, h := range p.headersOn(status) {
		headers.add(h, ref("headers", p.headerName(h)))
	}
	out.add("headers", headers)
	out.add("content", content)
	out.add(mark, marked)
	return out
}

func (p *parts) headerName(name string) string { return p.prefix + gen.Pascal(name) }

// header is one that the contract names.
type header struct {
	name, about, kind string
	on                contract.On
}

func (p *parts) allHeaders() []header {
	h := &p.contract.Headers
	always := contract.On{All: true}
	list := []header{
		{h.RequestID.Name, "Id of the request; give it to support.", "string", always},
		{h.ProcessTime.Name, "How long the work took, in " + h.ProcessTime.Unit + ".", "number", always},
		{h.RetryAfter.Name, "How long to wait: " + formOf(h.RetryAfter.Format) + ".", kindOf(h.RetryAfter.Format), h.RetryAfter.On},
		{h.RateLimit.Limit, "Calls that the window has.", "integer", h.RateLimit.On},
		{h.RateLimit.Remaining, "Calls that are left of it.", "integer", h.RateLimit.On},
		{h.RateLimit.Reset, "When all of them are free again: " + formOf(h.RateLimit.ResetFormat) + ".", kindOf(h.RateLimit.ResetFormat), h.RateLimit.On},
		{h.Code, "Code of the error.", "string", always},
	}
	if h.RateLimit.IETF {
		list = append(list, header{"RateLimit", "What is left of each limit (IETF draft).", "string", h.RateLimit.On},
			header{"RateLimit-Policy", "The limits (IETF draft).", "string", h.RateLimit.On})
	}
	return slices.DeleteFunc(list, func(x header) bool { return x.name == "" })
}

func formOf(f contract.TimeFormat) string {
	return map[contract.TimeFormat]string{
		contract.DeltaSeconds: "seconds", contract.DeltaMillis: "milliseconds", contract.EpochSeconds: "seconds since 1970",
		contract.EpochMillis: "milliseconds since 1970", contract.HTTPDate: "an HTTP date", contract.RFC3339: "a date and time (RFC 3339)",
	}[f]
}

func kindOf(f contract.TimeFormat) string {
	if f == contract.HTTPDate || f == contract.RFC3339 {
		return "string"
	}
	return "integer"
}

func (p *parts) addHeaders() {
	for _, h := range p.allHeaders() {
		p.headers.add(p.headerName(h.name), object{{"description", h.about}, {"schema", object{{"type", h.kind}}}, {mark, marked}})
	}
}

func (p *parts) headersOn(status int) (names []string) {
	for _, h := range p.allHeaders() {
		// A wait comes with failures that pass by themselves.
		if h.on.Holds(status) && (h.name != p.contract.Headers.RetryAfter.Name || status == 429 || status == 503 || !h.on.All) {
			names = append(names, h.name)
		}
	}
	return names
}

// refusals are the responses of a call, by status; only those that are used end
// up in the document.
func (p *parts) refusals(x *call) []int {
	return slices.DeleteFunc(x.statuses(p.contract), func(status int) bool { return p.responses[status] == nil })
}

// sections are the components by section, in the order in which documents have
// them. used leaves out responses and what only those refer to; nil keeps all.
func (p *parts) sections(used map[int]bool) []section {
	responses, needed := object{}, map[string]bool{}
	for status := 100; status < 1000; status++ {
		if r := p.responses[status]; r != nil && (used == nil || used[status]) {
			responses.add(p.responseName(status), r)
			refs(nodeOf(r), needed)
		}
	}
	keep := func(name string, all object) section {
		out := section{name: name}
		for _, m := range all {
			if used == nil || needed["#/components/"+name+"/"+m.name] {
				out.members = append(out.members, m)
			}
		}
		return out
	}
	list := []section{
		keep("schemas", p.schemas), {"responses", responses}, keep("examples", p.examples), keep("headers", p.headers), {"securitySchemes", p.security},
	}
	return slices.DeleteFunc(list, func(s section) bool { return len(s.members) == 0 })
}

type section struct {
	name    string
	members object
}

// refs collects what a tree refers to.
func refs(n *yaml.Node, into map[string]bool) {
	if r := get(n, "$ref"); r != nil {
		into[r.Value] = true
	}
	for _, x := range n.Content {
		refs(x, into)
	}
}
