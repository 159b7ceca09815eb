package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

func (m *match) slot(n *node, v jsonValue, field *FieldError) bool {
	switch n.slot {
	case slotCode:
		return m.readCode(v)
	case slotStatus:
		return m.readStatus(v)
	case slotTimestamp:
		return m.readTimestamp(v)
	case slotRetryAfter, slotRetryAfterMillis:
		return m.readWait(n.slot, v)
	case slotRetryable:
		return v.kind() == jsonTrue || v.kind() == jsonFalse
	case slotParams:
		for name, value := range v.members() {
			m.params = append(m.params, Value{name, value.any()})
		}
		return v.kind() == jsonObject
	case slotParam:
		if v.kind() != jsonNull {
			m.params = append(m.params, Value{n.param, v.any()})
		}
		return true
	case slotFieldPath:
		if v.kind() != jsonArray || field == nil {
			return false
		}
		for step := range v.items() {
			if !readStep(step, field) {
				return false
			}
		}
		return true
	}
	s, ok := v.string()
	if !ok {
		return v.kind() == jsonNull
	}
	m.exact++
	return m.readString(n.slot, s, field)
}

func (m *match) readString(of slot, s string, field *FieldError) bool {
	switch of {
	case slotSubcode:
		m.subcode = s
	case slotType:
		m.typ = s
	case slotTitle:
		m.title = s
	case slotMessage:
		m.message = s
	case slotRequestID:
		m.requestID = s
	case slotField:
		m.field = s
	case slotFieldName:
		if field != nil && s != "" {
			field.Path = strings.Split(s, ".")
		}
	case slotFieldPointer:
		if field != nil {
			field.Path = splitPointer(s)
		}
	case slotFieldMessage:
		if field != nil {
			field.Message = s
		}
	case slotFieldCode:
		if field != nil {
			field.Code = s
		}
	case slotFieldIn:
		if field != nil {
			field.In = s
		}
	default: // constants of the code, such as $meaning: nothing to learn
	}
	return true
}

func (m *match) readCode(v jsonValue) bool {
	switch v.kind() {
	case jsonString:
	case jsonNumber:
		m.numeric = true
	default:
		return false
	}
	m.code, m.coded = v.plain(), true
	m.exact++
	return true
}

func (m *match) readStatus(v jsonValue) bool {
	n, err := strconv.Atoi(v.plain())
	if err != nil {
		return false
	}
	m.status = n
	m.exact++
	return true
}

func (m *match) readTimestamp(v jsonValue) bool {
	at, ok := readInstant(v.any(), m.contract.Timestamp)
	if ok {
		m.at = at
	}
	return ok
}

func readInstant(v any, format TimeFormat) (time.Time, bool) {
	switch x := v.(type) {
	case json.Number:
		n, err := x.Int64()
		if err != nil || n < 0 || n > 1<<53 {
			return time.Time{}, false
		}
		if format == EpochMillis {
			return time.UnixMilli(n).UTC(), true
		}
		return time.Unix(n, 0).UTC(), true
	case string:
		layout := time.RFC3339Nano
		if format == HTTPDate {
			layout = httpDate
		}
		at, err := time.Parse(layout, x)
		return at.UTC(), err == nil
	}
	return time.Time{}, false
}

func (m *match) readWait(of slot, v jsonValue) bool {
	number, ok := v.number()
	if !ok {
		return v.kind() == jsonNull
	}
	n, err := number.Float64()
	unit := time.Second
	if of == slotRetryAfterMillis {
		unit = time.Millisecond
	}
	if err != nil || n < 0 || n*float64(unit) > float64(maxWait) {
		return true // an absurd wait is no wait
	}
	m.wait, m.waits = time.Duration(n*float64(unit)), true
	return true
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

// text reads a string made of literals and slots: each slot takes as little as
// the literal behind it allows.
func (m *match) text(parts []*node, s string, field *FieldError, esc escape) bool {
	for i, part := range parts {
		if part.kind == kindLiteral {
			rest, ok := strings.CutPrefix(s, literalText(part))
			if !ok {
				return false
			}
			s = rest
			m.exact++
			continue
		}
		end := len(s)
		if i+1 < len(parts) && parts[i+1].kind == kindLiteral {
			if end = strings.Index(s, literalText(parts[i+1])); end < 0 {
				return false
			}
			if i+2 == len(parts) { // the last literal ends the text
				if end = strings.LastIndex(s, literalText(parts[i+1])); end < 0 {
					return false
				}
			}
		}
		value := s[:end]
		if esc == escapeXML {
			value = unescapeXML(value)
		}
		if !m.slotText(part, value, field) {
			return false
		}
		s = s[end:]
	}
	return s == ""
}

func literalText(n *node) string {
	s, ok := n.literal.(string)
	if !ok {
		return fmt.Sprint(n.literal)
	}
	return s
}

// slotText reads a slot inside a text, where numbers are text too.
func (m *match) slotText(n *node, s string, field *FieldError) bool {
	v := jsonNode{kind: jsonString, text: s}
	switch n.slot {
	case slotCode:
		return m.readCode(jsonValue{node: &v})
	case slotStatus, slotRetryAfter, slotRetryAfterMillis:
		if s != "" && !isNumber(s) {
			return false
		}
		v.kind = jsonNumber
	case slotTimestamp:
		if isNumber(s) {
			v.kind = jsonNumber
		}
	}
	return s == "" || m.slot(n, jsonValue{node: &v}, field)
}

var xmlUnescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&#13;", "\r")

func unescapeXML(s string) string { return xmlUnescaper.Replace(s) }

func isXML(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.HasSuffix(base, "/xml") || strings.HasSuffix(base, "+xml")
}

// isNumber reports whether s is a JSON number.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}
