package failwell

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	maxRedactionValues = 256
)

// secrets takes the credentials of a request out of whatever is kept of its
// call: by value, since servers echo what they were sent.
type secrets struct {
	query    map[string]bool // names of parameters, in lower case
	replacer *strings.Replacer
	values   []string
}

// secretHeaders and secretQueries are where credentials stand by convention.
func secretHeaders() []string {
	return []string{
		"Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "Apikey", "X-Auth-Token", "X-Access-Token",
		"X-Csrf-Token", "X-Amz-Security-Token", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key", "Private-Token",
	}
}

func secretQueries() []string {
	return []string{
		"key", "api_key", "apikey", "api-key", "access_token", "token", "auth", "auth_token", "password", "secret", "client_secret",
		"sig", "signature", "x-amz-signature", "x-amz-security-token", "x-goog-signature", "code", "refresh_token", "id_token", "jwt",
	}
}

func secretsOf(req *http.Request, c *contract.Contract) *secrets {
	s := &secrets{query: map[string]bool{}}
	for _, name := range secretQueries() {
		s.query[name] = true
	}
	var query url.Values
	if req.URL != nil {
		query = req.URL.Query()
	}
	if c != nil {
		for _, x := range c.Auth.Schemes {
			if x.In == "query" {
				s.query[strings.ToLower(x.Name)] = true
				s.add(leastSecret, query[x.Name]...)
				continue
			}
			for _, v := range req.Header.Values(x.Name) {
				s.credential(v)
			}
		}
	}
	for _, name := range secretHeaders() {
		for _, v := range req.Header.Values(name) {
			s.credential(v)
		}
	}
	for _, cookie := range req.Cookies() {
		s.add(leastLikelySecret, cookie.Value)
	}
	for name, values := range query {
		if s.query[strings.ToLower(name)] {
			s.add(leastLikelySecret, values...)
		}
	}
	if req.URL != nil && req.URL.User != nil {
		if password, ok := req.URL.User.Password(); ok {
			s.add(leastSecret, password)
		}
	}
	s.compile()
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

// compile prepares each value in the forms in which it may be written.
func (s *secrets) compile() {
	if len(s.values) == 0 {
		return
	}
	var forms []string
	for _, v := range s.values {
		quoted, _ := json.Marshal(v) //nolint:errchkjson // a string has no errors
		plain := strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(string(quoted))
		forms = append(forms, v, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v),
			string(quoted[1:len(quoted)-1]), plain[1:len(plain)-1], strings.ReplaceAll(v, "/", `\/`))
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, redacted)
	}
	s.replacer = strings.NewReplacer(pairs...)
}

func (s *secrets) text(v string) string {
	if s.replacer == nil || v == "" {
		return v
	}
	return s.replacer.Replace(v)
}

func (s *secrets) bytes(v []byte) []byte {
	if s.replacer == nil || len(v) == 0 {
		return v
	}
	return []byte(s.replacer.Replace(string(v)))
}

// headers is a copy without credentials: those sent, and those that the server
// hands out.
func (s *secrets) headers(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		clean := make([]string, len(values))
		for i, v := range values {
			clean[i] = s.text(v)
			if name == "Set-Cookie" {
				clean[i] = redacted
			}
		}
		out[name] = clean
	}
	return out
}

// address is a URL without credentials.
func (s *secrets) address(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := *u
	if u.User != nil {
		c.User = url.User("redacted")
	}
	if c.RawQuery != "" {
		parts := strings.Split(c.RawQuery, "&")
		for i, part := range parts {
			name, _, _ := strings.Cut(part, "=")
			if plain, err := url.QueryUnescape(name); err == nil && s.query[strings.ToLower(plain)] {
				parts[i] = name + "=redacted"
			}
		}
		c.RawQuery = strings.Join(parts, "&")
	}
	c.Fragment, c.RawFragment = "", ""
	return s.text(c.String())
}

// failure cleans what was decoded: a body may write a value in a form that only
// decoding undoes.
func (s *secrets) failure(f *contract.Failure) {
	if s.replacer == nil {
		return
	}
	for _, v := range []*string{&f.WireCode, &f.Message, &f.RequestID, &f.Type} {
		*v = s.text(*v)
	}
	for i := range f.Why {
		f.Why[i] = s.text(f.Why[i])
	}
	for i := range f.Params {
		f.Params[i].Data = s.value(f.Params[i].Data)
	}
	for i := range f.Fields {
		x := &f.Fields[i]
		x.Message, x.Code = s.text(x.Message), s.text(x.Code)
		for j := range x.Path {
			x.Path[j] = s.text(x.Path[j])
		}
	}
	for i := range f.Items {
		f.Items[i].ID = s.text(f.Items[i].ID)
		s.failure(&f.Items[i].Failure)
	}
}

func (s *secrets) value(v any) any {
	switch x := v.(type) {
	case string:
		return s.text(x)
	case []any:
		for i := range x {
			x[i] = s.value(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = s.value(x[k])
		}
	case json.RawMessage:
		return json.RawMessage(s.bytes(x))
	}
	return v
}

// cleanError keeps an error's identity and takes credentials out of its text.
// http.Client puts the URL, query and all, into a *url.Error.
func (s *secrets) cleanError(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // only the outermost can be replaced
		c := &url.Error{Op: u.Op, URL: s.text(u.URL), Err: s.cleanError(u.Err)}
		if parsed, parseErr := url.Parse(u.URL); parseErr == nil {
			c.URL = s.address(parsed)
		}
		return c
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		plain := s.cleanError(inner)
		return &cleanedError{text: s.text(strings.ReplaceAll(err.Error(), inner.URL, plain.(*url.Error).URL)), cause: err} //nolint:errorlint,forcetypeassert // made above
	}
	if text := err.Error(); s.text(text) != text {
		return &cleanedError{text: s.text(text), cause: err}
	}
	return err
}

type cleanedError struct {
	text  string
	cause error
}

func (e *cleanedError) Error() string { return e.text }
func (e *cleanedError) Unwrap() error { return e.cause }
