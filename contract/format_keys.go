package contract

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Constructors for the key tables of format.go. Each pairs the JSON Schema of a
// value with the function that reads it.

func required[T any](k key[T]) key[T] {
	k.required = true
	return k
}

func scalar(p *parser, n *yaml.Node, name string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.faultAt(n, "", "%s should be a single value, not %s", name, kindName(n))
		return "", false
	}
	return n.Value, true
}

func text[T any](name, doc string, at func(*T) *string) key[T] {
	return key[T]{name: name, doc: doc, form: form{"type": "string"}, read: func(p *parser, n *yaml.Node, into *T) {
		if s, ok := scalar(p, n, name); ok {
			*at(into) = strings.TrimSpace(s)
		}
	}}
}

func word[T any, W ~string](name, doc string, words []W, at func(*T) *W) key[T] {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return key[T]{name: name, doc: doc, form: form{"enum": names}, read: func(p *parser, n *yaml.Node, into *T) {
		s, ok := scalar(p, n, name)
		if !ok {
			return
		}
		if !slices.Contains(names, s) {
			p.faultAt(n, didYouMean(s, names), "%s cannot be %q", name, s)
			return
		}
		*at(into) = W(s)
	}}
}

func flag[T any](name, doc string, at func(*T) *bool) key[T] {
	return key[T]{name: name, doc: doc, form: form{"type": "boolean"}, read: func(p *parser, n *yaml.Node, into *T) {
		s, ok := scalar(p, n, name)
		if !ok {
			return
		}
		if s != "true" && s != "false" {
			p.faultAt(n, "write true or false", "%s cannot be %q", name, s)
			return
		}
		*at(into) = s == "true"
	}}
}

// parsed is a scalar with a reader of its own; bad input becomes a fault that
// carries the reader's hint.
func parsed[T, V any](name, doc string, f form, read func(string) (V, error), at func(*T) *V) key[T] {
	return key[T]{name: name, doc: doc, form: f, read: func(p *parser, n *yaml.Node, into *T) {
		s, ok := scalar(p, n, name)
		if !ok {
			return
		}
		v, err := read(s)
		if err != nil {
			p.faultAt(n, err.Error(), "%s cannot be %q", name, s)
			return
		}
		*at(into) = v
	}}
}

func duration[T any](name, doc string, at func(*T) *time.Duration) key[T] {
	return parsed(name, doc, form{"type": "string", "pattern": `^[0-9.]+(ns|us|µs|ms|s|m|h|d)([0-9.]+(ms|s|m))*$`}, parseDuration, at)
}

func size[T any](name, doc string, at func(*T) *int64) key[T] {
	return parsed(name, doc, form{"type": []string{"string", "integer"}, "examples": []any{"64KiB", "25MB"}}, parseBytes, at)
}

func integer[T any, I ~int | ~int64](name, doc string, low, high int64, at func(*T) *I) key[T] {
	f := form{"type": "integer", "minimum": low, "maximum": high}
	return parsed(name, doc, f, func(s string) (I, error) {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil || v < low || v > high {
			return 0, fmt.Errorf("write a whole number from %d to %d", low, high)
		}
		return I(v), nil
	}, at)
}

func texts[T any](name, doc string, at func(*T) *[]string) key[T] {
	f := form{"type": []string{"array", "string"}, "items": form{"type": []string{"string", "integer"}}}
	return key[T]{name: name, doc: doc, form: f, read: func(p *parser, n *yaml.Node, into *T) {
		oneOrMore(p, n, name, func(v *yaml.Node) {
			if s, ok := scalar(p, v, name); ok {
				*at(into) = append(*at(into), strings.TrimSpace(s))
			}
		})
	}}
}

// oneOrMore reads a list, or a single value as a list of one.
func oneOrMore(p *parser, n *yaml.Node, name string, visit func(v *yaml.Node)) {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		visit(n)
		return
	}
	p.items(n, name, visit)
}

// manyOf is a list, or a single value, of things that have their own reader.
func manyOf[T, V any](name, doc string, element form, read func(string) (V, error), at func(*T) *[]V) key[T] {
	f := form{"oneOf": []any{element, form{"type": "array", "items": element}}}
	return key[T]{name: name, doc: doc, form: f, read: func(p *parser, n *yaml.Node, into *T) {
		oneOrMore(p, n, name, func(v *yaml.Node) {
			s, ok := scalar(p, v, name)
			if !ok {
				return
			}
			x, err := read(s)
			if err != nil {
				p.faultAt(v, err.Error(), "%s cannot hold %q", name, s)
				return
			}
			*at(into) = append(*at(into), x)
		})
	}}
}

func sub[T, S any](name, doc string, s section[S], at func(*T) *S) key[T] {
	return key[T]{name: name, doc: doc, form: s.form(), read: func(p *parser, n *yaml.Node, into *T) {
		s.parse(p, n, at(into))
	}}
}

// list is a sequence of sections.
func list[T, S any](name, doc string, s section[S], add func(*T, S)) key[T] {
	f := form{"type": "array", "items": s.form()}
	return key[T]{name: name, doc: doc, form: f, read: func(p *parser, n *yaml.Node, into *T) {
		p.items(n, name, func(v *yaml.Node) {
			var x S
			s.parse(p, v, &x)
			add(into, x)
		})
	}}
}

// entries is a mapping from free names to sections, kept in file order.
func entries[T, S any](name, doc string, s section[S], add func(p *parser, k *yaml.Node, into *T, x S)) key[T] {
	f := form{"type": "object", "additionalProperties": s.form()}
	return key[T]{name: name, doc: doc, form: f, read: func(p *parser, n *yaml.Node, into *T) {
		p.pairs(n, name, func(k, v *yaml.Node) {
			var x S
			if v.Kind != yaml.ScalarNode || v.Tag != "!!null" {
				s.parse(p, v, &x)
			}
			add(p, k, into, x)
		})
	}}
}

// value turns a YAML node into what encoding/json would make of the same
// value, numbers as json.Number, so that 1.0 stays 1.0.
func (p *parser) value(n *yaml.Node) any {
	n = resolve(n)
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		p.pairs(n, "this value", func(k, v *yaml.Node) { m[k.Value] = p.value(v) })
		return m
	case yaml.SequenceNode:
		a := make([]any, 0, len(n.Content))
		for _, v := range n.Content {
			a = append(a, p.value(v))
		}
		return a
	}
	return scalarValue(n)
}

func scalarValue(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}
