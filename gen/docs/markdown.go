package docs

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// markdownOf writes a page as CommonMark with the tables of GitHub.
func markdownOf(p *page) []byte {
	var b bytes.Buffer
	m := marker{from: p.Name}
	title := m.escape(p.Title)
	if p.Code {
		title = codeSpan(p.Title)
	}
	fmt.Fprintf(&b, "# %s\n", title)
	if len(p.Lead) > 0 {
		fmt.Fprintf(&b, "\n%s\n", m.inline(p.Lead))
	}
	if len(p.Chips) > 0 {
		b.WriteString("\n")
	}
	for _, c := range p.Chips {
		fmt.Fprintf(&b, "- %s: **%s**\n", c.Name, m.escape(c.Text))
	}
	for _, s := range p.Sections {
		fmt.Fprintf(&b, "\n## %s\n", m.escape(s.Title))
		for _, x := range s.Blocks {
			b.WriteString("\n")
			m.block(&b, x)
		}
	}
	return b.Bytes()
}

// marker writes Markdown for one page.
type marker struct{ from string }

func (m marker) block(b *bytes.Buffer, x block) {
	switch {
	case x.Table != nil:
		m.table(b, x.Table)
	case x.Listing != nil:
		fence := "```"
		for strings.Contains(x.Listing.Text, fence) {
			fence += "`"
		}
		fmt.Fprintf(b, "%s%s\n%s\n%s\n", fence, x.Listing.Language, x.Listing.Text, fence)
	case x.List != nil:
		for _, item := range x.List {
			fmt.Fprintf(b, "- %s\n", m.inline(item))
		}
	default:
		fmt.Fprintf(b, "%s\n", m.inline(x.Text))
	}
}

func (m marker) table(b *bytes.Buffer, t *table) {
	row := func(cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	rule := make([]string, len(t.Heads))
	for i := range rule {
		rule[i] = "---"
	}
	row(t.Heads)
	row(rule)
	for _, r := range t.Rows {
		cells := make([]string, len(r))
		for i, cell := range r {
			cells[i] = strings.ReplaceAll(m.inline(cell), "|", `\|`)
		}
		row(cells)
	}
}

func (m marker) inline(t text) string {
	var b strings.Builder
	for _, s := range t {
		out := m.escape(s.Text)
		if s.Code {
			out = codeSpan(s.Text)
		}
		if s.Href != "" {
			out = "[" + out + "](" + m.target(s.Href) + ")"
		}
		b.WriteString(out)
	}
	return b.String()
}

// target is where a link leads, seen from the page.
func (m marker) target(href string) string { return relative(m.from, href, ".md") }

// relative is the address of a page seen from another one; addresses elsewhere
// stay what they are.
func relative(from, href, ext string) string {
	if strings.Contains(href, "://") {
		return strings.NewReplacer(" ", "%20", ")", "%29", "(", "%28", "<", "%3C", ">", "%3E").Replace(href)
	}
	page, anchor, found := strings.Cut(href, "#")
	if page != "" {
		page += ext
	}
	if dir := path.Dir(from); dir != "." && page != "" {
		if rest, ok := strings.CutPrefix(page, dir+"/"); ok {
			page = rest
		} else {
			page = strings.Repeat("../", strings.Count(dir, "/")+1) + page
		}
	}
	if found {
		page += "#" + anchor
	}
	return page
}

// codeSpan fences a code span with more backticks than it holds in a row.
func codeSpan(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence != "`" || strings.HasPrefix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// lines puts text on one line.
var lines = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ")

// escape writes text so that nothing in it is Markdown or HTML.
func (m marker) escape(s string) string {
	var b strings.Builder
	for _, r := range lines.Replace(s) {
		if strings.ContainsRune("\\`*_[]<>#|~&", r) {
			if r == '<' || r == '>' || r == '&' {
				b.WriteString(map[rune]string{'<': "&lt;", '>': "&gt;", '&': "&amp;"}[r])
				continue
			}
			if r != '|' { // a table's cell escapes it
				b.WriteByte('\\')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
