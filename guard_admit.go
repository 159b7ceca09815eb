package failwell

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
)

// admit decides about a request in the order of docs/design.md, up to its body.
// It answers refused requests itself. limit bounds the body of an admitted one;
// a negative value is no bound.
func (g *Guard) admit(x *exchange, r *http.Request) (limit int64, ok bool) {
	s := g.state
	if preflight(r) && (s.routes == nil || s.routes.has(r.Header.Get("Access-Control-Request-Method"), r.URL)) {
		return 0, true
	}
	if s.routes != nil {
		o, allow := s.routes.find(r.Method, r.URL)
		if o == nil {
			g.refuseRoute(x, r, allow)
			return 0, false
		}
		x.operation = o
	}
	limit = g.maxBody(x.operation)
	if limit >= 0 && r.ContentLength > limit {
		g.fail(x, r, tooLarge(limit, nil).With("actual_bytes", r.ContentLength))
		return 0, false
	}
	return limit, g.Admission == nil || g.admitCaller(x, r)
}

// preflight recognises the question that a browser asks before it calls
// another origin. It never carries a key (Fetch standard, section 4.8), so
// that asking for one would shut all browsers out; whoever stands behind answers.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.ContentLength == 0 && len(r.Header["Origin"]) == 1 && len(r.Header["Access-Control-Request-Method"]) == 1
}

func (g *Guard) maxBody(o *contract.Operation) int64 {
	if o != nil && o.MaxBody > 0 {
		return o.MaxBody
	}
	limit := g.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	if o != nil && o.Body != nil && (limit < 0 || limit > defaultMaxChecked) {
		return defaultMaxChecked
	}
	return limit
}

func tooLarge(limit int64, cause error) *Error {
	return FromCondition(condition.BodyTooLarge, cause).With("max_bytes", limit)
}

func (g *Guard) refuseRoute(x *exchange, r *http.Request, allow string) {
	if allow == "" {
		g.fail(x, r, FromCondition(condition.RouteUnknown, nil).With("method", r.Method).With("path", r.URL.Path))
		return
	}
	x.w.Header()["Allow"] = []string{allow} // RFC 9110 section 15.5.6
	g.fail(x, r, FromCondition(condition.MethodNotAllowed, nil).With("method", r.Method).With("allow", allow))
}

func (g *Guard) admitCaller(x *exchange, r *http.Request) bool {
	x.stage = record.Admission
	call := &x.call
	*call = admission.Call{
		Operation: x.operation, Source: g.source(r), RequestID: x.id, Method: r.Method, Path: r.URL.EscapedPath(), Size: r.ContentLength,
	}
	if g.state.idempotencyKey != "" {
		call.IdempotencyKeys = r.Header[g.state.idempotencyKey]
	}
	if call.IdempotencyKeys != nil {
		// What the service behind knows callers of public operations by.
		call.Identity = strings.Join(r.Header["Authorization"], ", ")
	}
	call.Caller = g.caller(r, call.IdempotencyKeys)
	call.Credential, call.Misplaced = g.state.credential(r)
	x.credential = call.Credential
	began := g.now()
	g.Admission.Admit(r.Context(), call, &x.verdict)
	ended := g.now()
	x.decided = max(ended.Sub(began), 1)
	if x.verdict.Admitted {
		return true
	}
	g.refuseAt(x, r, ended)
	return false
}

func (g *Guard) refuse(x *exchange, r *http.Request) { g.refuseAt(x, r, g.now()) }

// refuseAt answers as the verdict said at an instant. Refusals are what a crowd
// gets most of: the error is made in one piece.
func (g *Guard) refuseAt(x *exchange, r *http.Request, at time.Time) {
	v := &x.verdict
	e := FromCondition(v.Condition, v.Cause)
	e.Time = wholeSecond(at)
	e.Params, e.Fields, e.RetryAfter, e.HasRetryAfter = v.Facts, v.Fields, v.RetryAfter, v.HasRetryAfter
	g.fail(x, r, e)
}

