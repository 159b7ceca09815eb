package contract

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// A match reads a body back through a template. It collects what the slots
// held; what that means is settled afterwards, when the code is known.
type match struct {
	contract   *Contract
	code       string
	coded      bool
	numeric    bool
	subcode    string
	typ, title string
	message    string
	status     int
	requestID  string
	quoted     string // the id with the text around it
	at         time.Time
	wait       time.Duration
	waits      bool
	field      string
	params     []Value
	fields     []FieldError
	// exact counts literals and slots that fitted: of two envelopes that
	// match, the one that explains more is the one that was used.
	exact int
}

func (m *match) node(n *node, v jsonValue, field *FieldError) bool {
	switch n.kind {
	case kindLiteral:
		if !v.is(n.literal) {
			return false
		}
		m.exact++
		return true
	case kindSlot:
		return m.slot(n, v, field)
	case kindText:
		s, ok := v.string()
		if !ok || !m.text(n.parts, s, field, escapeNone) {
			return false
		}
		if slices.ContainsFunc(n.parts, func(p *node) bool { return p.slot == slotRequestID }) {
			m.quoted = s
		}
		return true
	case kindArray:
		return m.array(n, v, field)
	case kindObject:
		return m.object(n, v, field)
	case kindList:
		return m.list(n, v)
	case kindMap:
		return m.fieldMap(n, v)
	default:
		return v.kind() == jsonObject && m.tree(n, v, nil)
	}
}

// is compares a value with a literal of a template.
func (v jsonValue) is(literal any) bool {
	switch x := literal.(type) {
	case string:
		return v.kind() == jsonString && v.node.text == x
	case json.Number:
		y, ok := v.number()
		return ok && sameNumber(x, y)
	case map[string]any, []any:
		left, err := json.Marshal(x)
		right, err2 := json.Marshal(v.any())
		return err == nil && err2 == nil && bytes.Equal(left, right)
	}
	return literal == v.any()
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err := a.Float64()
	y, err2 := b.Float64()
	return err == nil && err2 == nil && x == y
}

func (m *match) object(n *node, v jsonValue, field *FieldError) bool {
	if v.kind() != jsonObject {
		return false
	}
	for i := range n.members {
		want := &n.members[i]
		if want.node.spread {
			continue
		}
		value, present := v.member(want.key)
		if !present || value.kind() == jsonNull && want.node.optional {
			if !want.node.optional {
				return false
			}
			continue
		}
		if !want.node.optional {
			if !m.node(want.node, value, field) {
				return false
			}
			continue
		}
		before := *m
		if !m.node(want.node, value, field) {
			*m = before // an optional member that makes no sense is as good as absent
		}
	}
	for i := range n.members {
		if n.members[i].node.spread {
			m.spread(n, v)
		}
	}
	return true
}

// spread reads the members that the template does not name as parameters.
func (m *match) spread(n *node, object jsonValue) {
	named := make(map[string]bool, len(n.members))
	for i := range n.members {
		named[n.members[i].key] = true
	}
	for name, value := range object.members() {
		if !named[name] {
			m.params = append(m.params, Value{name, value.any()})
		}
	}
}

func (m *match) array(n *node, v jsonValue, field *FieldError) bool {
	if v.kind() != jsonArray {
		return false
	}
	left := 0
	for range v.items() {
		left++
	}
	item := v.first()
	for at, part := range n.parts {
		if part.spread && part.slot == slotFieldPath {
			if field == nil {
				return false
			}
			for behind := len(n.parts) - at - 1; left > behind; left-- {
				if !readStep(item, field) {
					return false
				}
				item = item.next()
			}
			continue
		}
		if left == 0 || !m.node(part, item, field) {
			return false
		}
		item = item.next()
		left--
	}
	return left == 0
}

// readStep adds a name or a position to a field's path.
func readStep(step jsonValue, field *FieldError) bool {
	if k := step.kind(); k != jsonString && k != jsonNumber {
		return false
	}
	field.Path = append(field.Path, step.plain())
	return true
}

// splitPointer reads a JSON pointer, as such or as a URI fragment.
func splitPointer(s string) []string {
	s = strings.TrimPrefix(s, "#")
	if s == "" {
		return nil
	}
	steps := strings.Split(strings.TrimPrefix(s, "/"), "/")
	for i := range steps {
		steps[i] = strings.ReplaceAll(strings.ReplaceAll(steps[i], "~1", "/"), "~0", "~")
	}
	return steps
}

// maxFields bounds the field errors that are read from one body.
const maxFields = 1000

func (m *match) list(n *node, v jsonValue) bool {
	if v.kind() != jsonArray {
		return false
	}
	for item := range v.items() {
		var f FieldError
		if !m.node(n.elem, item, &f) {
			return false
		}
		if len(m.fields) < maxFields {
			m.fields = append(m.fields, f)
		}
	}
	return true
}

func (m *match) fieldMap(n *node, v jsonValue) bool {
	if v.kind() != jsonObject {
		return false
	}
	members := v.members()
	for _, name := range slices.Sorted(maps.Keys(members)) { // one order, whatever that of the body
		if !m.leaf(n.elem, members[name], strings.Split(name, ".")) {
			return false
		}
	}
	return true
}

// leaf reads the element of a field; a list as element holds one entry per
// fault of the field.
func (m *match) leaf(elem *node, v jsonValue, path []string) bool {
	if elem.kind != kindArray || len(elem.parts) != 1 {
		return m.fault(elem, v, path)
	}
	if v.kind() != jsonArray {
		return false
	}
	for item := range v.items() {
		if !m.fault(elem.parts[0], item, path) {
			return false
		}
	}
	return true
}

func (m *match) fault(elem *node, v jsonValue, path []string) bool {
	f := FieldError{}
	if !m.node(elem, v, &f) {
		return false
	}
	f.Path = path
	if len(m.fields) < maxFields {
		m.fields = append(m.fields, f)
	}
	return true
}

func (m *match) tree(n *node, branch jsonValue, path []string) bool {
	members := branch.members()
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, at := members[name], slices.Concat(path, []string{name})
		probe := match{contract: m.contract}
		if probe.leaf(n.elem, value, at) {
			m.fields = append(m.fields, probe.fields...)
			continue
		}
		if value.kind() != jsonObject || len(at) > 64 || !m.tree(n, value, at) {
			return false
		}
	}
	return true
}
