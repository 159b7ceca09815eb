package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

// Reference is the error reference of a contract. Page finds a page by its path
// below the reference, "" for the first one; accept is the Accept header. It
// must be safe for concurrent use.
type Reference interface {
	Page(name, accept string) (mediaType string, data []byte, ok bool)
}

// errorPages is where the reference is.
const errorPages = "/errors/"

// Values of Settings.ErrorPages.
const (
	pagesAdmin  = "admin"
	pagesPublic = "public"
	pagesOff    = "off"
)

// refer prepares the reference of a generation, which is made when somebody
// first asks for it: a start must not wait for pages.
func (n *generation) refer(pages func(*contract.Contract) (Reference, error)) error {
	if pages == nil || n.settings.ErrorPages == pagesOff {
		return nil
	}
	if n.settings.ErrorPages == pagesPublic {
		for _, o := range n.contract.Operations {
			if o.Path == strings.TrimSuffix(errorPages, "/") || strings.HasPrefix(o.Path, errorPages) {
				return fmt.Errorf("error_pages cannot be public, the contract has the operation %s %s; set it to admin", o.Method, o.Path)
			}
		}
	}
	n.reference = sync.OnceValues(func() (Reference, error) { return pages(n.contract) })
	return nil
}

// pagesFirst answers requests for the reference and passes all others on. Pages are
// no calls of the API: they are neither counted nor limited, and ask for no key.
func (n *generation) pagesFirst(next http.Handler) http.Handler {
	if n.reference == nil || n.settings.ErrorPages != pagesPublic {
		return next
	}
	pages := n.guard.HandleFunc(n.showPage)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		under := strings.HasPrefix(r.URL.Path, errorPages) || r.URL.Path == strings.TrimSuffix(errorPages, "/")
		if under && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			pages.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (n *generation) showPage(w http.ResponseWriter, r *http.Request) error {
	name, below := strings.CutPrefix(r.URL.Path, errorPages)
	if !below {
		// Pages refer to each other from within the folder.
		http.Redirect(w, r, errorPages, http.StatusPermanentRedirect)
		return nil
	}
	unknown := failwell.FromCondition(failwell.RouteUnknown, nil).With("method", r.Method).With("path", r.URL.Path)
	if n.reference == nil {
		return unknown
	}
	reference, err := n.reference()
	if err != nil {
		return failwell.FromCondition(failwell.Internal, fmt.Errorf("error reference: %w", err))
	}
	mediaType, data, ok := reference.Page(name, r.Header.Get("Accept"))
	if !ok {
		return unknown
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Vary", "Accept")
	h.Set("Cache-Control", "no-cache")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", mediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(data) //nolint:gosec // G705: the page is the program's own, and escapes the words of the contract
	return nil
}
