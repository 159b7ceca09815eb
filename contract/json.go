package contract

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep a body may be nested, as encoding/json has it.
const maxDepth = 10_000

// sharedText is up to which size strings may keep the text that they are a part
// of in memory.
const sharedText = 4 << 10

// jsonTree is a body's JSON: one slice of nodes whose strings are parts of one
// text. A client decodes every failure before it repeats a call; trees of maps
// and interfaces take several times as long to make and to walk.
type jsonTree struct {
	text  string
	nodes []jsonNode
}

// jsonNode is a value. Members and elements follow child by next, as indices; 0,
// the root, is nobody's, so that it stands for none.
type jsonNode struct {
	// name is that of a member of an object.
	name string
	// text is a string's value, or a number as it is written.
	text        string
	child, next int32
	kind        jsonKind
}

type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonFalse
	jsonTrue
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// parse reads a JSON value that fills the body. It reuses the tree's nodes.
func (t *jsonTree) parse(body []byte) bool {
	t.nodes = t.nodes[:0]
	t.text = string(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	r := jsonReader{text: t.text, nodes: t.nodes}
	_, ok := r.value(0)
	r.space()
	t.nodes = r.nodes
	return ok && r.at == len(r.text) && (r.bits < utf8.RuneSelf || utf8.ValidString(r.text))
}

// jsonTrees lends trees, so that reading a failure makes none. A nil one makes
// them.
type jsonTrees struct{ pool sync.Pool }

// maxLent is how many nodes a tree may have that is kept.
const maxLent = 1 << 10

func (p *jsonTrees) borrow() *jsonTree {
	if p != nil {
		if t, ok := p.pool.Get().(*jsonTree); ok {
			return t
		}
	}
	return &jsonTree{nodes: make([]jsonNode, 0, 32)}
}

// giveBack takes a tree of which nothing but strings is in use any more.
func (p *jsonTrees) giveBack(t *jsonTree) {
	if p == nil || cap(t.nodes) > maxLent {
		return
	}
	clear(t.nodes) // keeps no text in memory
	t.text = ""
	p.pool.Put(t)
}

// jsonReader reads RFC 8259.
type jsonReader struct {
	text  string
	at    int
	nodes []jsonNode
	// bits are those of all bytes in strings: without the highest they are ASCII.
	bits byte
}

func (r *jsonReader) add(n jsonNode) int32 {
	r.nodes = append(r.nodes, n)
	return int32(len(r.nodes) - 1)
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

// value reads what begins here and returns its place.
func (r *jsonReader) value(depth int) (place int32, ok bool) {
	switch c := r.space(); c {
	case '{':
		return r.list(jsonObject, '}', depth+1)
	case '[':
		return r.list(jsonArray, ']', depth+1)
	case '"':
		s, ok := r.string()
		return r.add(jsonNode{kind: jsonString, text: s}), ok
	case 't':
		return r.add(jsonNode{kind: jsonTrue}), r.word("true")
	case 'f':
		return r.add(jsonNode{kind: jsonFalse}), r.word("false")
	case 'n':
		return r.add(jsonNode{kind: jsonNull}), r.word("null")
	default:
		s, ok := r.number()
		return r.add(jsonNode{kind: jsonNumber, text: s}), ok
	}
}

func (r *jsonReader) word(w string) bool {
	ok := strings.HasPrefix(r.text[r.at:], w)
	r.at += len(w)
	return ok
}

// list reads an object or an array.
func (r *jsonReader) list(of jsonKind, end byte, depth int) (place int32, ok bool) {
	r.at++
	place = r.add(jsonNode{kind: of})
	if r.space() == end {
		r.at++
		return place, depth <= maxDepth
	}
	for last := int32(0); depth <= maxDepth; {
		name := ""
		if of == jsonObject {
			if r.space() != '"' {
				return 0, false
			}
			if name, ok = r.string(); !ok || r.space() != ':' {
				return 0, false
			}
			r.at++
		}
		item, ok := r.value(depth)
		if !ok {
			return 0, false
		}
		r.nodes[item].name = name
		if last == 0 {
			r.nodes[place].child = item
		} else {
			r.nodes[last].next = item
		}
		last = item
		c := r.space()
		r.at++
		if c != ',' {
			return place, c == end
		}
	}
	return 0, false
}

// string reads a string that begins here.
func (r *jsonReader) string() (string, bool) {
	r.at++
	rest := r.text[r.at:]
	bits := byte(0)
	for i := range len(rest) {
		c := rest[i]
		bits |= c
		if c > '"' && c != '\\' {
			continue
		}
		switch {
		case c == '"':
			r.at += i + 1
			r.bits |= bits
			return rest[:i], true
		case c == '\\':
			r.bits |= bits
			return r.escaped(r.at + i)
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
		r.bits |= c
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
		second := jsonReader{text: r.text, at: r.at + len(`\u`)}
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

// number reads a number as it is written.
func (r *jsonReader) number() (string, bool) {
	start := r.at
	r.sign('-', '-')
	if r.at < len(r.text) && r.text[r.at] == '0' {
		r.at++
	} else if !r.digits() {
		return "", false
	}
	if r.sign('.', '.') && !r.digits() {
		return "", false
	}
	if r.sign('e', 'E') {
		r.sign('+', '-')
		if !r.digits() {
			return "", false
		}
	}
	return r.text[start:r.at], true
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
