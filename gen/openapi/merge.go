package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
)

// Merge puts a contract's errors into an OpenAPI 3.0 or 3.1 document, JSON or
// YAML: components, and in each operation the responses that it lacks. What is
// there stays: responses that somebody wrote, comments, order, layout. What an
// earlier run put in is brought up to date. name is for messages.
//
// Where the document says nothing of security, the contract's is added.
func Merge(c *contract.Contract, name string, document []byte) ([]byte, error) {
	document = bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
	document = bytes.ReplaceAll(document, []byte("\r\n"), []byte("\n"))
	m, err := newMerger(c, name, document)
	if err != nil {
		return nil, err
	}
	if err := m.plan(); err != nil {
		return nil, err
	}
	if json.Valid(document) {
		m.intoTree()
		return append(appendJSON(nil, m.root, stepOf(document), ""), '\n'), nil
	}
	out, err := m.intoText(document)
	l := newText(document).layout
	m.intoTree()
	if err == nil && m.says(out) {
		return out, nil
	}
	// Braces, anchors, or a layout in which lines cannot be told apart.
	return dump(m.root, l)
}

// merger decides on changes, which are then made in the tree or in the text.
type merger struct {
	contract *contract.Contract
	parts    *parts
	name     string
	root     *yaml.Node
	old      bool // OpenAPI 3.0
	changes  []change
	// braces: something to change is not a block.
	braces bool
}

// change is made to one mapping.
type change struct {
	// key names the mapping in the one around it; nil for the whole document.
	key     *yaml.Node
	mapping *yaml.Node
	// replaced are members by name; an empty object removes one.
	replaced object
	added    object
}

func newMerger(c *contract.Contract, name string, document []byte) (*merger, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("%s: neither JSON nor YAML: %w", name, err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: the top is not a mapping", name)
	}
	m := &merger{contract: c, name: name, root: root.Content[0]}
	version := get(m.root, "openapi")
	if version == nil || !strings.HasPrefix(version.Value, "3.") {
		return nil, fmt.Errorf("%s:%d: no OpenAPI 3 document, convert it first", name, m.root.Line)
	}
	m.old = strings.HasPrefix(version.Value, "3.0")
	if get(m.root, "paths") == nil {
		return nil, fmt.Errorf("%s:%d: the document has no paths", name, m.root.Line)
	}
	var err error
	m.parts, err = newParts(c)
	return m, err
}

func (m *merger) plan() error {
	used := map[int]bool{}
	paths := get(m.root, "paths")
	for i := 0; i+1 < len(paths.Content); i += 2 {
		item := paths.Content[i+1]
		for j := 0; item.Kind == yaml.MappingNode && j+1 < len(item.Content); j += 2 {
			if method := item.Content[j].Value; slices.Contains(methods, method) {
				if err := m.operation(paths.Content[i].Value, method, item, item.Content[j+1], used); err != nil {
					return err
				}
			}
		}
	}
	silent := get(m.root, "security") == nil && get(m.root, "components", "securitySchemes") == nil
	if silent && len(m.parts.security) > 0 {
		m.change(nil, "", nil, m.parts.requirement())
	}
	return m.components(used, silent)
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

func (m *merger) operation(path, method string, item, o *yaml.Node, used map[int]bool) error {
	if o.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: an operation should be a mapping", m.name, o.Line)
	}
	x := &call{
		method: strings.ToUpper(method), path: path, body: get(o, "requestBody") != nil,
		params: get(o, "parameters") != nil || get(item, "parameters") != nil,
	}
	for _, known := range m.contract.Operations {
		if known.Method == x.method && shape(braced(known.Path)) == shape(m.base()+path) {
			x.operation, x.public = known, known.Public
		}
	}
	if security := get(o, "security"); security != nil {
		x.public = len(security.Content) == 0
	}
	responses := get(o, "responses")
	if responses != nil && responses.Kind != yaml.MappingNode && !empty(responses) {
		return nil // shared with others by an alias: not ours to change
	}
	var replaced, added object
	present := map[string]bool{}
	wanted := m.parts.refusals(x)
	for i := 0; responses != nil && i+1 < len(responses.Content); i += 2 {
		status := responses.Content[i].Value
		ours := m.ours(responses.Content[i+1])
		n, err := strconv.Atoi(status)
		if ours && (err != nil || !slices.Contains(wanted, n)) {
			replaced = append(replaced, member{status, object{}})
			continue
		}
		present[strings.ToUpper(status)] = true
		if ours {
			used[n] = true
		}
	}
	for _, status := range wanted {
		s := strconv.Itoa(status)
		if !present[s] && !present[s[:1]+"XX"] {
			used[status] = true
			added = append(added, member{s, ref("responses", m.parts.responseName(status))})
		}
	}
	if responses == nil {
		m.change(item, method, nil, object{{"responses", added}})
		return nil
	}
	m.change(o, "responses", replaced, added)
	return nil
}

// ours: a response is one that an earlier run has put in.
func (m *merger) ours(response *yaml.Node) bool {
	to := get(response, "$ref")
	if to == nil {
		return false
	}
	status, ok := strings.CutPrefix(to.Value, "#/components/responses/"+m.parts.prefix)
	_, err := strconv.Atoi(status)
	return ok && err == nil
}

// empty: a name stands there without a value.
func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// base is the path of the first server.
func (m *merger) base() string {
	servers := get(m.root, "servers")
	if servers == nil || servers.Kind != yaml.SequenceNode || len(servers.Content) == 0 {
		return ""
	}
	url := get(servers.Content[0], "url")
	if url == nil {
		return ""
	}
	_, rest, found := strings.Cut(url.Value, "://")
	if !found {
		return strings.TrimSuffix(url.Value, "/")
	}
	_, path, _ := strings.Cut(rest, "/")
	return strings.TrimSuffix("/"+path, "/")
}

