package contract

import "encoding/json"

// Shape is a template as a tree of plain values, for programs in other languages
// that read bodies by the same templates. One of the members Literal to Tree
// is set, and says what the node is; a literal null is RawMessage("null").
type Shape struct {
	// Literal is a JSON value that never changes.
	Literal json.RawMessage `json:"literal,omitempty"`
	// Slot is the name of a value, as in a contract file without its dollar sign.
	Slot string `json:"slot,omitempty"`
	// Text is a string made of literals, which are strings, and slots.
	Text []Shape `json:"text,omitzero"`
	// Array and Object hold a node for each element and member.
	Array  []Shape       `json:"array,omitzero"`
	Object []ShapeMember `json:"object,omitzero"`
	// Each, Map and Tree hold the template of one field error, which occurs as an
	// element of a list, a member keyed by the field's name, or a leaf of nested objects.
	Each *Shape `json:"each,omitempty"`
	Map  *Shape `json:"map,omitempty"`
	Tree *Shape `json:"tree,omitempty"`
	// Optional: the member may be absent or null. Spread: what the value holds
	// stands among its siblings.
	Optional bool `json:"optional,omitempty"`
	Spread   bool `json:"spread,omitempty"`
}

// ShapeMember is a member of an object.
type ShapeMember struct {
	Key   string `json:"key"`
	Value Shape  `json:"value"`
}

// Body is the template of a JSON body; ok is false when the body is text or
// there is none.
func (e *Envelope) Body() (shape Shape, ok bool) { return e.body.shape(), e.body != nil }

// Text is the template of a body that is not JSON.
func (e *Envelope) Text() (shape Shape, ok bool) { return e.text.shape(), e.text != nil }

// Shape is the template of the header's value.
func (h EnvelopeHeader) Shape() Shape { return h.value.shape() }

func (n *node) shape() Shape {
	if n == nil {
		return Shape{}
	}
	s := Shape{Optional: n.optional, Spread: n.spread}
	switch n.kind {
	case kindLiteral:
		text, err := json.Marshal(n.literal)
		if err != nil {
			text = []byte("null") // a template's literals come from YAML and are JSON values
		}
		s.Literal = text
	case kindSlot:
		s.Slot = n.slotName()
	case kindText:
		s.Text = shapes(n.parts)
	case kindArray:
		s.Array = shapes(n.parts)
	case kindObject:
		s.Object = make([]ShapeMember, 0, len(n.members))
		for _, m := range n.members {
			s.Object = append(s.Object, ShapeMember{m.key, m.node.shape()})
		}
	case kindList:
		elem := n.elem.shape()
		s.Each = &elem
	case kindMap:
		elem := n.elem.shape()
		s.Map = &elem
	case kindTree:
		elem := n.elem.shape()
		s.Tree = &elem
	}
	return s
}

func shapes(nodes []*node) []Shape {
	out := make([]Shape, 0, len(nodes))
	for _, n := range nodes {
		out = append(out, n.shape())
	}
	return out
}

// slotName is the inverse of the tables of names.
func (n *node) slotName() string {
	if n.slot == slotParam {
		return "params." + n.param
	}
	for _, names := range []map[string]slot{slotNames, fieldSlotNames} {
		for name, of := range names {
			if of == n.slot {
				return name
			}
		}
	}
	return ""
}

// Part is a piece of a [Text]: a literal, or the name of a value.
type Part struct {
	Literal string
	Name    string
}

// Parts are the pieces in order.
func (t *Text) Parts() []Part {
	out := make([]Part, 0, len(t.parts))
	for _, p := range t.parts {
		out = append(out, Part{p.literal, p.name})
	}
	return out
}
