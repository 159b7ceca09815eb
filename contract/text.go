package contract

import (
	"errors"
	"fmt"
	"strings"
)

// Text is a message with places for values, such as "Retry after $retry_after s".
type Text struct {
	parts []textPart
}

type textPart struct {
	literal string
	// json is the literal, escaped for the inside of a JSON string.
	json []byte
	name string
}

// maxTextParts bounds the work of reading a message back.
const maxTextParts = 64

func parseText(s string) (*Text, error) {
	t := &Text{}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, textPart{literal: literal.String(), json: appendEscaped(nil, literal.String())})
			literal.Reset()
		}
	}
	for s != "" {
		before, after, found := strings.Cut(s, "$")
		literal.WriteString(before)
		if !found {
			break
		}
		if rest, ok := strings.CutPrefix(after, "$"); ok {
			literal.WriteByte('$')
			s = rest
			continue
		}
		name, rest := slotName(after)
		if name == "" {
			return nil, fmt.Errorf("a dollar sign in %q is not followed by a name", "$"+after)
		}
		flush()
		t.parts = append(t.parts, textPart{name: name})
		s = rest
	}
	flush()
	if len(t.parts) > maxTextParts {
		return nil, errors.New("has more than 64 parts")
	}
	return t, nil
}

// slotName reads "name…" or "{name}…"; a dot at the end ends a sentence.
func slotName(s string) (name, rest string) {
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		name, rest, ok = strings.Cut(inner, "}")
		if !ok {
			return "", s
		}
		return name, rest
	}
	n := 0
	for n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || n > 0 && (s[n] >= '0' && s[n] <= '9' || s[n] == '_' || s[n] == '.')) {
		n++
	}
	for n > 0 && s[n-1] == '.' {
		n--
	}
	return s[:n], s[n:]
}

// String is the template as it was written.
func (t *Text) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name != "" {
			b.WriteString("${" + p.name + "}")
			continue
		}
		b.WriteString(strings.ReplaceAll(p.literal, "$", "$$"))
	}
	return b.String()
}

// Names lists the values that the text asks for.
func (t *Text) Names() []string {
	var names []string
	for _, p := range t.parts {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// choose returns the first text whose values are all there, else the last one
// without values, else nil.
func choose(texts []*Text, f *Failure) *Text {
	for _, t := range texts {
		if t.complete(f) {
			return t
		}
	}
	return nil
}

func (t *Text) complete(f *Failure) bool {
	for i := range t.parts {
		if name := t.parts[i].name; name != "" && !hasFact(f, name) {
			return false
		}
	}
	return true
}

// append writes the text; escape says how values are written, literal how the
// fixed parts are.
func (t *Text) append(dst []byte, f *Failure, esc escape) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.name != "":
			dst = appendFact(dst, f, p.name, esc)
		case esc == escapeJSON:
			dst = append(dst, p.json...)
		default:
			dst = esc.append(dst, p.literal)
		}
	}
	return dst
}

// MessageOf renders the message of a failure in the language of its template.
func (c *Contract) MessageOf(f *Failure) string {
	if f.Message != "" || f.Code == nil {
		return f.Message
	}
	return renderText(f.Code.Messages, f)
}

// FriendlyOf returns text that is safe to show to an end user, "" when the
// contract has none for the failure.
func (c *Contract) FriendlyOf(f *Failure) string {
	if f.Code != nil && len(f.Code.Friendly) > 0 {
		return renderText(f.Code.Friendly, f)
	}
	return renderText(c.Friendly, f)
}

func renderText(texts []*Text, f *Failure) string {
	t := choose(texts, f)
	if t == nil {
		return ""
	}
	return string(t.append(nil, f, escapeNone))
}
