package contract

import (
	"encoding/json"
	"slices"
	"strings"
)

// ErrorSchema returns the JSON Schema (draft 2020-12) of the bodies in which
// codes are sent; all of them must be carried by the envelope. Without codes it
// is the schema of all that the envelope carries. It is nil for an envelope that
// is no JSON.
//
// The schema says what the contract promises and leaves room for what it may
// add: further members are allowed. It has neither $schema nor $id, so that it
// can stand inside of another document. Members are in the template's order.
func (c *Contract) ErrorSchema(e *Envelope, codes ...*Code) []byte {
	if e.body == nil {
		return nil
	}
	s := schemer{contract: c, codes: codes, placed: map[string]bool{}, lists: e.Carries("fields")}
	if len(codes) == 0 {
		s.open = c.OpenCodes
		for _, code := range c.Codes {
			if code.Envelope == e {
				s.codes = append(s.codes, code)
			}
		}
	}
	e.walk(func(n *node) {
		if n.kind == kindSlot && n.slot == slotParam {
			s.placed[n.param] = true
		}
	})
	out, err := json.Marshal(s.node(e.body).schema)
	if err != nil {
		panic(err) // forms hold nothing that JSON cannot
	}
	return out
}

// ordered is a JSON object in the making that keeps the order of its members.
type ordered []keyword

type keyword struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (f ordered) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, m := range f {
		if i > 0 {
			out = append(out, ',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err //nolint:wrapcheck // ErrorSchema says what it is
		}
		out = append(append(appendString(out, m.name), ':'), value...)
	}
	return append(out, '}'), nil
}

func typed(name string, more ...keyword) ordered {
	return append(ordered{{"type", name}}, more...)
}

// schemer reads the schema of a body off the template that renders it.
type schemer struct {
	contract *Contract
	codes    []*Code
	// open: codes besides these may come.
	open   bool
	placed map[string]bool
	lists  bool
}

// part is the schema of a part of a body. ever: some code says it; always:
// every code does, every time.
type part struct {
	schema       ordered
	ever, always bool
}

func (s *schemer) node(n *node) part {
	switch n.kind {
	case kindLiteral:
		return part{ordered{{"const", n.literal}}, true, true}
	case kindSlot:
		return s.slot(n)
	case kindText:
		return s.text(n)
	case kindObject:
		return s.object(n)
	case kindArray:
		return s.array(n)
	case kindList:
		return part{typed("array", keyword{"items", s.node(n.elem).schema}), true, !n.optional}
	case kindMap:
		return part{typed("object", keyword{"additionalProperties", s.node(n.elem).schema}), true, !n.optional}
	default: // a leaf, or an object with leaves further in
		leaf := ordered{{"anyOf", []ordered{s.node(n.elem).schema, typed("object")}}}
		return part{typed("object", keyword{"additionalProperties", leaf}), true, !n.optional}
	}
}

func (s *schemer) object(n *node) part {
	var properties ordered
	var required []string
	out := typed("object")
	always := !n.optional
	for _, m := range n.members {
		switch {
		case m.node.spread && m.node.kind == kindMap:
			out = append(out, keyword{"additionalProperties", s.node(m.node.elem).schema})
			continue
		case m.node.spread:
			more, needed := s.params()
			properties, required = append(properties, more...), append(required, needed...)
			continue
		}
		x := s.node(m.node)
		if !x.ever {
			continue
		}
		properties = append(properties, keyword{m.key, x.schema})
		if x.always {
			required = append(required, m.key)
			always = true
		}
	}
	if len(properties) > 0 {
		out = append(out, keyword{"properties", properties})
	}
	if len(required) > 0 {
		out = append(out, keyword{"required", required})
	}
	return part{out, true, always}
}

// array has a fixed form unless parts of it can be missing.
func (s *schemer) array(n *node) part {
	var fixed []ordered
	for i, x := range n.parts {
		sub := s.node(x)
		switch {
		case x.spread && i == len(n.parts)-1:
			out := typed("array")
			if len(fixed) > 0 {
				out = append(out, keyword{"prefixItems", fixed})
			}
			return part{append(out, keyword{"items", steps()}, keyword{"minItems", len(fixed)}), true, !n.optional}
		case x.spread || !sub.always:
			return part{typed("array"), true, !n.optional}
		}
		fixed = append(fixed, sub.schema)
	}
	if len(fixed) == 0 {
		return part{typed("array", keyword{"maxItems", 0}), true, !n.optional}
	}
	return part{typed("array", keyword{"prefixItems", fixed}, keyword{"minItems", len(fixed)}, keyword{"maxItems", len(fixed)}), true, true}
}

// steps of a path: names and positions.
func steps() ordered { return ordered{{"type", []string{"string", "integer"}}} }

// text is a string; what stands before its first value, it begins with.
func (s *schemer) text(n *node) part {
	out, always := typed("string"), true
	for i, x := range n.parts {
		if x.kind == kindLiteral {
			if i == 0 {
				out = append(out, keyword{"pattern", "^" + quoteForPattern(literalText(x))})
			}
			continue
		}
		value := *x
		value.optional = x.optional || n.optional
		sub := s.node(&value)
		always = always && sub.always
		if n.optional && !sub.ever {
			return part{}
		}
	}
	return part{out, true, always || !n.optional}
}

// quoteForPattern escapes text for ECMA-262 regular expressions.
func quoteForPattern(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`\^$.*+?()[]{}|/`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// anyOf joins forms; types alone become a list of types.
func anyOf(forms []ordered) ordered {
	switch len(forms) {
	case 0:
		return ordered{}
	case 1:
		return forms[0]
	}
	if last := forms[len(forms)-1]; len(forms) == 2 && len(last) == 1 && last[0].value == "null" {
		for i, m := range forms[0] {
			if name, ok := m.value.(string); ok && m.name == "type" {
				out := slices.Clone(forms[0])
				out[i].value = []string{name, "null"}
				return out
			}
		}
	}
	return ordered{{"anyOf", forms}}
}
