package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// request is what is sent, in a form that a command line can be made of.
type request struct {
	method string
	// path with query, as it goes out.
	path string
	// header values in order. A value that holds a key has its place in secrets.
	header [][2]string
	// key is the name of the API key that goes along, "" for none.
	key  string
	body string
	// once is an idempotency key, new for each run.
	once string
	// blanks makes a body of so many blanks.
	blanks int64
	// padding makes a header of so many characters.
	padding int
	// raw replaces all of it with bytes on a connection of their own.
	raw string
}

// kind is what a request is for; rules about single requests go by it.
type kind string

// The kinds that rules ask for by name. All others are in expectations.
const (
	kindPlain     kind = "plain"     // a call that should succeed
	kindHead      kind = "head"      // the same as HEAD
	kindOwnID     kind = "own id"    // with an id of the caller's
	kindEcho      kind = "echo"      // with a secret where it does not belong
	kindWire      kind = "wire"      // what is no HTTP
	kindRefusal   kind = "refusal"   // must be refused for a reason
	kindAltered   kind = "altered"   // an expired or revoked key with a typo
	kindFirst     kind = "first"     // the first call under an idempotency key
	kindAgain     kind = "again"     // the same call once more
	kindOther     kind = "other"     // the same key, another payload
	kindElsewhere kind = "elsewhere" // the same key, another operation
	kindAccount   kind = "account"   // the same key, another account
	kindAtOnce    kind = "at once"   // one of several calls at the same time
	kindFill      kind = "fill"      // uses the limit up
	kindFull      kind = "full"      // right after the limit was used up
	kindEarly     kind = "early"     // before the wait is over
	kindOnTime    kind = "on time"   // when it is
	kindSpend     kind = "spend"     // uses an allowance up
	kindCrowd     kind = "crowd"     // one of more calls at once than may run
	kindFreed     kind = "freed"     // when those have ended
)

// probe is a request and what is to be learnt from it.
type probe struct {
	kind      kind
	subject   string
	operation *contract.Operation
	effect    Effect
	request   request

	// rule judges the expectation: the id of a rule about refusals.
	rule string
	// want are the conditions that a refusal may mean; one of them must be it.
	want []condition.Condition
	// field must be named by the refusal.
	field string
	// secret must not be in the answer.
	secret string
}

// line is the request in short.
func (p *probe) line() string {
	if p.request.raw != "" {
		return strconv.Quote(cut(p.request.raw, 40))
	}
	return p.request.method + " " + p.request.path
}

// about names the request in findings.
func (p *probe) about() string {
	if p.subject == "" {
		return p.line()
	}
	return p.line() + ", " + p.subject
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// unheard is in ids and values that nothing has.
const unheard = "failwell-check"

// path fills the parameters of an operation's path. known is false when one of
// them is made up.
func (k *checker) path(o *contract.Operation) (path string, known bool) {
	known = true
	segments := strings.Split(o.Path, "/")
	for i, s := range segments {
		if s == "{$}" {
			segments[i] = ""
			continue
		}
		name, isParam := strings.CutPrefix(s, "{")
		if !isParam {
			continue
		}
		name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
		value, given := k.config.Params[name]
		if !given {
			value, known = madeUp(o, name), false
		}
		segments[i] = url.PathEscape(value)
	}
	return strings.Join(segments, "/"), known
}

// madeUp is an id that nothing has, in the form that the schema asks for.
func madeUp(o *contract.Operation, name string) string {
	for _, p := range o.Parameters {
		if p.In != "path" || p.Name != name {
			continue
		}
		schema, _ := p.Schema.(map[string]any)
		if schema["format"] == "uuid" {
			return "00000000-0000-4000-8000-000000000000"
		}
		switch schema["type"] {
		case "integer", "number":
			return "999999999"
		}
	}
	return unheard + "-0000"
}

// call makes the request of an operation as it should be, with the valid key.
func (k *checker) call(o *contract.Operation) (r request, known bool) {
	path, known := k.path(o)
	r = request{method: o.Method, path: path}
	if !o.Public && len(k.contract.Auth.Schemes) > 0 {
		r.key = validKey
	}
	query := url.Values{}
	for _, p := range o.Parameters {
		if !p.Required || p.In == "path" {
			continue
		}
		value, ok := k.schemas.parameter(p)
		known = known && ok
		if p.In == "query" {
			query.Set(p.Name, value)
		} else {
			r.header = append(r.header, [2]string{p.Name, value})
		}
	}
	if len(query) > 0 {
		r.path += "?" + query.Encode()
	}
	if hasBody(o.Method) {
		body, ok := k.schemas.sample(o)
		switch f := k.schemas.form(o); {
		case ok:
			r.json(body)
		case f != nil:
			r.set("Content-Type", f.contentType())
			r.body = f.body()
		default:
			known = known && o.Body == nil && !o.BodyRequired
		}
	}
	if o.Idempotency == "required" && k.contract.Idempotency.Header != "" {
		r.once = freshKey()
	}
	return r, known
}

func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

func (r *request) json(body string) {
	r.set("Content-Type", "application/json")
	r.body = body
}

// carrying is the request with another body.
func (r request) carrying(contentType, body string) request {
	r.set("Content-Type", contentType)
	r.body = body
	return r
}

// set replaces a header, in a list of r's own.
func (r *request) set(name, value string) {
	header := make([][2]string, 0, len(r.header)+1)
	for _, h := range r.header {
		if !strings.EqualFold(h[0], name) {
			header = append(header, h)
		}
	}
	header = append(header, [2]string{name, value})
	r.header = header
}

// with adds a parameter to the query.
func (r *request) with(name, value string) {
	separator := "?"
	if strings.Contains(r.path, "?") {
		separator = "&"
	}
	r.path += separator + url.QueryEscape(name) + "=" + url.QueryEscape(value)
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}
