package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
)

// stripCredentials keeps keys of this gateway to itself: an upstream cannot leak
// or log what it never saw. checked says that one of them has let the request
// in; otherwise the operation is public, and only what looks like a key of the
// contract goes: the rest may be the upstream's own.
func (p *proxy) stripCredentials(out *http.Request, checked bool) {
	for i := range p.contract.Auth.Schemes {
		scheme := &p.contract.Auth.Schemes[i]
		if scheme.In == "query" {
			out.URL.RawQuery = p.withoutKey(out.URL.RawQuery, scheme.Name, checked)
			continue
		}
		name := http.CanonicalHeaderKey(scheme.Name)
		values := out.Header[name]
		switch {
		case len(values) == 0:
		case checked && (len(values) > 1 || begins(values[0], scheme)):
			delete(out.Header, name)
		case slices.ContainsFunc(values, p.holdsKey):
			// The header's values are shared with the caller's request.
			if values = slices.DeleteFunc(slices.Clone(values), p.holdsKey); len(values) == 0 {
				delete(out.Header, name)
			} else {
				out.Header[name] = values
			}
		}
	}
}

// begins reports whether the value is of the scheme: the upstream's own may
// stand in the same header.
func begins(value string, scheme *contract.Scheme) bool {
	return len(value) >= len(scheme.Prefix) && strings.EqualFold(value[:len(scheme.Prefix)], scheme.Prefix)
}

// holdsKey reports whether a header's value has a word that begins as the
// contract's keys do, whatever is wrong with the rest: half a key is a hint too.
func (p *proxy) holdsKey(value string) bool {
	for word := range strings.FieldsSeq(value) {
		if p.isKey(word) {
			return true
		}
	}
	return false
}

func (p *proxy) isKey(word string) bool {
	switch syntax, _ := admission.CheckSyntax(p.contract.Auth.Key, word); syntax {
	case admission.WellFormed:
		return true
	case admission.Mistyped:
		// Without a prefix everything would be a mistyped key.
		return !slices.ContainsFunc(p.contract.Auth.Key.Environments, func(e contract.Environment) bool { return e.Prefix == "" })
	case admission.Foreign, admission.Unreadable:
	}
	return false
}

// withoutKey removes a query parameter, or only its values that look like keys,
// and leaves the others as they were written.
func (p *proxy) withoutKey(query, name string, checked bool) string {
	if query == "" {
		return ""
	}
	ours := func(pair string) bool {
		key, value, _ := strings.Cut(pair, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name {
			return false
		}
		plain, err := url.QueryUnescape(value)
		return checked || err != nil || p.holdsKey(plain)
	}
	pairs := strings.Split(query, "&")
	if !slices.ContainsFunc(pairs, ours) {
		return query
	}
	return strings.Join(slices.DeleteFunc(pairs, ours), "&")
}
