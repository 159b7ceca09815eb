package contract

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The format is described once, in tables of keys (see format.go): the parser,
// the published JSON Schema and the reference in docs/contract.md all read
// those tables, so they cannot drift apart.

// key is one member of a mapping of the format.
type key[T any] struct {
	name     string
	doc      string
	required bool
	form     form
	read     func(p *parser, n *yaml.Node, into *T)
}

// form is a fragment of JSON Schema (draft 2020-12).
type form map[string]any

// section is a mapping of the format with a fixed set of keys.
type section[T any] struct {
	name string
	keys []key[T]
	// begin, when set, sees the node first.
	begin func(p *parser, n *yaml.Node, into *T)
}

// Fault is one thing that is wrong with a contract file.
type Fault struct {
	Pos  Position
	What string
	// Hint says what to do; it may be empty.
	Hint string
}

func (f Fault) String() string {
	s := fmt.Sprintf("%s:%d: %s", f.Pos.File, f.Pos.Line, f.What)
	if f.Hint != "" {
		s += ", " + f.Hint
	}
	return s
}

// Faults is the error of a contract that cannot be used: everything that is
// wrong with it, in file order.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

type parser struct {
	file   string
	faults Faults
}

func (p *parser) pos(n *yaml.Node) Position { return Position{File: p.file, Line: n.Line} }

func (p *parser) fault(at Position, hint, format string, args ...any) {
	p.faults = append(p.faults, Fault{Pos: at, What: fmt.Sprintf(format, args...), Hint: hint})
}

func (p *parser) faultAt(n *yaml.Node, hint, format string, args ...any) {
	p.fault(p.pos(n), hint, format, args...)
}

// sorted returns the faults in file order, or nil.
func (p *parser) sorted() error {
	if len(p.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(p.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line))
	})
	return p.faults
}

func resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pairs yields the members of a mapping, refusing duplicates.
func (p *parser) pairs(n *yaml.Node, what string, visit func(k, v *yaml.Node)) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		p.faultAt(n, "write \"name: value\" lines indented below it", "%s should be a mapping, not %s", what, kindName(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := resolve(n.Content[i])
		if line, dup := seen[k.Value]; dup {
			p.faultAt(k, fmt.Sprintf("it stands at line %d already", line), "%q is given twice in %s", k.Value, what)
			continue
		}
		seen[k.Value] = k.Line
		visit(k, resolve(n.Content[i+1]))
	}
}

func (p *parser) items(n *yaml.Node, what string, visit func(v *yaml.Node)) {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		p.faultAt(n, "write it as [a, b]", "%s should be a list, not %s", what, kindName(n))
		return
	}
	for _, v := range n.Content {
		visit(resolve(v))
	}
}

func (s section[T]) parse(p *parser, n *yaml.Node, into *T) {
	if s.begin != nil {
		s.begin(p, n, into)
	}
	if resolve(n).Kind != yaml.MappingNode {
		p.pairs(n, s.name, nil)
		return
	}
	missing := map[string]bool{}
	for _, k := range s.keys {
		missing[k.name] = k.required
	}
	p.pairs(n, s.name, func(k, v *yaml.Node) {
		i := slices.IndexFunc(s.keys, func(c key[T]) bool { return c.name == k.Value })
		if i < 0 {
			p.faultAt(k, s.suggest(k.Value), "%s has no key %q", s.name, k.Value)
			return
		}
		missing[k.Value] = false
		s.keys[i].read(p, v, into)
	})
	for _, k := range s.keys {
		if missing[k.name] {
			p.faultAt(n, "add \""+k.name+": …\"", "%s lacks the key %q", s.name, k.name)
		}
	}
}

func (s section[T]) suggest(word string) string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return didYouMean(word, names)
}

func (s section[T]) form() form {
	properties := map[string]any{}
	var required []string
	for _, k := range s.keys {
		f := form{"description": k.doc}
		maps.Copy(f, k.form)
		properties[k.name] = f
		if k.required {
			required = append(required, k.name)
		}
	}
	f := form{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		f["required"] = required
	}
	return f
}

// didYouMean is a hint: the nearest name, or all of them when none is near. Of
// names that differ in case alone it is the one that is written more alike.
func didYouMean(word string, names []string) string {
	best, distance, exact := "", 3, 0
	for _, name := range names {
		d, e := editDistance(strings.ToLower(word), strings.ToLower(name)), editDistance(word, name)
		if d < distance || d == distance && best != "" && e < exact {
			best, distance, exact = name, d, e
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	if len(sorted) > 24 {
		sorted = append(sorted[:24], "…")
	}
	return "known are " + strings.Join(sorted, ", ")
}

// editDistance counts single-character edits (Levenshtein), at most 99 for long words.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 99
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above+1, row[j-1]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return fmt.Sprintf("%q", n.Value)
	}
	return "this"
}
