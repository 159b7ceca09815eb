package failwell

import (
	"cmp"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
)

const (
	redacted = "[redacted]"
	// A value is only taken out of other text when it is too long to be there
	// by chance; shorter where the contract says that it is a credential.
	leastSecret        = 4
	leastLikelySecret  = 8
	maxRedactionValues = 64
)

// secrets takes the credentials of a request out of whatever is kept of its
// call: by value, since servers echo what they were sent.
type secrets struct {
	query    []string // names of the contract's parameters, in lower case
	replacer *strings.Replacer
	values   []string
	forms    []string // of the values, longest first
}

// isSecretHeader and isSecretQuery tell where credentials stand by convention.
func isSecretHeader(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "Apikey", "X-Auth-Token", "X-Access-Token",
		"X-Csrf-Token", "X-Amz-Security-Token", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key", "Private-Token":
		return true
	}
	return false
}

func isSecretQuery(name string) bool {
	switch name {
	case "key", "api_key", "apikey", "api-key", "access_token", "token", "auth", "auth_token", "password", "secret", "client_secret",
		"sig", "signature", "x-amz-signature", "x-amz-security-token", "x-goog-signature", "code", "refresh_token", "id_token", "jwt":
		return true
	}
	return false
}

// hides reports whether a parameter of the query holds a credential.
func (s *secrets) hides(name string) bool {
	name = strings.ToLower(name)
	return isSecretQuery(name) || slices.Contains(s.query, name)
}

func secretsOf(req *http.Request, c *contract.Contract) *secrets {
	s := &secrets{}
	s.collect(req, c)
	s.compile()
	return s
}

// secretsOf is [secretsOf] for a call of the transport. Preparing a credential
// takes longer than decoding the failure, and most calls have the same one.
func (t *Transport) secretsOf(req *http.Request) *secrets {
	var room [4]string
	s := secrets{values: room[:0]}
	s.collect(req, t.Contract)
	if last := t.lately.Load(); last != nil && slices.Equal(last.values, s.values) {
		return last
	}
	kept := &secrets{query: s.query, values: slices.Clone(s.values)}
	kept.compile()
	t.lately.Store(kept)
	return kept
}

func (s *secrets) collect(req *http.Request, c *contract.Contract) {
	var query url.Values
	if req.URL != nil && req.URL.RawQuery != "" {
		query = req.URL.Query()
	}
	if c != nil {
		for _, x := range c.Auth.Schemes {
			if x.In == "query" {
				s.query = append(s.query, strings.ToLower(x.Name))
				s.add(leastSecret, query[x.Name]...)
				continue
			}
			for _, v := range req.Header.Values(x.Name) {
				s.credential(v)
			}
		}
	}
	s.headerCredentials(req.Header)
	if req.Header["Cookie"] != nil {
		for _, cookie := range req.Cookies() {
			s.add(leastLikelySecret, cookie.Value)
		}
	}
	for name, values := range query {
		if s.hides(name) {
			s.add(leastLikelySecret, values...)
		}
	}
	if req.URL != nil && req.URL.User != nil {
		if password, ok := req.URL.User.Password(); ok {
			s.add(leastSecret, password)
		}
	}
}

// headerCredentials adds those that stand in headers by convention, in one order,
// so that the same ones are recognised.
func (s *secrets) headerCredentials(h http.Header) {
	var room [4]string
	names := room[:0]
	for name := range h {
		if isSecretHeader(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			s.credential(v)
		}
	}
}

// credential adds a header's value, and what follows the scheme's name.
func (s *secrets) credential(value string) {
	s.add(leastSecret, value)
	scheme, token, ok := strings.Cut(value, " ")
	if !ok {
		return
	}
	s.add(leastSecret, strings.TrimSpace(token))
	if !strings.EqualFold(scheme, "Basic") {
		return
	}
	if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token)); err == nil {
		_, password, _ := strings.Cut(string(plain), ":")
		s.add(leastSecret, string(plain), password)
	}
}

func (s *secrets) add(least int, values ...string) {
	for _, v := range values {
		if len(v) >= least && len(s.values) < maxRedactionValues {
			s.values = append(s.values, v)
		}
	}
}

// compile prepares each value in the forms in which it may be written. Escapes
// of JSON are undone by unescaped instead: there are too many ways to write them.
func (s *secrets) compile() {
	if len(s.values) == 0 {
		return
	}
	var forms []string
	for _, v := range s.values {
		forms = append(forms, v, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v))
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	s.forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(s.forms))
	for _, f := range s.forms {
		pairs = append(pairs, f, redacted)
	}
	s.replacer = strings.NewReplacer(pairs...)
}
