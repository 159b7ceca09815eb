package docs

import (
	"strconv"
	"strings"
)

// page is one page in no format yet.
type page struct {
	// Name is its address without an extension, for example "guide/limits".
	Name  string
	Title string
	// Label stands in menus; the title where it is "".
	Label string
	// Code says that the page is about a code; status is then its main one.
	Code     bool
	Status   int
	Lead     text
	Chips    []chip
	Sections []section
	// Data is what the JSON twin holds beyond the sections; nil for nothing.
	Data any
}

// chip is a short fact that is seen at a glance.
type chip struct {
	// Kind colours it: "4xx", "5xx", "yes", "no", "plain", "warn".
	Kind string
	// Name is what it is about, for those who do not see the colour.
	Name, Text string
}

// section is a part of a page with a heading of its own.
type section struct {
	ID, Title string
	Blocks    []block
}

// block is one of its fields.
type block struct {
	Text    text
	List    []text
	Table   *table
	Listing *listing
}

// table has a caption for those who hear it.
type table struct {
	Caption string
	Heads   []string
	Rows    [][]text
	// Filtered: the reader can search its rows.
	Filtered bool
}

// listing is text to copy.
type listing struct {
	// Language names its syntax, Label what it is.
	Language, Label, Text string
}

// text is a line of spans.
type text []span

type span struct {
	Text string
	// Href leads to a page by its name, or to an address elsewhere.
	Href string
	Code bool
	Chip string
}

func plain(s string) text {
	if s == "" {
		return nil
	}
	return text{{Text: s}}
}

func mono(s string) text {
	if s == "" {
		return nil
	}
	return text{{Text: s, Code: true}}
}

func number(n int) text { return plain(strconv.Itoa(n)) }

func link(s, href string) text { return text{{Text: s, Href: href}} }

func (t text) and(more ...text) text {
	out := append(text(nil), t...)
	for _, m := range more {
		out = append(out, m...)
	}
	return out
}

// joined puts texts one after the other with sep between them.
func joined(sep string, parts []text) text {
	var out text
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, span{Text: sep})
		}
		out = append(out, p...)
	}
	return out
}

func codes(list []string) text {
	parts := make([]text, 0, len(list))
	for _, s := range list {
		parts = append(parts, mono(s))
	}
	return joined(", ", parts)
}

// String is the text without its form.
func (t text) String() string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.Text)
	}
	return b.String()
}

func (s *section) say(t ...text) {
	for _, x := range t {
		if len(x) > 0 {
			s.Blocks = append(s.Blocks, block{Text: x})
		}
	}
}

// facts are a table of two columns without the rows that say nothing.
func (s *section) facts(caption string, rows [][2]text) {
	t := &table{Caption: caption, Heads: []string{"", ""}}
	for _, r := range rows {
		if len(r[1]) > 0 {
			t.Rows = append(t.Rows, []text{r[0], r[1]})
		}
	}
	s.table(t)
}

// table adds t unless it has no rows; columns in which no row says anything are left out.
func (s *section) table(t *table) {
	if len(t.Rows) == 0 {
		return
	}
	for i := len(t.Heads) - 1; i > 0; i-- {
		used := false
		for _, r := range t.Rows {
			used = used || len(r[i]) > 0
		}
		if used {
			continue
		}
		t.Heads = append(t.Heads[:i:i], t.Heads[i+1:]...)
		for j, r := range t.Rows {
			t.Rows[j] = append(r[:i:i], r[i+1:]...)
		}
	}
	s.Blocks = append(s.Blocks, block{Table: t})
}

func (s *section) listing(language, label, text string) {
	if text != "" {
		s.Blocks = append(s.Blocks, block{Listing: &listing{language, label, text}})
	}
}

func (s *section) list(items []text) {
	if len(items) > 0 {
		s.Blocks = append(s.Blocks, block{List: items})
	}
}

// add puts a section on the page unless it is empty.
func (p *page) add(id, title string, fill func(*section)) {
	s := section{ID: id, Title: title}
	fill(&s)
	if len(s.Blocks) > 0 {
		p.Sections = append(p.Sections, s)
	}
}
