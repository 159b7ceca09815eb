package contract

import (
	"encoding/json"
	"iter"
	"strings"
)

// jsonValue is a value of a tree. The zero jsonValue is one that is not there,
// and reads as null.
type jsonValue struct {
	tree *jsonTree
	node *jsonNode
}

func (t *jsonTree) root() jsonValue { return t.at(0) }

func (t *jsonTree) at(place int32) jsonValue { return jsonValue{t, &t.nodes[place]} }

func (v jsonValue) kind() jsonKind {
	if v.node == nil {
		return jsonNull
	}
	return v.node.kind
}

// kept is a part of the text that may outlive the tree.
func (v jsonValue) kept(s string) string {
	if v.tree != nil && len(v.tree.text) > sharedText {
		return strings.Clone(s)
	}
	return s
}

// string is a string's value.
func (v jsonValue) string() (string, bool) {
	if v.kind() != jsonString {
		return "", false
	}
	return v.kept(v.node.text), true
}

// number is a number as it is written.
func (v jsonValue) number() (json.Number, bool) {
	if v.kind() != jsonNumber {
		return "", false
	}
	return json.Number(v.kept(v.node.text)), true
}

// first is the first member or element, next the one behind it; the zero
// jsonValue when there is none.
func (v jsonValue) first() jsonValue {
	if v.node == nil || v.node.child == 0 {
		return jsonValue{}
	}
	return v.tree.at(v.node.child)
}

func (v jsonValue) next() jsonValue {
	if v.node == nil || v.node.next == 0 {
		return jsonValue{}
	}
	return v.tree.at(v.node.next)
}

// items are the members or elements in their order. Of several members with one
// name only the last counts, which member knows.
func (v jsonValue) items() iter.Seq[jsonValue] {
	return func(yield func(jsonValue) bool) {
		for item := v.first(); item.node != nil && yield(item); {
			item = item.next()
		}
	}
}

// member is that of an object; of several with one name the last one counts.
func (v jsonValue) member(name string) (found jsonValue, ok bool) {
	if v.kind() != jsonObject {
		return jsonValue{}, false
	}
	for item := v.first(); item.node != nil; item = item.next() {
		if item.node.name == name {
			found, ok = item, true
		}
	}
	return found, ok
}

// members are those of an object by name.
func (v jsonValue) members() map[string]jsonValue {
	out := map[string]jsonValue{}
	for item := range v.items() {
		out[v.kept(item.node.name)] = item
	}
	return out
}

// along follows a dotted path.
func (v jsonValue) along(path []string) jsonValue {
	for _, step := range path {
		v, _ = v.member(step)
	}
	return v
}

// plain is the text of a string or a number; "" for any other.
func (v jsonValue) plain() string {
	if k := v.kind(); k != jsonString && k != jsonNumber {
		return ""
	}
	return v.kept(v.node.text)
}

// any is the value as encoding/json makes it, numbers as json.Number.
func (v jsonValue) any() any {
	switch v.kind() {
	case jsonNull:
		return nil
	case jsonFalse, jsonTrue:
		return v.node.kind == jsonTrue
	case jsonNumber:
		return json.Number(v.kept(v.node.text))
	case jsonString:
		return v.kept(v.node.text)
	case jsonArray:
		list := []any{}
		for item := range v.items() {
			list = append(list, item.any())
		}
		return list
	default:
		object := map[string]any{}
		for item := range v.items() {
			object[v.kept(item.node.name)] = item.any()
		}
		return object
	}
}
