package openapi

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// object is a mapping in the making that keeps the order of its members.
type object []member

type member struct {
	name  string
	value any
}

// add puts a member at the end unless its value says nothing.
func (o *object) add(name string, value any) {
	switch v := value.(type) {
	case nil:
		return
	case string:
		if v == "" {
			return
		}
	case object:
		if len(v) == 0 {
			return
		}
	case []any:
		if len(v) == 0 {
			return
		}
	}
	*o = append(*o, member{name, value})
}

// nodeOf makes a tree of nodes. Values are objects, lists, strings, numbers,
// booleans and nodes.
func nodeOf(value any) *yaml.Node {
	switch v := value.(type) {
	case *yaml.Node:
		return v
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, m := range v {
			n.Content = append(n.Content, textNode(m.name), nodeOf(m.value))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, x := range v {
			n.Content = append(n.Content, nodeOf(x))
		}
		return n
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case string:
		return textNode(v)
	}
	return textNode(fmt.Sprint(value))
}

func textNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// parsed reads JSON into nodes, in its order, and lays it out as a block.
func parsed(text []byte) (*yaml.Node, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil || len(root.Content) != 1 {
		return nil, fmt.Errorf("a part of the contract: %w", err)
	}
	unstyled(root.Content[0])
	return root.Content[0], nil
}

func unstyled(n *yaml.Node) {
	n.Style = 0
	for _, x := range n.Content {
		unstyled(x)
	}
}

func clone(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, x := range n.Content {
		out.Content[i] = clone(x)
	}
	return &out
}

// get is a member of a mapping, nil where there is none.
func get(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		_, n = entry(n, name)
	}
	return n
}

func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// appendJSON writes nodes as JSON, indented by step at each level.
func appendJSON(dst []byte, n *yaml.Node, step, margin string) []byte {
	deeper := margin + step
	switch n.Kind {
	case yaml.AliasNode:
		return appendJSON(dst, n.Alias, step, margin)
	case yaml.MappingNode, yaml.SequenceNode:
		begin, end, width := byte('{'), byte('}'), 2
		if n.Kind == yaml.SequenceNode {
			begin, end, width = '[', ']', 1
		}
		if len(n.Content) == 0 {
			return append(dst, begin, end)
		}
		dst = append(dst, begin)
		for i := 0; i < len(n.Content); i += width {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(dst, '\n'), deeper...)
			if width == 2 {
				dst = append(appendQuoted(dst, n.Content[i].Value), ": "...)
			}
			dst = appendJSON(dst, n.Content[i+width-1], step, deeper)
		}
		return append(append(append(dst, '\n'), margin...), end)
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!int", "!!float", "!!bool", "!!null":
			if slices.Contains([]string{"~", ""}, n.Value) {
				return append(dst, "null"...)
			}
			return append(dst, n.Value...)
		}
	}
	return appendQuoted(dst, n.Value)
}

func appendQuoted(dst []byte, s string) []byte {
	var b bytes.Buffer
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return append(append(append(dst, '"'), b.Bytes()...), '"')
}