// shape is a path without the names of its variables.
func shape(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

func (m *merger) components(used map[int]bool, silent bool) error {
	sections := m.parts.sections(used)
	if !silent {
		sections = slices.DeleteFunc(sections, func(s section) bool {
			there := get(m.root, "components", s.name)
			return s.name == "securitySchemes" && (there == nil || !slices.ContainsFunc(s.members, func(x member) bool { return get(there, x.name) != nil }))
		})
	}
	if m.old {
		for i := range sections {
			for j, x := range sections[i].members {
				sections[i].members[j].value = older(nodeOf(x.value))
			}
		}
	}
	components := get(m.root, "components")
	if components == nil {
		all := object{}
		for _, s := range sections {
			all.add(s.name, s.members)
		}
		m.change(nil, "", nil, object{{"components", all}})
		return nil
	}
	var missing object
	for _, s := range sections {
		there := get(components, s.name)
		if there == nil {
			missing.add(s.name, s.members)
			continue
		}
		if there.Kind != yaml.MappingNode && !empty(there) {
			return fmt.Errorf("%s:%d: components.%s should be a mapping", m.name, there.Line, s.name)
		}
		if err := m.section(components, there, s); err != nil {
			return err
		}
	}
	m.change(m.root, "components", nil, missing)
	return nil
}

// section brings one section of the components up to date.
func (m *merger) section(components, there *yaml.Node, s section) error {
	var replaced, added object
	for i := 0; i+1 < len(there.Content); i += 2 {
		name, by := there.Content[i].Value, get(there.Content[i+1], mark)
		generated := by != nil && by.Value == marked
		at := slices.IndexFunc(s.members, func(x member) bool { return x.name == name })
		switch {
		case at >= 0 && !generated:
			return fmt.Errorf("%s:%d: components.%s.%s is there already and was not made here, rename it", m.name, there.Content[i].Line, s.name, name)
		case at >= 0:
			replaced = append(replaced, member{name, object{{name, s.members[at].value}}})
		case generated && strings.HasPrefix(name, m.parts.prefix):
			replaced = append(replaced, member{name, object{}})
		}
	}
	for _, x := range s.members {
		if get(there, x.name) == nil {
			added = append(added, x)
		}
	}
	m.change(components, s.name, replaced, added)
	return nil
}

func (m *merger) change(around *yaml.Node, name string, replaced, added object) {
	if len(replaced)+len(added) == 0 {
		return
	}
	c := change{mapping: m.root, replaced: replaced, added: added}
	if around != nil {
		c.key, c.mapping = entry(around, name)
		if around.Style&yaml.FlowStyle != 0 && !block(c.mapping) {
			m.braces = true
		}
	}
	m.changes = append(m.changes, c)
	m.braces = m.braces || c.mapping.Anchor != "" && !block(c.mapping)
}

// block: members of a mapping stand in lines of their own.
func block(n *yaml.Node) bool { return n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 }

var errBraces = errors.New("a mapping in braces")

func (m *merger) intoText(document []byte) ([]byte, error) {
	if m.braces {
		return nil, errBraces
	}
	t := newText(document)
	for _, c := range m.changes {
		if !block(c.mapping) {
			whole := *c.mapping
			whole.Content = slices.Clone(c.mapping.Content)
			c.makeIn(&whole)
			if err := t.replace(c.key, object{{c.key.Value, &whole}}); err != nil {
				return nil, err
			}
			continue
		}
		for _, r := range c.replaced {
			key, _ := entry(c.mapping, r.name)
			with, _ := r.value.(object)
			if err := t.replace(key, with); err != nil {
				return nil, err
			}
		}
		if len(c.added) > 0 {
			if err := t.add(c.mapping, c.added); err != nil {
				return nil, err
			}
		}
	}
	return t.bytes(), nil
}

// says reports whether a text says the same as the tree.
func (m *merger) says(out []byte) bool {
	var root yaml.Node
	return yaml.Unmarshal(out, &root) == nil && len(root.Content) == 1 && equal(root.Content[0], m.root)
}

// equal compares what two trees say.
func equal(a, b *yaml.Node) bool {
	if a == nil || b == nil || a.Kind != b.Kind || a.Value != b.Value || len(a.Content) != len(b.Content) || a.ShortTag() != b.ShortTag() {
		return false
	}
	for i := range a.Content {
		if !equal(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

func (m *merger) intoTree() {
	for _, c := range m.changes {
		c.makeIn(c.mapping)
	}
}

// makeIn changes a mapping, which becomes a block.
func (c *change) makeIn(n *yaml.Node) {
	if n.Kind != yaml.MappingNode { // a name without a value
		n.Kind, n.Tag, n.Value = yaml.MappingNode, "!!map", ""
	}
	for _, r := range c.replaced {
		with, _ := r.value.(object)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value != r.name {
				continue
			}
			if len(with) == 0 {
				n.Content = slices.Delete(n.Content, i, i+2)
			} else {
				n.Content[i+1] = nodeOf(with[0].value)
			}
			break
		}
	}
	n.Style &^= yaml.FlowStyle
	n.Content = append(n.Content, nodeOf(c.added).Content...)
}

// stepOf is the indentation of a JSON document.
func stepOf(document []byte) string {
	_, rest, found := bytes.Cut(document, []byte("\n"))
	if margin := rest[:len(rest)-len(bytes.TrimLeft(rest, " \t"))]; found && len(margin) > 0 {
		return string(margin)
	}
	return "  "
}
