package openapi

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// older turns JSON Schemas (draft 2020-12) in a component into the dialect of
// OpenAPI 3.0, which has no null, no const and no tuples. What it cannot say is
// left out, so that everything that was valid stays so. Examples are data and
// stay as they are.
func older(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	if n.Kind != yaml.MappingNode {
		for _, x := range n.Content {
			out.Content = append(out.Content, older(x))
		}
		return &out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Value == "value", key.Value == "properties" && value.Kind != yaml.MappingNode:
			out.Content = append(out.Content, key, value)
		case key.Value == "properties":
			// Names below are no keywords.
			kept := *value
			kept.Content = nil
			for j := 0; j+1 < len(value.Content); j += 2 {
				kept.Content = append(kept.Content, value.Content[j], older(value.Content[j+1]))
			}
			out.Content = append(out.Content, key, &kept)
		case key.Value == "const":
			out.Content = append(out.Content, textNode("enum"), nodeOf([]any{value}))
		case key.Value == "examples" && value.Kind == yaml.SequenceNode:
			out.Content = append(out.Content, textNode("example"), value.Content[0])
		case key.Value == "prefixItems":
			if get(n, "items") == nil {
				out.Content = append(out.Content, textNode("items"), nodeOf(object{}))
			}
		case key.Value == "items" && get(n, "prefixItems") != nil:
			out.Content = append(out.Content, key, nodeOf(object{}))
		case key.Value == "type" && value.Kind == yaml.SequenceNode:
			out.Content = append(out.Content, oldType(value)...)
		case key.Value == "anyOf" && value.Kind == yaml.SequenceNode:
			out.Content = append(out.Content, oldChoice(key, value)...)
		default:
			out.Content = append(out.Content, key, older(value))
		}
	}
	if t := get(&out, "type"); t != nil && t.Value == "array" && get(&out, "items") == nil {
		out.Content = append(out.Content, textNode("items"), nodeOf(object{}))
	}
	return &out
}

// oldType is a list of types as one type, nullable; several are a choice.
func oldType(types *yaml.Node) []*yaml.Node {
	var choice []any
	var out []*yaml.Node
	for _, t := range types.Content {
		if t.Value == "null" {
			out = append(out, textNode("nullable"), nodeOf(true))
			continue
		}
		choice = append(choice, object{{"type", t}})
	}
	if len(choice) == 1 {
		one := nodeOf(choice[0])
		return append(slices.Clone(one.Content), out...)
	}
	return []*yaml.Node{textNode("anyOf"), nodeOf(choice)}
}

// oldChoice leaves null out of a choice and says nullable instead.
func oldChoice(key, value *yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, x := range value.Content {
		if t := get(x, "type"); t != nil && t.Value == "null" {
			out = append(out, textNode("nullable"), nodeOf(true))
			continue
		}
		list.Content = append(list.Content, older(x))
	}
	return append([]*yaml.Node{key, list}, out...)
}
