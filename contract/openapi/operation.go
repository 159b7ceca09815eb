package openapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
)

func (im *importer) readPaths() {
	for path, item := range members(im.at(im.root, "paths")) {
		if !strings.HasPrefix(path.Value, "/") {
			continue // x-… members, which are not ours
		}
		typed := im.doc.Paths.Value(path.Value)
		item = im.follow(item)
		for method, node := range members(item) {
			upper := strings.ToUpper(method.Value)
			if typed == nil || typed.Operations()[upper] == nil || node.Kind != yaml.MappingNode {
				continue
			}
			im.readOperation(place{path: path, method: method, item: item, node: node, in: typed, op: typed.Operations()[upper]})
		}
	}
}

// place is one operation in both views of the document.
type place struct {
	path, method, item, node *yaml.Node
	in                       *openapi3.PathItem
	op                       *openapi3.Operation
}

func (im *importer) readOperation(at place) {
	servers := im.doc.Servers
	switch {
	case at.op.Servers != nil && len(*at.op.Servers) > 0:
		servers = *at.op.Servers
	case len(at.in.Servers) > 0:
		servers = at.in.Servers
	}
	base, err := basePath(servers)
	if err != nil {
		im.fault(at.method, "give the variable a default", "%v", err)
		return
	}
	route, wildcards, err := pattern(base, at.path.Value)
	if err != nil {
		im.fault(at.path, "write parameters as {name}", "%v", err)
		return
	}
	o := &contract.Operation{
		ID: at.op.OperationID, Method: strings.ToUpper(at.method.Value), Path: route,
		Summary: strings.TrimSpace(at.op.Summary), Cost: 0, Public: im.public(at.op),
		Pos: contract.Position{File: im.name, Line: at.method.Line},
	}
	if o.ID == "" {
		o.ID = o.Method + " " + o.Path
	}
	if line, taken := im.taken(o, at.method.Line); taken {
		im.fault(at.method, "let their paths differ in more than parameters", "%s %s takes the same requests as the operation at line %d", o.Method, at.path.Value, line)
	}
	im.readParameters(o, at, wildcards)
	im.readBody(o, at)
	im.faults = append(im.faults, o.Extend(im.name, extensions(at.item, at.node))...)
	im.operations = append(im.operations, o)
}

// separateIDs lets the method and the path stand for an operationId that
// several operations have. OpenAPI forbids that, but frameworks that serve
// several methods with one function write such documents. None of them keeps
// the id: which of them comes first may change from run to run.
func (im *importer) separateIDs() {
	uses := map[string]int{}
	for _, o := range im.operations {
		uses[o.ID]++
	}
	for _, o := range im.operations {
		if uses[o.ID] > 1 {
			o.ID = o.Method + " " + o.Path
		}
	}
}

var wildcard = regexp.MustCompile(`\{[^$}]+\}`)

func (im *importer) taken(o *contract.Operation, line int) (int, bool) {
	key := o.Method + " " + wildcard.ReplaceAllString(o.Path, "{}")
	first, taken := im.patterns[key]
	if !taken {
		im.patterns[key] = line
	}
	return first, taken
}

// public: a call without credentials is allowed in so many words. A document
// that says nothing about security is not taken as an invitation.
func (im *importer) public(op *openapi3.Operation) bool {
	requirements := im.doc.Security
	if op.Security != nil {
		requirements = *op.Security
	}
	if requirements == nil {
		return false
	}
	return len(requirements) == 0 || slices.ContainsFunc(requirements, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
}

// extensions of an operation: its own, and those of its path item that it does
// not say itself.
func extensions(item, operation *yaml.Node) *yaml.Node {
	all := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: operation.Line}
	for k, v := range members(operation) {
		if strings.HasPrefix(k.Value, contract.ExtensionPrefix) {
			all.Content = append(all.Content, k, v)
		}
	}
	for k, v := range members(item) {
		if strings.HasPrefix(k.Value, contract.ExtensionPrefix) && member(all, k.Value) == nil {
			all.Content = append(all.Content, k, v)
		}
	}
	return all
}

// readParameters takes those of the path item first; the operation's own
// replace them (OpenAPI 3.1, Operation Object).
func (im *importer) readParameters(o *contract.Operation, at place, wildcards map[string]string) {
	add := func(owner *yaml.Node, list openapi3.Parameters) {
		for i, ref := range list {
			nodes := im.at(owner, "parameters")
			if ref == nil || ref.Value == nil || nodes == nil || i >= len(nodes.Content) {
				continue
			}
			p, ok := im.parameter(ref.Value, im.follow(nodes.Content[i]), wildcards)
			if !ok {
				continue
			}
			same := func(x contract.Parameter) bool { return x.In == p.In && x.Name == p.Name }
			o.Parameters = append(slices.DeleteFunc(o.Parameters, same), p)
		}
	}
	add(at.item, at.in.Parameters)
	add(at.node, at.op.Parameters)
}

// notParameters are headers that OpenAPI describes elsewhere: a parameter of
// that name is to be ignored (OpenAPI 3.1, Parameter Object, name).
var notParameters = []string{"accept", "content-type", "authorization"}

func (im *importer) parameter(x *openapi3.Parameter, node *yaml.Node, wildcards map[string]string) (contract.Parameter, bool) {
	p := contract.Parameter{In: x.In, Name: x.Name, Required: x.Required}
	switch x.In {
	case "path":
		name, whole := wildcards[x.Name]
		if !whole {
			return p, false // a part of a segment, which the pattern cannot name
		}
		p.Name, p.Required = name, true
	case "header":
		if slices.Contains(notParameters, strings.ToLower(x.Name)) {
			return p, false
		}
	case "query":
		if x.Style == "deepObject" || x.Style == "spaceDelimited" || x.Style == "pipeDelimited" || objectLike(x) {
			return p, false // its members stand under other names
		}
	default:
		return p, false
	}
	if schema := im.at(node, "schema"); schema != nil && checkable(x) {
		p.Schema = im.schema(member(node, "schema"))
	}
	return p, true
}

func objectLike(x *openapi3.Parameter) bool {
	return x.Schema != nil && x.Schema.Value != nil && x.Schema.Value.Type.Is("object")
}

// checkable: one value of the wire is one value of the schema. Lists in one
// value, and objects, have forms that a schema does not tell.
func checkable(x *openapi3.Parameter) bool {
	if x.Schema == nil || x.Schema.Value == nil || objectLike(x) {
		return false
	}
	list := x.Schema.Value.Type.Includes("array")
	return !list || x.In == "query" && (x.Explode == nil || *x.Explode)
}
