// Package docs makes the reference of an API's errors from its contract: a page
// for each code, and guides to statuses, limits, repeated writes, clients, keys
// and shapes. Each page exists three times, as HTML, as Markdown and as JSON, made
// from one model, so that none can say more than the others.
//
// Addresses are stable: the page of a code is named after it, whatever else the
// contract holds. Pages refer to each other relatively, so that they work from a
// folder, below any path of a server, and without JavaScript.
package docs

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

// Options are what the contract does not say. Its zero value is a reference
// without ways to force errors.
type Options struct {
	// Sandbox says how errors can be provoked. Optional: nil leaves it out.
	Sandbox *Sandbox
}

// Sandbox is a stand-in of the API at which any error can be asked for.
type Sandbox struct {
	// Command starts it, for example "failwell sandbox heppu".
	Command string
	// URL is where it serves then.
	URL string
	// Header is the request header that names the error to send.
	Header string
}

// Site is the reference of one contract, ready to be written or served. It is
// only read, and safe for concurrent use.
type Site struct {
	files  []gen.File
	byName map[string]int
}

// New makes the reference.
func New(c *contract.Contract, o Options) (*Site, error) {
	b := &book{contract: c, options: o}
	b.write()
	html, err := newHTML(b)
	if err != nil {
		return nil, err
	}
	s := &Site{byName: map[string]int{}}
	for _, p := range b.pages {
		text, err := html.page(p)
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", p.Name, err)
		}
		twin, err := jsonOf(p)
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", p.Name, err)
		}
		s.add(p.Name+".html", text)
		s.add(p.Name+".md", markdownOf(p))
		s.add(p.Name+".json", twin)
	}
	for _, name := range []string{"style.css", "script.js"} {
		data, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("a file is missing from the program: %w", err)
		}
		s.add("assets/"+name, data)
	}
	slices.SortFunc(s.files, func(a, b gen.File) int { return strings.Compare(a.Name, b.Name) })
	for i, f := range s.files {
		s.byName[f.Name] = i
	}
	return s, nil
}

func (s *Site) add(name string, data []byte) {
	s.files = append(s.files, gen.File{Name: name, Data: bytes.TrimLeft(data, "\n")})
}

// The formats in which a reference can be written.
const (
	HTML     = "html"
	Markdown = "markdown"
)

// Files are those of one format, with the JSON twins of the pages beside them, in the order
// of their names.
func (s *Site) Files(format string) []gen.File {
	left := map[string]string{HTML: ".md", Markdown: ".html"}[format]
	var out []gen.File
	for _, f := range s.files {
		switch ext := path.Ext(f.Name); {
		case ext == left, format == Markdown && ext != ".md" && ext != ".json":
		default:
			out = append(out, f)
		}
	}
	return out
}

// mediaTypes of what the site holds.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".json": "application/json",
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
}

// Page finds what to answer to a request for name, a path below the reference
// such as "", "rate_limit_exceeded" or "guide/limits.md". Without an extension
// the Accept header chooses the form: JSON or Markdown where it asks for them
// and not for HTML. ok is false when there is no such page.
func (s *Site) Page(name, accept string) (mediaType string, data []byte, ok bool) {
	if name == "" {
		name = "index"
	}
	i, found := s.byName[name]
	if !found {
		ext := ".html"
		switch {
		case strings.Contains(accept, "text/html"):
		case strings.Contains(accept, "json"):
			ext = ".json"
		case strings.Contains(accept, "text/markdown"), strings.Contains(accept, "text/plain"):
			ext = ".md"
		}
		if i, found = s.byName[name+ext]; !found {
			return "", nil, false
		}
	}
	f := s.files[i]
	return mediaTypes[path.Ext(f.Name)], f.Data, true
}
