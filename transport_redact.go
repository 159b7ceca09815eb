package failwell

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/failwell/failwell/contract"
)

// in reports whether a text holds a credential. A replacer copies it either way,
// and hardly any does.
func (s *secrets) in(v string) bool {
	return slices.ContainsFunc(s.forms, func(form string) bool { return strings.Contains(v, form) })
}

func (s *secrets) text(v string) string {
	if s.replacer == nil || !s.in(v) {
		return v
	}
	return s.replacer.Replace(v)
}

func (s *secrets) bytes(v []byte) []byte {
	if s.replacer == nil || len(v) == 0 {
		return v
	}
	if text := string(v); s.in(text) {
		v = []byte(s.replacer.Replace(text))
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v
	}
	plain, at := unescaped(v)
	var out []byte
	done := 0
	for i := 0; i < len(plain); {
		n := s.formAt(plain[i:])
		if n == 0 {
			i++
			continue
		}
		out = append(append(out, v[done:at[i]]...), redacted...)
		i += n
		done = at[i]
	}
	return append(out, v[done:]...)
}

func (s *secrets) formAt(v []byte) int {
	for _, f := range s.forms {
		if len(v) >= len(f) && string(v[:len(f)]) == f {
			return len(f)
		}
	}
	return 0
}

// unescaped undoes the escapes of JSON strings (RFC 8259 section 7). at tells
// where each byte came from, and where the source ends.
func unescaped(v []byte) (plain []byte, at []int) {
	plain, at = make([]byte, 0, len(v)), make([]int, 0, len(v)+1)
	for i := 0; i < len(v); {
		n := 1
		before := len(plain)
		switch {
		case v[i] != '\\' || i+1 == len(v):
			plain = append(plain, v[i])
		case v[i+1] == 'u' && i+6 <= len(v):
			r, err := strconv.ParseUint(string(v[i+2:i+6]), 16, 16)
			if err != nil {
				plain = append(plain, v[i])
				break
			}
			plain, n = utf8.AppendRune(plain, rune(r)), 6
		default:
			plain, n = append(plain, v[i+1]), 2
		}
		for range len(plain) - before {
			at = append(at, i)
		}
		i += n
	}
	return plain, append(at, len(v))
}

// echoed reports whether a header holds a credential that was sent.
func (s *secrets) echoed(h http.Header) bool {
	for _, values := range h {
		if slices.ContainsFunc(values, s.in) {
			return true
		}
	}
	return false
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
			if plain, err := url.QueryUnescape(name); err == nil && s.hides(plain) {
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
	if u, ok := errors.AsType[*url.Error](err); ok {
		address := s.text(u.URL)
		if parsed, parseErr := url.Parse(u.URL); parseErr == nil {
			address = s.address(parsed)
		}
		if error(u) == err { //nolint:errorlint // only the outermost can be replaced
			return &url.Error{Op: u.Op, URL: address, Err: s.cleanError(u.Err)}
		}
		inner := &url.Error{Op: u.Op, URL: address, Err: s.cleanError(u.Err)}
		return &cleanedError{text: s.text(strings.ReplaceAll(err.Error(), u.URL, address)), cause: err, call: inner}
	}
	if text := err.Error(); s.text(text) != text {
		return &cleanedError{text: s.text(text), cause: err}
	}
	return err
}

type cleanedError struct {
	text  string
	cause error
	// call stands for the *url.Error that the cause wraps; nil when there is none.
	call *url.Error
}

// As keeps errors.As from finding the address that was cleaned.
func (e *cleanedError) As(target any) bool {
	found, ok := target.(**url.Error)
	if ok = ok && e.call != nil; ok {
		*found = e.call
	}
	return ok
}

func (e *cleanedError) Error() string { return e.text }
func (e *cleanedError) Unwrap() error { return e.cause }
