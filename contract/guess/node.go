package guess

import (
	"slices"
	"strconv"
	"strings"
)

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// node is one value of a body, whatever its syntax was. Objects keep their
// order and their duplicate keys; a scalar keeps its text.
type node struct {
	key  string // as written, "" for the items of an array
	norm string // key, lower case, letters and digits only
	kind kind
	text string
	kids []*node
	up   *node
	cut  bool // the text ended in the middle of this value
}

func (n *node) add(kid *node) {
	kid.up = n
	n.kids = append(n.kids, kid)
}

// named gives n its key.
func (n *node) named(key string) *node {
	n.key, n.norm = key, normKey(key)
	return n
}

// get returns the first member whose normalised key is one of names, in the
// order of names.
func (n *node) get(names ...string) *node {
	if n == nil || n.kind != kindObject {
		return nil
	}
	for _, name := range names {
		for _, kid := range n.kids {
			if kid.norm == name {
				return kid
			}
		}
	}
	return nil
}

func (n *node) is(k kind) bool { return n != nil && n.kind == k }

// str is the text of a string or number, trimmed; "" for anything else.
func (n *node) str() string {
	if n == nil || (n.kind != kindString && n.kind != kindNumber) {
		return ""
	}
	return strings.TrimSpace(n.text)
}

// num is the value of a number, or of a string that holds one.
func (n *node) num() (float64, bool) {
	s := n.str()
	if s == "" || len(s) > 32 || strings.ContainsAny(s, "xXpP_nNiI") {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// truth is the value of a boolean, also written as a string or as 0 and 1.
func (n *node) truth() (value, ok bool) {
	if n == nil {
		return false, false
	}
	switch strings.ToLower(strings.TrimSpace(n.text)) {
	case "true", "1", "yes", "y":
		return true, true
	case "false", "0", "no", "n":
		return false, true
	}
	return false, false
}

// empty holds for null, "", [], {} and values that say nothing.
func (n *node) empty() bool {
	if n == nil {
		return true
	}
	switch n.kind {
	case kindNull:
		return true
	case kindBool:
		return n.text == "false"
	case kindNumber:
		return n.text == "0"
	case kindString:
		s := strings.TrimSpace(n.text)
		return s == "" || s == "0" || strings.EqualFold(s, "none") || strings.EqualFold(s, "null") || strings.EqualFold(s, "false")
	case kindArray, kindObject:
		for _, kid := range n.kids {
			if !kid.empty() {
				return false
			}
		}
		return true
	}
	return true
}

// first is the first item of an array, or n itself.
func (n *node) first() *node {
	if n.is(kindArray) {
		if len(n.kids) == 0 {
			return nil
		}
		return n.kids[0]
	}
	return n
}

// each visits n and what is below it, parents first, at most limit nodes.
func (n *node) each(limit int, visit func(*node)) {
	stack := []*node{n}
	for len(stack) > 0 && limit > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		visit(top)
		limit--
		for _, kid := range slices.Backward(top.kids) {
			stack = append(stack, kid)
		}
	}
}

const maxKey = 64

// normKey makes error_code, errorCode, Error-Code and ErrorCode one name.
func normKey(key string) string {
	if len(key) > maxKey {
		key = key[:maxKey]
	}
	if colon := strings.IndexByte(key, ':'); colon > 0 && colon <= 8 && colon+1 < len(key) {
		key = key[colon+1:] // a namespace
	}
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 0x80, c == '#':
			b.WriteByte(c)
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		}
	}
	return b.String()
}
