package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// column is a column of a list, and what becomes of it in a terminal that is too
// narrow. The zero value stays as it is: an id is of no use in part.
type column struct {
	head string
	// goes orders the columns that are left out: 1 is the first. Commands that
	// print such lists have wideFlag, which the heading then names.
	goes int
	// least is to how many characters it may be cut; 0: not at all.
	least int
	// breaks: it takes what is left of the width, and more lines if it must. Only
	// the last column can.
	breaks bool
}

// wideFlag is a flag of commands that print lists.
type wideFlag struct {
	Wide bool `help:"Leave nothing out and cut nothing off where the terminal is too narrow." short:"w"`
}

func (x *wideFlag) painterFor(c *console) painter {
	p := c.painterFor(c.stdout)
	if x.Wide {
		p.wide = 0
	}
	return p
}

// table prints rows in columns under a heading; nothing when there are none. The
// last column is for texts, which are broken between words.
func (c *console) table(p painter, title string, heads []string, rows [][]string) error {
	return c.list(p, title, texts(heads...), rows)
}

// texts are columns of which the last is for texts.
func texts(heads ...string) []column {
	columns := make([]column, len(heads))
	for i, head := range heads {
		columns[i] = column{head: head, breaks: i == len(heads)-1}
	}
	return columns
}

// list is a table whose columns say how they give way.
func (c *console) list(p painter, title string, columns []column, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	heads := make([]string, len(columns))
	for i := range columns {
		heads[i] = columns[i].head
	}
	l := p.lay(columns, append([][]string{heads}, rows...))
	var b strings.Builder
	b.WriteString(p.bold(title))
	if len(l.gone) > 0 {
		b.WriteString(p.faint("; --wide shows " + strings.Join(l.gone, ", ") + " as well"))
	}
	b.WriteString("\n")
	for _, line := range l.lines(heads) {
		b.WriteString(p.faint(line) + "\n")
	}
	for _, row := range rows {
		for _, line := range l.lines(row) {
			b.WriteString(line + "\n")
		}
	}
	return c.print(b.String())
}

// layout is where the columns of a list stand.
type layout struct {
	columns []column
	widths  []int
	// shown are the columns that stay, gone the names of others that would have had
	// something to show.
	shown []int
	gone  []string
	// text is the room for the column that breaks; below: it stands on lines of its
	// own, for there is no room beside the others.
	text  int
	below bool
}

const (
	gap       = 2  // between columns, and before the first
	indent    = 6  // of texts below their row
	leastText = 30 // narrower, a text would be a tower of words
)

// lay finds room for rows, the first of which are the heads. Until they fit,
// what is empty is left out, texts go below, columns are cut, and columns go.
func (p painter) lay(columns []column, rows [][]string) *layout {
	l := &layout{columns: columns, widths: make([]int, len(columns))}
	empty, least := make([]bool, len(columns)), 0
	for i := range columns {
		l.shown = append(l.shown, i)
		empty[i] = true
		for n, row := range rows {
			l.widths[i] = max(l.widths[i], utf8.RuneCountInString(row[i]))
			empty[i] = empty[i] && (n == 0 || row[i] == "")
			for word := range strings.FieldsSeq(row[i]) {
				if columns[i].breaks {
					least = max(least, utf8.RuneCountInString(word))
				}
			}
		}
	}
	if p.wide > 0 {
		l.squeeze(p.wide, empty, min(max(least, leastText), l.widths[len(columns)-1]))
	}
	for i := range columns {
		if !slices.Contains(l.shown, i) && !empty[i] {
			l.gone = append(l.gone, columns[i].head)
		}
	}
	l.text = p.columns() - indent
	if !l.below {
		l.text = max(p.columns()-l.taken(0)-gap, least, leastText)
	}
	return l
}

// taken is the width of a row, with so much of a text.
func (l *layout) taken(text int) int {
	sum := 0
	for _, i := range l.shown {
		switch {
		case !l.columns[i].breaks:
			sum += gap + l.widths[i]
		case text > 0 && !l.below:
			sum += gap + text
		}
	}
	return sum
}

// squeeze makes rows fit into so many characters, as far as that goes.
func (l *layout) squeeze(wide int, empty []bool, text int) {
	if l.taken(text) > wide {
		l.shown = slices.DeleteFunc(l.shown, func(i int) bool { return empty[i] })
		l.below = l.taken(text) > wide
	}
	whole := slices.Clone(l.widths)
	for {
		copy(l.widths, whole)
		if cut(l.columns, l.widths, l.shown, l.taken(text)-wide) <= 0 {
			return
		}
		next := -1 // to go
		for _, i := range l.shown {
			if g := l.columns[i].goes; g > 0 && (next < 0 || g < l.columns[next].goes) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		l.shown = slices.DeleteFunc(l.shown, func(i int) bool { return i == next })
	}
}

// cut narrows columns that may be, the widest first, by so many characters in
// all, or to their least. It returns how many characters are still too many.
func cut(columns []column, widths, shown []int, over int) int {
	for ; over > 0; over-- {
		widest, most := 0, 0
		for _, i := range shown {
			if least := columns[i].least; least > 0 && !columns[i].breaks && widths[i] > max(least, most) {
				widest, most = i, widths[i]
			}
		}
		if most == 0 {
			break
		}
		widths[widest]--
	}
	return over
}

// lines are those of one row.
func (l *layout) lines(row []string) []string {
	var line strings.Builder
	var texts []string
	for _, i := range l.shown {
		if l.columns[i].breaks {
			texts = broken(row[i], l.text)
			continue
		}
		line.WriteString(strings.Repeat(" ", gap) + fixed(row[i], l.widths[i]))
	}
	before := indent
	if !l.below {
		before = utf8.RuneCountInString(line.String()) + gap
		if len(texts) > 0 {
			line.WriteString(strings.Repeat(" ", gap) + texts[0])
			texts = texts[1:]
		}
	}
	lines := make([]string, 1, 1+len(texts))
	lines[0] = strings.TrimRight(line.String(), " ")
	for _, text := range texts {
		lines = append(lines, strings.Repeat(" ", before)+text)
	}
	return lines
}

// fixed is text in so many columns.
func fixed(s string, columns int) string {
	if n := utf8.RuneCountInString(s); n <= columns {
		return s + strings.Repeat(" ", columns-n)
	}
	return string([]rune(s)[:columns-1]) + "…"
}
