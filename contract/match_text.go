package contract

import (
	"encoding/json"
	"fmt"
	"strings"
)

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
