package contract

import (
	"slices"
	"strings"
)

// settleBody decides on BodyRequired where the contract does not: a schema that
// asks for an object would not take an empty body, and nobody would know that
// it was never held against it.
func (o *Operation) settleBody() {
	if !o.bodySaid && slices.Contains([]string{"POST", "PUT", "PATCH"}, o.Method) {
		o.BodyRequired = asksForObject(o.Body, o.Body, 0)
	}
}

// maxNesting is how deep schemas that stand for each other are followed.
const maxNesting = 16

// asksForObject reports whether a schema takes nothing but objects, as far as
// can be seen without running it.
func asksForObject(schema, root any, depth int) bool {
	m, ok := schema.(map[string]any)
	if !ok || depth > maxNesting {
		return false
	}
	if m["type"] == "object" {
		return true
	}
	if names, ok := m["required"].([]any); ok && len(names) > 0 && m["type"] == nil {
		return true
	}
	asks := func(s any) bool { return asksForObject(s, root, depth+1) }
	if list, ok := m["allOf"].([]any); ok && slices.ContainsFunc(list, asks) {
		return true
	}
	for _, word := range []string{"oneOf", "anyOf"} {
		if list, ok := m[word].([]any); ok && len(list) > 0 && !slices.ContainsFunc(list, func(s any) bool { return !asks(s) }) {
			return true
		}
	}
	ref, _ := m["$ref"].(string)
	name, local := strings.CutPrefix(ref, "#/$defs/")
	top, _ := root.(map[string]any)
	defs, _ := top["$defs"].(map[string]any)
	return local && asks(defs[name])
}
