package contract

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// template reads the template of a JSON body. See docs/contract.md for the
// language; in short, a string that is "$name" is a value with its own JSON
// type, "…$name…" is text, and the keys that begin with a dollar sign direct.
func (p *parser) template(n *yaml.Node) *node { return p.templateIn(n, false) }

func (p *parser) templateIn(n *yaml.Node, inField bool) *node {
	n = resolve(n)
	switch n.Kind {
	case yaml.SequenceNode:
		return p.arrayTemplate(n, inField)
	case yaml.MappingNode:
		return p.objectTemplate(n, inField)
	}
	if n.Tag != "!!str" {
		return &node{kind: kindLiteral, literal: scalarValue(n), line: n.Line}
	}
	return p.scalarTemplate(n, inField)
}

func (p *parser) scalarTemplate(n *yaml.Node, inField bool) *node {
	s := n.Value
	t, err := parseText(strings.TrimSuffix(strings.TrimSuffix(s, "..."), "?"))
	if err != nil {
		p.faultAt(n, "write $$ for a dollar sign", "%v", err)
		return &node{kind: kindLiteral, literal: s, line: n.Line}
	}
	named := len(t.Names()) > 0
	if !named {
		t, _ = parseText(s)
		var literal strings.Builder
		for _, part := range t.parts {
			literal.WriteString(part.literal)
		}
		return &node{kind: kindLiteral, literal: literal.String(), line: n.Line}
	}
	out := &node{kind: kindText, line: n.Line, optional: strings.HasSuffix(s, "?"), spread: strings.HasSuffix(s, "...")}
	for _, part := range t.parts {
		if part.name == "" {
			out.parts = append(out.parts, &node{kind: kindLiteral, literal: part.literal, line: n.Line})
			continue
		}
		out.parts = append(out.parts, p.slotNode(n, part.name, inField))
	}
	if len(out.parts) == 1 {
		one := out.parts[0]
		one.optional, one.spread = out.optional, out.spread
		return one
	}
	return out
}

func (p *parser) slotNode(n *yaml.Node, name string, inField bool) *node {
	out := &node{kind: kindSlot, line: n.Line}
	if param, ok := strings.CutPrefix(name, "params."); ok {
		out.slot, out.param = slotParam, param
		return out
	}
	if s, ok := slotNames[name]; ok {
		out.slot = s
		return out
	}
	if s, ok := fieldSlotNames[name]; ok {
		if !inField {
			p.faultAt(n, "use it below $each, $map or $tree", "$%s stands outside of a list of fields", name)
		}
		out.slot = s
		return out
	}
	names := make([]string, 0, len(slotNames)+len(fieldSlotNames))
	for k := range slotNames {
		names = append(names, k)
	}
	for k := range fieldSlotNames {
		names = append(names, k)
	}
	p.faultAt(n, didYouMean(name, names), "there is no value $%s", name)
	return out
}

func (p *parser) arrayTemplate(n *yaml.Node, inField bool) *node {
	if len(n.Content) == 1 {
		if only := resolve(n.Content[0]); only.Kind == yaml.MappingNode && hasKey(only, "$each") {
			return p.eachTemplate(only, kindList, "$each")
		}
	}
	out := &node{kind: kindArray, line: n.Line}
	for _, v := range n.Content {
		out.parts = append(out.parts, p.templateIn(v, inField))
	}
	return out
}

func hasKey(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

// eachTemplate reads {$each: fields, …}: the other members are the element,
// or $as is, when the element is no object.
func (p *parser) eachTemplate(n *yaml.Node, k kind, word string) *node {
	out := &node{kind: k, line: n.Line}
	rest := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	p.pairs(n, "a list of fields", func(key, v *yaml.Node) {
		switch key.Value {
		case word:
			if v.Value != "fields" {
				p.faultAt(v, "write "+word+": fields", "%s can only go over fields", word)
			}
		case "$as":
			out.elem = p.templateIn(v, true)
		default:
			rest.Content = append(rest.Content, key, v)
		}
	})
	if out.elem == nil {
		out.elem = p.objectTemplate(rest, true)
	} else if len(rest.Content) > 0 {
		p.faultAt(rest.Content[0], "put it under $as or drop $as", "%q stands beside $as", rest.Content[0].Value)
	}
	return out
}

func (p *parser) objectTemplate(n *yaml.Node, inField bool) *node {
	switch {
	case hasKey(n, "$map"):
		return p.eachTemplate(n, kindMap, "$map")
	case hasKey(n, "$tree"):
		return p.eachTemplate(n, kindTree, "$tree")
	case hasKey(n, "$each"):
		p.faultAt(n, "write it as a list of one element: - $each: fields", "$each stands in a mapping")
	}
	out := &node{kind: kindObject, line: n.Line}
	p.pairs(n, "a template", func(k, v *yaml.Node) {
		value := p.templateIn(v, inField)
		name, optional := strings.CutSuffix(k.Value, "?")
		value.optional = value.optional || optional
		if name == "..." {
			value.spread = true
			if value.slot != slotParams && value.kind != kindMap {
				p.faultAt(k, "spread $params or a $map of fields", "only members can be spread into an object")
			}
		}
		out.members = append(out.members, member{key: strings.ReplaceAll(name, "$$", "$"), node: value})
	})
	return out
}

// textTemplate reads the template of a body that is not JSON.
func (p *parser) textTemplate(n *yaml.Node) *node {
	if n.Kind != yaml.ScalarNode {
		p.faultAt(n, "write it as text with $slots", "text should be a single value, not %s", kindName(n))
		return &node{kind: kindText, line: n.Line}
	}
	out := p.scalarTemplate(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.Value, Line: n.Line}, false)
	if out.kind != kindText {
		out = &node{kind: kindText, parts: []*node{out}, line: n.Line}
	}
	return out
}
