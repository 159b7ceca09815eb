package guess

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds on a tree, whatever it is read from.
const (
	maxDepth = 64
	maxNodes = 20000
)

// jsonReader reads JSON and what is often sent in its place: single quotes,
// bare keys, True and None, trailing commas, a text that ends early. It goes
// over its input once.
type jsonReader struct {
	s     string
	i     int
	nodes int
	// short: the text, or the bound on nodes, ended before the value did.
	short bool
	// bent: something is not JSON.
	bent bool
}

// value reads one value, or returns nil where none begins.
func (r *jsonReader) value(depth int) *node {
	r.space()
	if r.i >= len(r.s) {
		r.short = true
		return nil
	}
	if r.nodes++; r.nodes > maxNodes {
		r.short = true
		return nil
	}
	switch c := r.s[r.i]; {
	case c == '{' || c == '[':
		if depth >= maxDepth {
			r.skip()
			return &node{}
		}
		return r.list(depth, c)
	case c == '"' || c == '\'':
		text, cut := r.quoted(c)
		return &node{kind: kindString, text: text, cut: cut}
	case c == '-' || c == '+' || (c >= '0' && c <= '9'):
		from := r.i
		for r.i < len(r.s) && strings.IndexByte("+-.eE0123456789", r.s[r.i]) >= 0 {
			r.i++
		}
		return &node{kind: kindNumber, text: r.s[from:r.i], cut: r.i == len(r.s)}
	}
	return r.word()
}

func (r *jsonReader) list(depth int, open byte) *node {
	n := &node{kind: kindObject}
	end := byte('}')
	if open == '[' {
		n.kind, end = kindArray, ']'
	}
	r.i++
	for {
		r.space()
		if r.i >= len(r.s) {
			r.short = true
			return n
		}
		switch r.s[r.i] {
		case end:
			r.i++
			return n
		case ',':
			r.i++
			continue
		case '}', ']':
			r.bent = true
			return n
		}
		key := ""
		if open == '{' {
			var ok bool
			if key, ok = r.name(); !ok {
				return n
			}
		}
		kid := r.value(depth + 1)
		if kid == nil {
			return n
		}
		n.add(kid.named(key))
		if r.short || r.bent && r.i >= len(r.s) {
			return n
		}
	}
}

// name reads a key and its colon.
func (r *jsonReader) name() (string, bool) {
	var key string
	if c := r.s[r.i]; c == '"' || c == '\'' {
		var cut bool
		if key, cut = r.quoted(c); cut {
			return "", false
		}
	} else {
		from := r.i
		for r.i < len(r.s) && isWord(r.s[r.i]) {
			r.i++
		}
		if key = r.s[from:r.i]; key == "" {
			r.bent = true
			r.i = len(r.s)
			return "", false
		}
		r.bent = true
	}
	r.space()
	if r.i >= len(r.s) {
		r.short = true
		return "", false
	}
	if r.s[r.i] != ':' {
		r.bent = true
		r.i = len(r.s)
		return "", false
	}
	r.i++
	return key, true
}

func (r *jsonReader) word() *node {
	from := r.i
	for r.i < len(r.s) && isWord(r.s[r.i]) {
		r.i++
	}
	switch word := r.s[from:r.i]; word {
	case "true", "True":
		return &node{kind: kindBool, text: "true"}
	case "false", "False":
		return &node{kind: kindBool, text: "false"}
	case "null", "None", "undefined", "NaN":
		return &node{}
	case "":
		r.bent = true
		r.i = len(r.s)
		return nil
	default:
		if r.i == len(r.s) {
			r.short = true
			return nil
		}
		r.bent = true
		return &node{kind: kindString, text: word}
	}
}

// quoted reads a string; cut says that the text ended inside it.
func (r *jsonReader) quoted(quote byte) (text string, cut bool) {
	r.i++
	from := r.i
	for r.i < len(r.s) && r.s[r.i] != quote && r.s[r.i] != '\\' {
		r.i++
	}
	if r.i < len(r.s) && r.s[r.i] == quote {
		r.i++
		return r.s[from : r.i-1], false
	}
	var b strings.Builder
	b.WriteString(r.s[from:r.i])
	for r.i < len(r.s) {
		c := r.s[r.i]
		r.i++
		switch c {
		case quote:
			return b.String(), false
		case '\\':
			r.escape(&b)
		default:
			b.WriteByte(c)
		}
	}
	r.short = true
	return b.String(), true
}

func (r *jsonReader) escape(b *strings.Builder) {
	if r.i >= len(r.s) {
		return
	}
	c := r.s[r.i]
	r.i++
	switch c {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'b', 'f':
		b.WriteByte(' ')
	case 'u':
		first, ok := r.hex4()
		if !ok {
			return
		}
		if utf16.IsSurrogate(first) && strings.HasPrefix(r.s[r.i:], `\u`) {
			mark := r.i
			r.i += 2
			if second, ok := r.hex4(); ok {
				if both := utf16.DecodeRune(first, second); both != utf8.RuneError {
					b.WriteRune(both)
					return
				}
			}
			r.i = mark
		}
		b.WriteRune(first)
	default:
		b.WriteByte(c)
	}
}

func (r *jsonReader) hex4() (rune, bool) {
	if r.i+4 > len(r.s) {
		r.i = len(r.s)
		return 0, false
	}
	v, err := strconv.ParseUint(r.s[r.i:r.i+4], 16, 16)
	if err != nil {
		return 0, false
	}
	r.i += 4
	return rune(v), true
}

// skip passes over a value that lies too deep.
func (r *jsonReader) skip() {
	open := 0
	for r.i < len(r.s) {
		switch c := r.s[r.i]; c {
		case '"':
			r.quoted(c)
			continue
		case '{', '[':
			open++
		case '}', ']':
			open--
		}
		r.i++
		if open == 0 {
			return
		}
	}
	r.short = true
}

func (r *jsonReader) space() {
	for r.i < len(r.s) {
		switch r.s[r.i] {
		case ' ', '\t', '\r', '\n', 0x1e:
			r.i++
		default:
			return
		}
	}
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$'
}
