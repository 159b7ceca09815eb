package failwell

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
)

// routes finds the operation of a method and a path. Patterns are those of
// net/http.ServeMux without hosts: {name} is one segment, {name...} the rest, {$}
// the end after a slash; the more literal pattern wins. It is built once and
// then only read, and a look-up allocates nothing.
type routes struct {
	root branch
}

type branch struct {
	literal map[string]*branch
	one     *branch
	rest    *leaf
	end     *leaf
}

type leaf struct {
	byMethod map[string]*contract.Operation
	allow    string
}

func newRoutes(operations []*contract.Operation) *routes {
	r := &routes{}
	for _, o := range operations {
		r.add(o)
	}
	return r
}

func (r *routes) add(o *contract.Operation) {
	at := &r.root
	for segment := range strings.SplitSeq(strings.TrimPrefix(o.Path, "/"), "/") {
		switch {
		case segment == "": // a trailing slash stands for everything below
			at.rest = at.rest.with(o)
			return
		case segment == "{$}":
			segment = ""
		case strings.HasSuffix(segment, "...}"):
			at.rest = at.rest.with(o)
			return
		case strings.HasPrefix(segment, "{"):
			if at.one == nil {
				at.one = &branch{}
			}
			at = at.one
			continue
		}
		if at.literal == nil {
			at.literal = map[string]*branch{}
		}
		next := at.literal[segment]
		if next == nil {
			next = &branch{}
			at.literal[segment] = next
		}
		at = next
	}
	at.end = at.end.with(o)
}

func (l *leaf) with(o *contract.Operation) *leaf {
	if l == nil {
		l = &leaf{byMethod: map[string]*contract.Operation{}}
	}
	l.byMethod[o.Method] = o
	if o.Method == http.MethodGet && l.byMethod["HEAD"] == nil {
		l.byMethod["HEAD"] = o // RFC 9110 section 9.3.2
	}
	methods := make([]string, 0, len(l.byMethod))
	for m := range l.byMethod {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	l.allow = strings.Join(methods, ", ")
	return l
}

// find returns the operation, or, when the path is known under other methods,
// what Allow should say. Neither: the path is unknown.
//
// The escaped path decides, segment by segment. Segments that mean "here" or
// "above", and such that hold a separator or NUL once they are decoded, lead
// nowhere: whoever stands behind may resolve them, and would see another path
// than the one that was checked.
func (r *routes) find(method string, u *url.URL) (o *contract.Operation, allow string) {
	path := u.Path
	escaped := u.RawPath != ""
	if escaped {
		path = u.RawPath
	}
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, ""
	}
	l := r.root.find(path, escaped)
	if l == nil {
		return nil, ""
	}
	if o := l.byMethod[method]; o != nil {
		return o, ""
	}
	return nil, l.allow
}

// has reports whether there is an operation for a method and a path.
func (r *routes) has(method string, u *url.URL) bool {
	o, _ := r.find(method, u)
	return o != nil
}

func (b *branch) find(path string, escaped bool) *leaf {
	segment, rest, more := strings.Cut(path, "/")
	segment, ok := plainSegment(segment, escaped)
	if !ok {
		return nil
	}
	if next := b.literal[segment]; next != nil {
		if l := next.follow(rest, more, escaped); l != nil {
			return l
		}
	}
	if b.one != nil && segment != "" {
		if l := b.one.follow(rest, more, escaped); l != nil {
			return l
		}
	}
	if b.rest != nil && plainPath(path, escaped) {
		return b.rest
	}
	return nil
}

func (b *branch) follow(rest string, more, escaped bool) *leaf {
	if !more {
		return b.end
	}
	return b.find(rest, escaped)
}

// plainSegment decodes a segment; ok is false for one that could be read as
// more than one, or as none.
func plainSegment(segment string, escaped bool) (plain string, ok bool) {
	if escaped && strings.Contains(segment, "%") {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return "", false
		}
		segment = decoded
	}
	return segment, segment != "." && segment != ".." && !strings.ContainsAny(segment, "/\\\x00")
}

func plainPath(path string, escaped bool) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if _, ok := plainSegment(segment, escaped); !ok {
			return false
		}
	}
	return true
}