func (g *Guard) source(r *http.Request) string {
	if g.Source != nil {
		return g.Source(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// caller is a token of whoever makes a call, the same for each of its tries.
func (g *Guard) caller(r *http.Request, keys []string) uint32 {
	if len(keys) == 1 {
		return token(keys[0])
	}
	// W3C Trace Context, section 3.2: version, trace id, parent id, flags.
	if trace := r.Header["Traceparent"]; len(trace) == 1 && len(trace[0]) >= 55 {
		return token(trace[0][3:35])
	}
	if g.Caller != nil {
		return g.Caller(r)
	}
	return 0
}

// token is the FNV-1a hash of s, which is the same in every process.
func token(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return max(h, 1)
}

// schemeReader looks for a key in one place.
type schemeReader struct {
	header string
	prefix string
	query  string
}

// readers compiles the contract's schemes, and the challenge that a 401 has to
// carry (RFC 9110 section 11.6.1).
func readers(schemes []contract.Scheme) (out []schemeReader, challenge string) {
	var challenges []string
	for _, scheme := range schemes {
		if scheme.In == "query" {
			out = append(out, schemeReader{query: scheme.Name})
			continue
		}
		out = append(out, schemeReader{header: http.CanonicalHeaderKey(scheme.Name), prefix: scheme.Prefix})
		word := strings.TrimSpace(scheme.Prefix)
		if word == "" {
			word = `ApiKey header="` + scheme.Name + `"`
		}
		challenges = append(challenges, word)
	}
	return out, strings.Join(challenges, ", ")
}

// credential returns the key that the request carries. misplaced is set when
// something is there that cannot be one.
func (s *guardState) credential(r *http.Request) (key string, misplaced bool) {
	for i := range s.schemes {
		scheme := &s.schemes[i]
		if scheme.query != "" {
			if !strings.Contains(r.URL.RawQuery, scheme.query) {
				continue
			}
			if key = r.URL.Query().Get(scheme.query); key != "" {
				return key, false
			}
			continue
		}
		values := r.Header[scheme.header]
		switch {
		case len(values) == 0 || len(values) == 1 && values[0] == "":
			continue
		case len(values) > 1:
			return "", true // two keys: nobody can say which one is meant
		}
		value := values[0]
		if n := len(scheme.prefix); n > 0 {
			if len(value) <= n || !strings.EqualFold(value[:n], scheme.prefix) {
				misplaced = true
				continue
			}
			value = strings.TrimSpace(value[n:])
		}
		return value, false
	}
	return "", misplaced
}

// readBody is a body that was read before the handler runs.
type readBody struct {
	*bytes.Reader
	data []byte
}

func newReadBody(data []byte) *readBody { return &readBody{bytes.NewReader(data), data} }

// Close implements io.Closer; there is nothing left to close.
func (*readBody) Close() error { return nil }

// validate checks media type, parameters and body against the operation. body
// replaces the request's where it had to be read to be checked.
func (g *Guard) validate(x *exchange, r *http.Request) (body *readBody, ok bool) {
	o, v := x.operation, g.state.validator
	if o == nil {
		return nil, true
	}
	hasBody := r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
	if hasBody && !acceptable(o, r.Header) {
		supported := o.MediaTypes
		if len(supported) == 0 {
			supported = []string{"application/json"}
		}
		g.fail(x, r, FromCondition(condition.MediaUnsupported, nil).
			With("media_type", r.Header.Get("Content-Type")).With("supported", strings.Join(supported, ", ")))
		return nil, false
	}
	if len(o.Parameters) > 0 {
		if of, fields := v.ValidateParameters(o, parameterReader(o, r)); of != "" {
			g.failFields(x, r, of, fields)
			return nil, false
		}
	}
	if o.Body == nil || !hasBody && !o.BodyRequired || hasBody && unschemed(o, r.Header) {
		return nil, true
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		g.fail(x, r, err)
		return nil, false
	}
	if !g.state.turn(r.Context()) {
		g.fail(x, r, context.Cause(r.Context()))
		return nil, false
	}
	of, fields := v.Validate(o, data)
	g.state.done()
	if of != "" {
		g.failFields(x, r, of, fields)
		return nil, false
	}
	return newReadBody(data), true
}

// turn waits until few enough bodies are being checked: a checked body takes
// many times its size in memory while it lasts.
func (s *guardState) turn(ctx context.Context) bool {
	select {
	case s.checking <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *guardState) done() { <-s.checking }

func (g *Guard) failFields(x *exchange, r *http.Request, of condition.Condition, fields []contract.FieldError) {
	e := FromCondition(of, nil)
	e.Fields = fields
	g.fail(x, r, e)
}

// acceptable compares the media type of a body with what the operation takes.
// A compressed body cannot be checked against a schema and is refused, which
// also takes the point out of compression bombs.
func acceptable(o *contract.Operation, h http.Header) bool {
	if o.Body == nil && len(o.MediaTypes) == 0 {
		return true
	}
	if encoding := h.Get("Content-Encoding"); o.Body != nil && encoding != "" && !strings.EqualFold(encoding, "identity") {
		return false
	}
	sent, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return false
	}
	if len(o.MediaTypes) == 0 {
		return isJSON(sent)
	}
	return slices.ContainsFunc(o.MediaTypes, func(t string) bool {
		return strings.EqualFold(t, sent) || t == "*/*" || strings.HasSuffix(t, "/*") && strings.HasPrefix(sent, strings.TrimSuffix(t, "*"))
	})
}

// unschemed reports whether a body is of one of the operation's other media
// types: its schema describes the JSON.
func unschemed(o *contract.Operation, h http.Header) bool {
	sent, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && !isJSON(sent) && slices.ContainsFunc(o.MediaTypes, isJSON)
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// parameterReader finds parameters where the operation declares them.
func parameterReader(o *contract.Operation, r *http.Request) func(in, name string) []string {
	query := r.URL.Query()
	return func(in, name string) []string {
		switch in {
		case "query":
			return query[name]
		case "header":
			return r.Header.Values(name)
		}
		return pathValue(o.Path, r.URL.Path, name)
	}
}

func pathValue(pattern, path, name string) []string {
	p, v := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i := range p {
		switch {
		case p[i] == "{"+name+"}" && i < len(v):
			return []string{v[i]}
		case p[i] == "{"+name+"...}" && i < len(v):
			return []string{strings.Join(v[i:], "/")}
		}
	}
	return nil
}
