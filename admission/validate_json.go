package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/failwell/failwell/contract"
)

const (
	// maxDepth is how deep lists and objects of a body may be nested.
	maxDepth = 500
	// maxExponent and maxDigits bound numbers: exact arithmetic on more takes
	// memory without end, and no float holds them.
	maxExponent = 400
	maxDigits   = 1000
	// maxValues is how many members and items a body may have in all: each
	// takes some hundred bytes once it is a value, and the time to check it.
	maxValues = 100_000
)

// wellFormed explains what keeps data from being one JSON text in UTF-8 (RFC
// 8259). The explanation names places, never content.
func wellFormed(data []byte) (issue string, ok bool) {
	if len(bytes.TrimSpace(data)) == 0 {
		return "is empty, JSON is expected", false
	}
	if !utf8.Valid(data) {
		return "is not UTF-8", false
	}
	err := json.Unmarshal(data, new(skip))
	if err == nil {
		return "", true
	}
	if bad, found := errors.AsType[*json.SyntaxError](err); found {
		if bad.Offset >= int64(len(data)) && strings.Contains(bad.Error(), "end of JSON") {
			return "ends too early, at byte " + strconv.Itoa(len(data)), false
		}
		return "is not valid JSON at byte " + strconv.FormatInt(bad.Offset, 10), false
	}
	return "is not valid JSON", false
}

// tooMany reports whether well-formed JSON has more than maxValues members and
// items. It only looks: each but the first of a list or an object has a comma
// before it.
func tooMany(data []byte) bool {
	if len(data) <= 2*maxValues {
		return false // a value and its comma take two bytes
	}
	n, empty := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case ' ', '\t', '\r', '\n':
			continue
		case '[', '{':
			if empty {
				n++
			}
			empty = true
			continue
		case ']', '}':
			empty = false
			continue
		case ',':
			n++
		case '"':
			i = endOfString(data, i)
		}
		if empty { // no longer
			n++
			empty = false
		}
		if n > maxValues {
			return true
		}
	}
	return n > maxValues
}

// endOfString returns where the string ends that begins at a quote.
func endOfString(data []byte, at int) int {
	for at++; at < len(data) && data[at] != '"'; at++ {
		if data[at] == '\\' {
			at++
		}
	}
	return at
}

// skip accepts any JSON and keeps nothing of it.
type skip struct{}

func (*skip) UnmarshalJSON([]byte) error { return nil }

// reader turns well-formed JSON into values. It refuses what different readers
// understand differently, so that what was checked is what is read later: a
// name that stands twice in an object, a number beyond all floats.
type reader struct {
	dec   *json.Decoder
	path  []string
	found []contract.FieldError
}

func readJSON(data []byte) (any, []contract.FieldError) {
	r := reader{dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	v := r.value()
	return v, r.found
}

func (r *reader) fault(code, message string) {
	if len(r.found) < maxIssues {
		r.found = append(r.found, contract.FieldError{In: inBody, Path: pathOf(r.path), Message: message, Code: code})
	}
}

func (r *reader) value() any {
	token, err := r.dec.Token()
	if err != nil {
		return nil // the text is well formed: it was checked
	}
	switch t := token.(type) {
	case json.Delim:
		if len(r.path) >= maxDepth {
			r.fault("recursion_loop", "is nested deeper than "+strconv.Itoa(maxDepth)+" levels")
			r.leave()
			return nil
		}
		if t == '{' {
			return r.object()
		}
		return r.list()
	case json.Number:
		if !finite(t.String()) {
			r.fault("finite_number", "is a number out of range")
			return json.Number("0")
		}
	}
	return token
}

// leave reads to the end of the list or object that was just entered.
func (r *reader) leave() {
	for depth := 1; depth > 0; {
		token, err := r.dec.Token()
		if err != nil {
			return
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

func (r *reader) object() any {
	members := map[string]any{}
	for r.dec.More() {
		token, err := r.dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return members
		}
		r.path = append(r.path, name)
		_, twice := members[name]
		if twice {
			r.fault("duplicate_key", "is given more than once")
		}
		members[name] = r.value()
		r.path = r.path[:len(r.path)-1]
	}
	_, _ = r.dec.Token()
	return members
}

func (r *reader) list() any {
	items := []any{}
	for i := 0; r.dec.More(); i++ {
		r.path = append(r.path, strconv.Itoa(i))
		items = append(items, r.value())
		r.path = r.path[:len(r.path)-1]
	}
	_, _ = r.dec.Token()
	return items
}

func finite(number string) bool {
	if len(number) > maxDigits {
		return false
	}
	_, exponent, scientific := strings.Cut(strings.ToLower(number), "e")
	if !scientific {
		return true
	}
	n, err := strconv.Atoi(exponent)
	return err == nil && -maxExponent <= n && n <= maxExponent
}

// maxName bounds what of a caller's own names is repeated to them, in bytes.
const maxName = 128

// pathOf copies a path; names that a caller chose are cut.
func pathOf(path []string) []string {
	out := make([]string, len(path))
	for i, p := range path {
		if len(p) > maxName {
			p = strings.ToValidUTF8(p[:maxName], "") + "…"
		}
		out[i] = p
	}
	return out
}
