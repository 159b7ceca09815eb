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

// secretHeaders and isSecretQuery tell where credentials stand by convention.
func secretHeaders() []string {
	return []string{
		"Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "Apikey", "X-Auth-Token", "X-Access-Token",
		"X-Csrf-Token", "X-Amz-Security-Token", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key", "Private-Token",
	}
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
	s := collectSecrets(req, c)
	s.compile()
	return s
}

// secretsOf is [secretsOf] for a call of the transport. Preparing a credential
// takes longer than decoding the failure, and most calls have the same one.
func (t *Transport) secretsOf(req *http.Request) *secrets {
	s := collectSecrets(req, t.Contract)
	if len(s.values) == 0 {
		return s
	}
	if last := t.lately.Load(); last != nil && slices.Equal(last.values, s.values) {
		s.replacer, s.forms = last.replacer, last.forms
		return s
	}
	s.compile()
	t.lately.Store(s)
	return s
}

func collectSecrets(req *http.Request, c *contract.Contract) *secrets {
	s := &secrets{}
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
	for _, name := range secretHeaders() {
		for _, v := range req.Header[name] {
			s.credential(v)
		}
	}
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
	return s
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
