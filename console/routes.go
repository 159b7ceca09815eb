package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"

	"github.com/failwell/failwell/contract/builtin"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets/*.css assets/*.js assets/*.svg assets/vendor/*
var assetFiles embed.FS

// view is what a page is made for: a request of somebody who has signed in.
type view struct {
	*session

	w http.ResponseWriter
	r *http.Request
}

// prepare panics for a template that cannot be read: it is a part of the program.
func (c *Console) prepare() {
	problem, err := builtin.Get("problem")
	if err != nil {
		panic("console: " + err.Error())
	}
	c.problem = problem
	most := c.MaxStreams
	if most <= 0 {
		most = 64
	}
	c.streams = make(chan struct{}, most)
	c.pages = map[string]*template.Template{}
	names, err := pageFiles.ReadDir("pages")
	if err != nil {
		panic("console: " + err.Error())
	}
	for _, file := range names {
		name := strings.TrimSuffix(file.Name(), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		c.pages[name] = template.Must(template.New("layout.html").Funcs(c.words()).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html", "pages/"+file.Name()))
	}
	c.route()
}

func (c *Console) route() {
	c.mux = http.NewServeMux()
	open := func(pattern string, f http.HandlerFunc) { c.mux.HandleFunc(pattern, f) }
	open("GET /console/assets/{file...}", c.asset)
	open("GET /console/sign-in", c.showSignIn)
	open("POST /console/sign-in", c.signIn)
	open("POST /console/invitations", c.invite)
	open("/console/", c.nothingHere)
	shown := func(pattern string, f func(*view) error) { open(pattern, c.signedIn(f, false)) }
	changes := func(pattern string, f func(*view) error) { open(pattern, c.signedIn(f, true)) }
	shown("GET /console/{$}", c.overview)
	shown("GET /console/requests", c.requests)
	shown("GET /console/requests/{id...}", c.request)
	shown("GET /console/live", c.live)
	shown("GET /console/keys", c.keys)
	changes("POST /console/keys", c.createKey)
	shown("GET /console/keys/{id}", c.key)
	changes("POST /console/keys/{id}/{change}", c.changeKey)
	shown("GET /console/accounts", c.accounts)
	changes("POST /console/accounts", c.openAccount)
	shown("GET /console/accounts/{id}", c.account)
	changes("POST /console/accounts/{id}/{change}", c.changeAccount)
	shown("GET /console/plans", c.plans)
	shown("GET /console/contract", c.showContract)
	shown("GET /console/sandbox", c.sandbox)
	changes("POST /console/sandbox", c.changeSandbox)
	shown("GET /console/audit", c.audit)
	shown("GET /console/tokens", c.tokens)
	changes("POST /console/tokens", c.createToken)
	changes("POST /console/tokens/{id}/revoke", c.revokeToken)
	changes("POST /console/sign-out", c.signOut)
}

var mediaTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8"}

func (c *Console) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	data, err := assetFiles.ReadFile("assets/" + name)
	if err != nil {
		c.nothingHere(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "private, max-age=3600")
	_, _ = w.Write(data) //nolint:gosec // a file of ours; when this fails the reader is gone
}

// frame is what every page has around it.
type frame struct {
	Title, Section string
	Operator       operator
	CSRF           string
	API            string
	Sandbox        bool
	Search         string
	Notice         notice
	Page           any
}

// notice is what came of the last change, shown once.
type notice struct {
	Bad  bool
	Text string
}

// show writes a page. A fragment is what a page asks for to replace a part of
// itself.
func (c *Console) show(v *view, status int, name, title string, page any) error {
	f := frame{Title: title, Section: name, API: c.title(), Sandbox: c.Sandbox != nil, Page: page}
	if v.session != nil {
		f.Operator, f.CSRF, f.Notice = v.operator, v.csrf, v.takeNotice()
	}
	return c.render(v.w, status, name, "layout.html", f)
}

// part writes a piece of a page.
func (c *Console) part(v *view, name, piece string, page any) error {
	return c.render(v.w, http.StatusOK, name, piece, page)
}

func (c *Console) render(w http.ResponseWriter, status int, name, piece string, data any) error {
	var out bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&out, piece, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the reader is gone when this fails
	return nil
}

func (c *Console) title() string {
	if t := c.Contract().Title; t != "" {
		return t
	}
	return c.Contract().API
}

// message is a page that says one thing.
type message struct{ Head, Text string }

// refuse shows a page about what went wrong.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, status int, head, text string) {
	v := &view{session: c.sessions.find(r, c.now()), w: w, r: r}
	if err := c.show(v, status, "message", head, message{head, text}); err != nil {
		c.log().ErrorContext(r.Context(), "console", "err", err)
	}
}

func (c *Console) nothingHere(w http.ResponseWriter, r *http.Request) {
	c.refuse(w, r, http.StatusNotFound, "There is no such page", "The address is not one of the console's.")
}
