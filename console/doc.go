// Package console is the page on which operators see what an API is doing, and
// look up what became of a request. It is made on the server, with html/template
// and a little script: what is looked up can be looked up without any.
//
// The console decides nothing by itself. What it changes it asks of the admin
// API, with the token that its user signed in with, so that roles and the audit
// log hold for it as for everybody. What it shows of requests it reads from
// records. It promises:
//
//   - text that came from a caller is text on every page, and never runs;
//   - a change needs a session, and a word that only the session's own pages know;
//   - as many pages as there may be are fed live, and one more is told so.
package console

import (
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/record"
)

// Path is where the console expects to be served.
const Path = "/console/"

// Console serves the pages below [Path]. Set the fields, then use it; it must not
// be changed or copied afterwards. It is safe for concurrent use.
type Console struct {
	// API is the admin API. Required. It is called within the process, with the
	// bearer token of whoever has signed in.
	API http.Handler
	// Contract is the contract in force. Required.
	Contract func() *contract.Contract
	// Records is where requests are looked up. Nil: the pages say that none are kept.
	Records record.Reader
	// BaseURL is where callers reach the API, for commands that repeat a request.
	// Nil: what the contract says.
	BaseURL func() string
	// Reference is where the pages about codes are: the code's slug goes behind it.
	// "" for nowhere.
	Reference string
	// Sandbox is the stand-in behind the gateway, which is steered below
	// /_sandbox/. Nil: there is none.
	Sandbox http.Handler
	// SandboxURL is the stand-in's own page. Optional.
	SandboxURL string
	// MaxStreams bounds the pages that are fed live. 0 means 64.
	MaxStreams int
	// Logger is Optional: nil means slog.Default.
	Logger *slog.Logger
	// Clock is Optional: nil means time.Now.
	Clock func() time.Time

	once     sync.Once
	mux      *http.ServeMux
	pages    map[string]*template.Template
	sessions sessions
	streams  chan struct{}
	problem  *contract.Contract
}

func (c *Console) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}

func (c *Console) log() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.once.Do(c.prepare)
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !sameOrigin(r) {
		c.refuse(w, r, http.StatusForbidden, "Another page has sent you here", "The console takes changes from its own pages only. Open it again and repeat what you did.")
		return
	}
	c.mux.ServeHTTP(w, r)
}

// policy: everything comes from here, and nothing in a page runs that is not a file.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
