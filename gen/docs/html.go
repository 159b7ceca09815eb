package docs

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// html renders the pages of one book.
type html struct {
	book *book
	tmpl *template.Template
}

func newHTML(b *book) (*html, error) {
	h := &html{book: b}
	tmpl, err := template.New("page.html").Funcs(template.FuncMap{
		// Replaced for each page, which knows where it stands.
		"to":     func(string) string { return "" },
		"breaks": breaks,
		"kind":   kindOfCode,
	}).ParseFS(assets, "assets/page.html")
	if err != nil {
		return nil, fmt.Errorf("a template of the program: %w", err)
	}
	h.tmpl = tmpl
	return h, nil
}

// view is what the template of a page sees.
type view struct {
	*page

	API     string
	Index   string
	Guides  []menuItem
	Groups  []menuGroup
	Here    string
	Support string
	// Base is the page's own file name without an extension.
	Base string
}

type menuItem struct {
	Name, Label string
	Current     bool
}

type menuGroup struct {
	Status, Kind string
	Items        []menuItem
}

func (h *html) page(p *page) ([]byte, error) {
	v := view{page: p, API: h.book.title(), Index: indexPage, Here: p.Name, Base: path.Base(p.Name), Support: h.book.contract.Support}
	for _, x := range h.book.pages {
		item := menuItem{Name: x.Name, Label: x.Title, Current: x == p}
		if x.Label != "" {
			item.Label = x.Label
		}
		if !x.Code {
			v.Guides = append(v.Guides, item)
			continue
		}
		status := strconv.Itoa(x.Status)
		if last := len(v.Groups) - 1; last < 0 || v.Groups[last].Status != status {
			v.Groups = append(v.Groups, menuGroup{Status: status, Kind: classOf(x.Status)})
		}
		last := len(v.Groups) - 1
		v.Groups[last].Items = append(v.Groups[last].Items, item)
	}
	tmpl, err := h.tmpl.Clone()
	if err != nil {
		return nil, fmt.Errorf("a template of the program: %w", err)
	}
	tmpl.Funcs(template.FuncMap{"to": func(href string) string {
		ext := ".html"
		if strings.HasPrefix(href, "assets/") {
			ext = map[string]string{"assets/style": ".css", "assets/script": ".js"}[href]
		}
		return relative(p.Name, href, ext)
	}})
	var out bytes.Buffer
	if err := tmpl.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("html: %w", err)
	}
	return out.Bytes(), nil
}

// breaks cuts a long name where a narrow column may break it.
func breaks(s string) []string {
	var out []string
	for s != "" {
		i := strings.IndexAny(s, "_./-") + 1
		if i == 0 || len(s) < 12 {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = s[i:]
	}
	return out
}

// kindOfCode marks a listing for those who style or copy it.
func kindOfCode(language string) string { return "language-" + language }

// Plain says that a table is a list of facts, without heads.
func (t *table) Plain() bool { return len(t.Heads) == 2 && t.Heads[0] == "" }
