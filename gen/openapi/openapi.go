// Package openapi describes a contract's errors to machines: as components of an
// OpenAPI document, merged into one that is there, and as JSON Schemas.
//
// Names of components begin with the API's name, and each component carries
// "x-generated-by: failwell", so that a later run replaces what an earlier one made
// and nothing else.
package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

// New makes an OpenAPI 3.1 document in YAML: the contract's operations with all
// that can go wrong in them. Of successes it says only that they are; the
// contract does not know their form. Components that no operation refers to are
// left out, unless the contract has no operations at all.
func New(c *contract.Contract) ([]gen.File, error) {
	p, err := newParts(c)
	if err != nil {
		return nil, err
	}
	doc := object{{"openapi", "3.1.0"}}
	info := object{{"title", cmp.Or(c.Title, c.API)}, {"version", "1"}}
	if c.Document != "" {
		info.add("description", "Errors are documented at "+c.Document+".")
	}
	doc.add("info", info)
	doc.add("servers", []any{object{{"url", server(c)}}})
	doc = append(doc, p.requirement()...)
	used := map[int]bool{}
	paths, err := p.paths(used)
	if err != nil {
		return nil, err
	}
	doc = append(doc, member{"paths", paths})
	if len(paths) == 0 {
		used = nil
	}
	components := object{}
	for _, s := range p.sections(used) {
		components.add(s.name, s.members)
	}
	doc.add("components", components)
	text, err := dump(nodeOf(doc), layout{step: 2})
	if err != nil {
		return nil, err
	}
	return []gen.File{{Name: "openapi.yaml", Data: text}}, nil
}

// server is where the paths begin: contracts may have the path of base_url in
// their operations as well.
func server(c *contract.Contract) string {
	u, err := url.Parse(c.BaseURL)
	if err != nil || c.BaseURL == "" {
		return "/"
	}
	base := strings.TrimSuffix(u.Path, "/") + "/"
	if slices.ContainsFunc(c.Operations, func(o *contract.Operation) bool { return strings.HasPrefix(o.Path, base) }) {
		u.Path = ""
	}
	return u.String()
}

// requirement says that a call needs one of the keys.
func (p *parts) requirement() object {
	ways := make([]any, 0, len(p.security))
	for _, s := range p.security {
		ways = append(ways, object{{s.name, []any{}}})
	}
	return object{{"security", ways}}
}

func (p *parts) paths(used map[int]bool) (object, error) {
	var paths object
	at := map[string]int{}
	for _, o := range p.contract.Operations {
		path := braced(o.Path)
		if _, ok := at[path]; !ok {
			at[path] = len(paths)
			paths = append(paths, member{path, object{}})
		}
		x, err := p.operation(o, used)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", o.Method, o.Path, err)
		}
		item, _ := paths[at[path]].value.(object)
		item.add(strings.ToLower(o.Method), x)
		paths[at[path]].value = item
	}
	return paths, nil
}

// braced turns a pattern of net/http.ServeMux into a path template.
func braced(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "...}", "}"), "/{$}", "/")
}

func (p *parts) operation(o *contract.Operation, used map[int]bool) (object, error) {
	out := object{}
	out.add("operationId", idOf(o))
	out.add("summary", o.Summary)
	if o.Public && len(p.security) > 0 {
		out = append(out, member{"security", []any{}})
	}
	parameters, err := p.parameters(o)
	if err != nil {
		return nil, err
	}
	out.add("parameters", parameters)
	if o.Body != nil || len(o.MediaTypes) > 0 {
		body, err := requestBody(o)
		if err != nil {
			return nil, err
		}
		out.add("requestBody", body)
	}
	responses := object{{"2XX", object{{"description", "It is done."}}}}
	for _, status := range p.refusals(callOf(o)) {
		used[status] = true
		responses = append(responses, member{strconv.Itoa(status), ref("responses", p.responseName(status))})
	}
	out.add("responses", responses)
	return out, nil
}

// idOf is the operation's id in characters that may stand in a URL.
func idOf(o *contract.Operation) string {
	if strings.ContainsAny(o.ID, " /{}") {
		return strings.ToLower(o.Method) + gen.Pascal(o.Path)
	}
	return o.ID
}

func callOf(o *contract.Operation) *call {
	return &call{
		method: o.Method, path: o.Path, operation: o, public: o.Public,
		body: o.Body != nil || len(o.MediaTypes) > 0, params: len(o.Parameters) > 0,
	}
}

func (p *parts) parameters(o *contract.Operation) ([]any, error) {
	var out []any
	named := map[string]bool{}
	for _, x := range o.Parameters {
		named[x.In+" "+x.Name] = true
		y := append(make(object, 0, 4), member{"in", x.In}, member{"name", x.Name})
		if x.Required || x.In == "path" {
			y.add("required", true)
		}
		schema, err := jsonNode(x.Schema)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", x.Name, err)
		}
		y.add("schema", schema)
		out = append(out, y)
	}
	for part := range strings.SplitSeq(braced(o.Path), "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok && !named["path "+strings.TrimSuffix(name, "}")] {
			name = strings.TrimSuffix(name, "}")
			out = append(out, object{{"in", "path"}, {"name", name}, {"required", true}, {"schema", object{{"type", "string"}}}})
		}
	}
	if i := &p.contract.Idempotency; i.Header != "" && slices.Contains(i.Methods, o.Method) && o.Idempotency != "off" && !named["header "+i.Header] {
		y := object{{"in", "header"}, {"name", i.Header}, {"description", "The same key on each repetition of a call: it is done once."}}
		if o.Idempotency == "required" {
			y.add("required", true)
		}
		y.add("schema", object{{"type", "string"}})
		out = append(out, y)
	}
	return out, nil
}

func requestBody(o *contract.Operation) (object, error) {
	mediaTypes := o.MediaTypes
	if len(mediaTypes) == 0 {
		mediaTypes = []string{"application/json"}
	}
	schema, err := jsonNode(o.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	form, err := jsonNode(o.Form)
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	content := object{}
	for _, mediaType := range mediaTypes {
		x := object{{"schema", schema}}
		if contract.IsForm(mediaType) {
			x = object{{"schema", form}}
		}
		if o.Sample != nil && mediaType == "application/json" {
			sample, err := jsonNode(o.Sample)
			if err != nil {
				return nil, fmt.Errorf("sample: %w", err)
			}
			x.add("example", sample)
		}
		content = append(content, member{mediaType, x})
	}
	out := object{}
	if o.BodyRequired {
		out.add("required", true)
	}
	out.add("content", content)
	return out, nil
}

// jsonNode is a JSON value as a node; nothing is the schema that takes anything.
func jsonNode(v any) (*yaml.Node, error) {
	if v == nil {
		return nodeOf(object{}), nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	return parsed(text)
}

// layout is how a YAML document is indented.
type layout struct {
	step int
	// compact: items of a list stand at the margin of its name.
	compact bool
}

// unfolded is wider than any line: where text is folded would depend on how far
// in it stands, and a second run would fold it elsewhere.
const unfolded = 1 << 20

func dump(n *yaml.Node, l layout) ([]byte, error) {
	// The encoder takes tags away from what it writes.
	out, err := yaml.Dump(clone(n), yaml.WithV3Defaults(), yaml.WithIndent(l.step), yaml.WithCompactSeqIndent(l.compact), yaml.WithLineWidth(unfolded))
	if err != nil {
		return nil, fmt.Errorf("yaml: %w", err)
	}
	return out, nil
}
