package openapi

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// text is a YAML document as lines, with the changes to make. Changing lines
// instead of writing the tree anew leaves comments, blank lines, quotes and
// everything else that nobody asked about as they are.
type text struct {
	lines  []string
	layout layout
	edits  []edit
}

// edit replaces lines, from the one at from up to the one before to, counted from 0.
type edit struct {
	from, to int
	with     []string
	// margin and order settle who comes first at one place: what belongs further
	// in, then what was asked for first.
	margin, order int
}

func newText(document []byte) *text {
	t := &text{lines: strings.Split(strings.TrimSuffix(string(document), "\n"), "\n"), layout: layout{step: 2, compact: true}}
	known := false
	for i, line := range t.lines {
		if d := depth(line); d > 0 && !known && !blank(line) {
			t.layout.step, known = min(d, 8), true
		}
		if i+1 < len(t.lines) && strings.HasSuffix(strings.TrimSpace(line), ":") && strings.HasPrefix(strings.TrimSpace(t.lines[i+1]), "- ") {
			t.layout.compact = depth(t.lines[i+1]) < depth(line)+t.layout.step
			if known {
				break
			}
		}
	}
	return t
}

func depth(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func blank(line string) bool { return strings.TrimSpace(line) == "" }

// comment: the line is a comment at a margin or to the left of it. Further to the
// right it may as well be text of a block.
func comment(line string, margin int) bool {
	return strings.HasPrefix(strings.TrimSpace(line), "#") && depth(line) <= margin
}

// end is the line behind the last one of what begins in line first and whose
// continuations stand to the right of margin, or at it where they are items.
func (t *text) end(first, margin int, items bool) int {
	last := first
	for i := first + 1; i < len(t.lines); i++ {
		line := t.lines[i]
		if blank(line) || comment(line, margin) {
			continue
		}
		item := items && depth(line) == margin && (strings.HasPrefix(line[margin:], "- ") || line[margin:] == "-")
		if depth(line) <= margin && !item || margin == 0 && (line == "---" || line == "...") {
			break
		}
		last = i
	}
	return last + 1
}

// behind is the line behind a mapping, where a member can be added.
func (t *text) behind(mapping *yaml.Node) int {
	at := 0
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		at = max(at, t.end(key.Line-1, key.Column-1, true))
	}
	return at
}

// add puts members at the end of a block mapping.
func (t *text) add(mapping *yaml.Node, members object) error {
	lines, err := t.render(members, mapping.Content[0].Column-1)
	if err != nil {
		return err
	}
	at := t.behind(mapping)
	t.edits = append(t.edits, edit{at, at, lines, mapping.Content[0].Column, len(t.edits)})
	return nil
}

// replace writes a member of a block mapping anew; an empty object removes it.
func (t *text) replace(key *yaml.Node, with object) error {
	lines, err := t.render(with, key.Column-1)
	if err != nil {
		return err
	}
	from := key.Line - 1
	t.edits = append(t.edits, edit{from, t.end(from, key.Column-1, true), lines, key.Column, len(t.edits)})
	return nil
}

func (t *text) render(members object, margin int) ([]string, error) {
	if len(members) == 0 {
		return nil, nil
	}
	out, err := dump(nodeOf(members), t.layout)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = strings.Repeat(" ", margin) + line
		}
	}
	return lines, nil
}

// bytes is the document with all changes made.
func (t *text) bytes() []byte {
	slices.SortFunc(t.edits, func(a, b edit) int { // from the end of the document to its beginning
		return cmp.Or(cmp.Compare(b.from, a.from), cmp.Compare(b.to, a.to), cmp.Compare(a.margin, b.margin), cmp.Compare(b.order, a.order))
	})
	lines := t.lines
	for _, e := range t.edits {
		lines = slices.Concat(lines[:e.from:e.from], e.with, lines[e.to:])
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}
