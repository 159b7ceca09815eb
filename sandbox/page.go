package sandbox

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox/fault"
	"github.com/failwell/failwell/sandbox/stand"
)

//go:embed page
var assets embed.FS

// pages is parsed at each use, which takes a tenth of a millisecond: a page that
// people open now and then is no reason for state of the package.
func pages() (*template.Template, error) {
	return template.New("page.html").Funcs(template.FuncMap{"lower": strings.ToLower, "list": func(s ...string) []string { return s }}).ParseFS(assets, "page/page.html") //nolint:wrapcheck // showPage says what it is
}

// pageView is what the page shows before its script has run.
type pageView struct {
	API, Title, Origin, Base, Document string
	AuthHeader, AuthValue              string
	Now                                time.Time
	Ahead                              time.Duration
	Backend                            string
	Maintenance                        bool
	Keys                               []keyView
	Codes                              []codeView
	Entries                            []Entry
	Shared                             bool
}

type keyView struct {
	Name, Key string
	Refused   bool
}

// codeView is a row of the catalogue.
type codeView struct {
	Name, Wire, Meaning, Remedy, Retry, Curl, Method, Path string
	Status                                                 int
}

func (s *Sandbox) showPage(w http.ResponseWriter, r *http.Request) error {
	page, err := pages()
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	origin := "http://" + r.Host
	v := pageView{
		API: s.contract.API, Title: cmp.Or(s.contract.Title, s.contract.API), Origin: origin, Base: s.base, Document: s.contract.Document,
		Now: s.clock.Now().UTC().Truncate(time.Second), Ahead: s.clock.Ahead(), Backend: s.backend.Mode(), Maintenance: s.maintenance.Load(),
	}
	keys := s.Keys()
	for name, key := range keys {
		v.Keys = append(v.Keys, keyView{name, key, slices.Contains(refused, name)})
	}
	slices.SortFunc(v.Keys, func(a, b keyView) int {
		return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	if len(s.contract.Auth.Schemes) > 0 {
		scheme := s.contract.Auth.Schemes[0]
		v.AuthHeader, v.AuthValue = scheme.Name, keys["valid"]
		if scheme.Prefix != "" {
			v.AuthValue = strings.TrimSpace(scheme.Prefix) + " " + v.AuthValue
		}
	}
	for _, code := range s.contract.Codes {
		o := s.forcedAt(code)
		v.Codes = append(v.Codes, codeView{
			Name: code.Name, Wire: code.Wire, Status: code.Status, Meaning: code.Meaning, Remedy: code.Remedy,
			Retry: strings.ReplaceAll(string(s.contract.RetryFor(code, code.Status)), "_", " "), Method: o.Method, Path: filled(o.Path),
			Curl: fmt.Sprintf("curl -i -X %s '%s%s' \\\n  -H '%s: %s' \\\n  -H '%s: %s'", o.Method, origin, filled(o.Path), v.AuthHeader, v.AuthValue, fault.Header, code.Name),
		})
	}
	slices.SortStableFunc(v.Codes, func(a, b codeView) int { return cmp.Compare(a.Status, b.Status) })
	v.Entries = s.journal.list(0)
	slices.Reverse(v.Entries)
	v.Entries = v.Entries[:min(len(v.Entries), 50)]
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = out.WriteTo(w) // the reader is gone when this fails
	return nil
}

// refused are the keys that no call is let in with.
var refused = []string{"expired", "revoked", "deactivated", "suspended", "unpaid", "unknown", "malformed"}

// rank puts the key that works first.
func rank(name string) int {
	switch {
	case name == "valid":
		return 0
	case slices.Contains(refused, name):
		return 2
	}
	return 1
}

// forcedAt is an operation at which a code can occur: one that needs nothing,
// where there is one.
func (s *Sandbox) forcedAt(code *contract.Code) *contract.Operation {
	found := s.contract.Operations[0]
	for _, o := range s.contract.Operations {
		fits := len(code.Operations) == 0 || slices.Contains(code.Operations, o.ID)
		needs := slices.ContainsFunc(o.Parameters, func(p contract.Parameter) bool { return p.Required })
		if fits && o.Method == http.MethodGet && !needs {
			return o
		}
		if fits && len(code.Operations) > 0 {
			found = o
		}
	}
	return found
}

// filled puts something into the places of a path pattern.
func filled(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = "example"
		}
	}
	return strings.Join(parts, "/")
}

func (*Sandbox) showAsset(name, mediaType string) stand.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		data, err := assets.ReadFile("page/" + name)
		if err != nil {
			return err //nolint:wrapcheck // a file that is missing from the program
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(data) // as above
		return nil
	}
}
