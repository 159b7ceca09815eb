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

func (m *match) node(n *node, v any, field *FieldError) bool {
	switch n.kind {
	case kindLiteral:
		if !equalJSON(n.literal, v) {
			return false
		}
		m.exact++
		return true
	case kindSlot:
		return m.slot(n, v, field)
	case kindText:
		s, ok := v.(string)
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
		tree, ok := v.(map[string]any)
		return ok && m.tree(n, tree, nil)
	}
}

func equalJSON(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		return ok && sameNumber(x, y)
	case map[string]any, []any:
		left, err := json.Marshal(a)
		right, err2 := json.Marshal(b)
		return err == nil && err2 == nil && bytes.Equal(left, right)
	}
	return a == b
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err := a.Float64()
	y, err2 := b.Float64()
	return err == nil && err2 == nil && x == y
}

func (m *match) object(n *node, v any, field *FieldError) bool {
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for i := range n.members {
		want := &n.members[i]
		if want.node.spread {
			continue
		}
		value, present := object[want.key]
		if !present || value == nil && want.node.optional {
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
			m.spread(n, object)
		}
	}
	return true
}

// spread reads the members that the template does not name as parameters.
func (m *match) spread(n *node, object map[string]any) {
	named := make(map[string]bool, len(n.members))
	for i := range n.members {
		named[n.members[i].key] = true
	}
	for name, value := range object {
		if !named[name] {
			m.params = append(m.params, Value{name, value})
		}
	}
}

func (m *match) slot(n *node, v any, field *FieldError) bool {
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
		_, ok := v.(bool)
		return ok
	case slotParams:
		object, ok := v.(map[string]any)
		for name, value := range object {
			m.params = append(m.params, Value{name, value})
		}
		return ok
	case slotParam:
		if v != nil {
			m.params = append(m.params, Value{n.param, v})
		}
		return true
	case slotFieldPath:
		steps, ok := v.([]any)
		return ok && field != nil && readSteps(steps, field)
	}
	s, ok := v.(string)
	if !ok {
		return v == nil
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

func (m *match) readCode(v any) bool {
	switch x := v.(type) {
	case string:
		m.code, m.coded = x, true
	case json.Number:
		m.code, m.coded, m.numeric = string(x), true, true
	default:
		return false
	}
	m.exact++
	return true
}

func (m *match) readStatus(v any) bool {
	number, ok := v.(json.Number)
	if !ok {
		if s, isString := v.(string); isString {
			number, ok = json.Number(s), true
		}
	}
	n, err := strconv.Atoi(string(number))
	if !ok || err != nil {
		return false
	}
	m.status = n
	m.exact++
	return true
}

func (m *match) readTimestamp(v any) bool {
	at, ok := readInstant(v, m.contract.Timestamp)
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

func (m *match) readWait(of slot, v any) bool {
	number, ok := v.(json.Number)
	if !ok {
		return v == nil
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

func (m *match) array(n *node, v any, field *FieldError) bool {
	list, ok := v.([]any)
	if !ok {
		return false
	}
	i := 0
	for at, part := range n.parts {
		if part.spread && part.slot == slotFieldPath {
			rest := len(list) - i - (len(n.parts) - at - 1)
			if rest < 0 || field == nil || !readSteps(list[i:i+rest], field) {
				return false
			}
			i += rest
			continue
		}
		if i >= len(list) {
			return false
		}
		if !m.node(part, list[i], field) {
			return false
		}
		i++
	}
	return i == len(list)
}

func readSteps(steps []any, field *FieldError) bool {
	for _, step := range steps {
		switch x := step.(type) {
		case string:
			field.Path = append(field.Path, x)
		case json.Number:
			field.Path = append(field.Path, string(x))
		default:
			return false
		}
	}
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

func (m *match) list(n *node, v any) bool {
	items, ok := v.([]any)
	if !ok {
		return false
	}
	for _, item := range items {
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

func (m *match) fieldMap(n *node, v any) bool {
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(object)) { // one order, whatever that of the body
		if !m.leaf(n.elem, object[name], strings.Split(name, ".")) {
			return false
		}
	}
	return true
}

// leaf reads the element of a field; a list as element holds one entry per
// fault of the field.
func (m *match) leaf(elem *node, v any, path []string) bool {
	values, single := []any{v}, elem
	if elem.kind == kindArray && len(elem.parts) == 1 {
		list, ok := v.([]any)
		if !ok {
			return false
		}
		values, single = list, elem.parts[0]
	}
	for _, value := range values {
		f := FieldError{}
		if !m.node(single, value, &f) {
			return false
		}
		f.Path = path
		if len(m.fields) < maxFields {
			m.fields = append(m.fields, f)
		}
	}
	return true
}

func (m *match) tree(n *node, branch map[string]any, path []string) bool {
	for _, name := range slices.Sorted(maps.Keys(branch)) {
		value, at := branch[name], slices.Concat(path, []string{name})
		probe := match{contract: m.contract}
		if probe.leaf(n.elem, value, at) {
			m.fields = append(m.fields, probe.fields...)
			continue
		}
		deeper, ok := value.(map[string]any)
		if !ok || len(at) > 64 || !m.tree(n, deeper, at) {
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
	if n.slot == slotCode {
		return m.readCode(s)
	}
	if s == "" {
		return true
	}
	if n.slot == slotStatus || n.slot == slotRetryAfter || n.slot == slotRetryAfterMillis {
		return jsonNumber(s) && m.slot(n, json.Number(s), field)
	}
	if n.slot == slotTimestamp && jsonNumber(s) {
		return m.slot(n, json.Number(s), field)
	}
	return m.slot(n, s, field)
}

var xmlUnescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&#13;", "\r")

func unescapeXML(s string) string { return xmlUnescaper.Replace(s) }

func isXML(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.HasSuffix(base, "/xml") || strings.HasSuffix(base, "+xml")
}

// jsonNumber reports whether s is a JSON number.
func jsonNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}
