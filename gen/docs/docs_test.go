package docs_test

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen"
	"github.com/failwell/failwell/gen/docs"
)

func site(t testing.TB, c *contract.Contract) *docs.Site {
	t.Helper()
	s, err := docs.New(c, docs.Options{Sandbox: &docs.Sandbox{Command: "failwell sandbox " + c.API, URL: "http://127.0.0.1:4010", Header: "X-Sandbox-Error"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t testing.TB, api string) *contract.Contract {
	t.Helper()
	c, err := builtin.Get(api)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// document is a page as a browser has it.
type document struct {
	root   *html.Node
	ids    map[string]bool
	tables map[string][][]string
	hrefs  []string
	text   string
}

func parse(t testing.TB, data []byte) *document {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{root: root, ids: map[string]bool{}, tables: map[string][][]string{}, text: textOf(root)}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				d.ids[a.Val] = true
			case "href", "src":
				d.hrefs = append(d.hrefs, a.Val)
			}
		}
		if n.DataAtom == atom.Table {
			d.table(n)
		}
	}
	return d
}

func (d *document) table(n *html.Node) {
	caption := ""
	var rows [][]string
	for x := range n.Descendants() {
		switch x.DataAtom {
		case atom.Caption:
			caption = textOf(x)
		case atom.Tr:
			var row []string
			for cell := range x.ChildNodes() {
				row = append(row, textOf(cell))
			}
			rows = append(rows, row)
		}
	}
	d.tables[caption] = append(d.tables[caption], rows...)
}

func textOf(n *html.Node) string {
	var b strings.Builder
	if n.Type == html.TextNode {
		return n.Data
	}
	for x := range n.Descendants() {
		if x.Type == html.TextNode {
			b.WriteString(x.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// Every link of every page leads somewhere, in each format, seen from the page.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, api := range builtin.Names() {
		s := site(t, get(t, api))
		files := s.Files(docs.HTML)
		pages := map[string]*document{}
		for _, f := range files {
			if path.Ext(f.Name) == ".html" {
				pages[f.Name] = parse(t, f.Data)
			}
		}
		all := append(slices.Clone(files), s.Files(docs.Markdown)...)
		for name, d := range pages {
			if len(d.hrefs) < 10 {
				t.Errorf("%s/%s: only %d links were found", api, name, len(d.hrefs))
			}
			for _, href := range d.hrefs {
				if strings.Contains(href, "://") {
					continue
				}
				to, anchor, _ := strings.Cut(href, "#")
				target := path.Join(path.Dir(name), to)
				if to == "" {
					target = name
				}
				if !slices.ContainsFunc(all, func(f gen.File) bool { return f.Name == target }) {
					t.Errorf("%s/%s: %q leads to no file", api, name, href)
				}
				if page := pages[target]; anchor != "" && page != nil && !page.ids[anchor] {
					t.Errorf("%s/%s: %q leads to no place of the page", api, name, href)
				}
			}
		}
		for _, f := range s.Files(docs.Markdown) {
			if path.Ext(f.Name) != ".md" {
				continue
			}
			for _, part := range strings.Split(string(f.Data), "](")[1:] {
				to, _, _ := strings.Cut(part, ")")
				to, _, _ = strings.Cut(to, "#")
				if !strings.Contains(to, "://") && to != "" && !slices.ContainsFunc(all, func(x gen.File) bool { return x.Name == path.Join(path.Dir(f.Name), to) }) {
					t.Errorf("%s/%s: %q leads to no file", api, f.Name, to)
				}
			}
		}
	}
}

// The sample on a page is what the contract renders, byte for byte in the JSON
// twin, and the schema beside it holds for it.
func TestSamplesAreRendered(t *testing.T) {
	t.Parallel()
	for _, api := range builtin.Names() {
		c := get(t, api)
		s := site(t, c)
		golang, python, typescript := gen.NamesInGo(c), gen.NamesInPython(c, gen.Options{}), gen.NamesInTypeScript(c, gen.Options{})
		for _, code := range c.Codes {
			var twin struct {
				Error struct {
					Code   *string `json:"code"`
					Status int     `json:"status"`
					Retry  string  `json:"retry"`
					Sample struct {
						Body string `json:"body"`
					} `json:"sample"`
				} `json:"error"`
			}
			_, data, ok := s.Page(code.Slug, "application/json")
			if err := json.Unmarshal(data, &twin); !ok || err != nil {
				t.Fatalf("%s/%s: %v, %v", api, code.Name, ok, err)
			}
			f := c.SampleFailure(code)
			want, status, _ := c.AppendError(nil, &f)
			if twin.Error.Sample.Body != string(want) || twin.Error.Status != status || twin.Error.Retry != string(code.Retry) {
				t.Errorf("%s/%s: %+v, want %s", api, code.Name, twin.Error, want)
			}
			if (twin.Error.Code == nil) != (code.Wire == "") {
				t.Errorf("%s/%s: code %v", api, code.Name, twin.Error.Code)
			}
			_, page, _ := s.Page(code.Slug, "text/html")
			for _, word := range []string{code.Meaning, code.Cause, code.Remedy, golang[code.Name], "codes." + python.Codes[code.Name], "codes." + typescript.Codes[code.Name], "X-Sandbox-Error: " + code.Name} {
				if len(c.Operations) == 0 && strings.HasPrefix(word, "X-Sandbox") {
					continue // nothing can be called
				}
				if !strings.Contains(strings.Join(strings.Fields(parse(t, page).text), " "), strings.Join(strings.Fields(word), " ")) {
					t.Errorf("%s/%s: the page lacks %q", api, code.Name, word)
				}
			}
		}
	}
}

func TestSameContractSameBytes(t *testing.T) {
	t.Parallel()
	for _, api := range builtin.Names() {
		a, b := site(t, get(t, api)).Files(docs.HTML), site(t, get(t, api)).Files(docs.HTML)
		for i := range a {
			if a[i].Name != b[i].Name || !bytes.Equal(a[i].Data, b[i].Data) {
				t.Errorf("%s: %s differs from run to run", api, a[i].Name)
			}
		}
	}
}

// Formats are told apart by extension, then by what is accepted.
func TestPage(t *testing.T) {
	t.Parallel()
	s := site(t, get(t, "problem"))
	for _, x := range []struct{ name, accept, want string }{
		{"", "", "text/html; charset=utf-8"},
		{"index", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"},
		{"rate_limited", "*/*", "text/html; charset=utf-8"},
		{"rate_limited", "application/json", "application/json"},
		{"rate_limited", "text/html, application/json", "text/html; charset=utf-8"},
		{"rate_limited", "text/markdown", "text/markdown; charset=utf-8"},
		{"rate_limited.md", "application/json", "text/markdown; charset=utf-8"},
		{"rate_limited.json", "text/html", "application/json"},
		{"guide/limits", "", "text/html; charset=utf-8"},
		{"guide/limits.html", "", "text/html; charset=utf-8"},
		{"assets/style.css", "", "text/css; charset=utf-8"},
		{"assets/script.js", "", "text/javascript; charset=utf-8"},
		{"nothing", "", ""},
		{"../docs.go", "", ""},
		{"assets", "", ""},
		{"rate_limited/", "", ""}, // its links would lead elsewhere
		{"/", "", ""},
	} {
		mediaType, data, ok := s.Page(x.name, x.accept)
		if mediaType != x.want || ok != (x.want != "") || ok && len(data) == 0 {
			t.Errorf("%q accepting %q: %q, %v, %d bytes", x.name, x.accept, mediaType, ok, len(data))
		}
	}
}

const hostile = `"'><script>alert(1)</script>|` + "`" + `[x](javascript:alert(2))` + "\\n" + `&amp;<b onload=x>`

// Whatever a contract says stays text: no element, no link, no broken table.
func TestHostileWordsStayText(t *testing.T) {
	t.Parallel()
	word, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Parse("hostile.yaml", []byte(strings.ReplaceAll(`failwell: 1
api: hostile
title: X
base_url: X
document: X
support: X
envelopes: {standard: {body: {code: $code, message: $message}}}
plans: {free: {price: X, credits: X, rate: 60/min}}
client: {advice: [X], log: [X]}
friendly: X
notes: [{about: X, says: X, but: X, promised: X}]
scenarios: [{name: X, method: GET, path: "/<script>", status: 404, code: gone, headers: {A: X}, body: X}]
statuses: {404: {name: X, meaning: X}}
errors:
  gone: {code: X, status: 404, is: [route_unknown, resource_missing], message: X, meaning: X, cause: X, remedy: X, friendly: X, since: X, deprecated: X, type: X, doc_url: "javascript:alert(3)", params: {id: {doc: X, example: X}}}
  "<script>": {status: 500, is: [internal, unavailable, request_malformed, rate_limited, permission_denied, key_unknown], message: X}
`, " X", " "+string(word))))
	if err == nil {
		_, err = docs.New(c, docs.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	s := site(t, c)
	for _, f := range s.Files(docs.HTML) {
		if path.Ext(f.Name) != ".html" {
			continue
		}
		d := parse(t, f.Data)
		for n := range d.root.Descendants() {
			if n.DataAtom == atom.Script && (n.FirstChild != nil || !strings.HasSuffix(n.Attr[0].Val, "assets/script.js")) || n.DataAtom == atom.B {
				t.Errorf("%s: an element was smuggled in", f.Name)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					t.Errorf("%s: <%s %s=%q>", f.Name, n.Data, a.Key, a.Val)
				}
			}
		}
	}
	for _, f := range s.Files(docs.Markdown) {
		if path.Ext(f.Name) != ".md" {
			continue
		}
		columns := 0
		fenced := false
		for line := range strings.SplitSeq(string(f.Data), "\n") {
			fenced = fenced != strings.HasPrefix(line, "```")
			if fenced {
				continue
			}
			outside := strings.ReplaceAll(line, "\\`", "")
			for _, fence := range []string{"``", "`"} {
				parts := strings.Split(outside, fence)
				outside = ""
				for i := 0; i < len(parts); i += 2 {
					outside += parts[i]
				}
			}
			if strings.ContainsAny(outside, "<") {
				t.Errorf("%s: markup in %s", f.Name, line)
			}
			bars := strings.Count(line, "|") - strings.Count(line, `\|`)
			switch {
			case !strings.HasPrefix(line, "|"):
				columns = 0
			case columns == 0:
				columns = bars
			case bars != columns:
				t.Errorf("%s: a table of %d bars has a row of %d: %s", f.Name, columns, bars, line)
			}
		}
	}
}
