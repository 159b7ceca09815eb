// Package guess reads the failure out of an HTTP response that no contract
// describes.
//
// It knows conventions, not vendors: where the world's APIs put a code, a
// message, a request id, field errors and a wait, each place with a rank. A body
// of any syntax (JSON in many conditions, XML, HTML, event streams, form fields,
// plain text) becomes one tree; candidates are rated by their name, their value
// and how near they stand to the error object; the best one wins. The words of
// the code, then of the sentence, then the status decide the condition.
//
// Result.Certain is true when an explicit machine-readable member (a code, a
// type, a list of field issues, an error header) in a well-formed body said what
// happened and nothing contradicted it. It is false when the condition comes
// from the status or from prose alone; for HTML, plain text, empty, binary and
// truncated bodies; when a status inside the body differs from the status line;
// when the code and the sentence speak of different matters; and when the code
// speaks of the caller under a 5xx status or of the server under a 4xx.
//
// Everything is bounded: 1 MiB of body, 20,000 values, 64 levels, 100 fields.
// The package keeps no state that is written after its first use and may be
// used concurrently.
package guess

import (
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/hint"
)

// Response is an HTTP response as far as it matters here.
type Response struct {
	// Status is the code of the status line, or 0 when it is not known.
	Status int
	// Header holds the fields; names may be in any case.
	Header map[string][]string
	Body   []byte
}

// Field is one issue with one part of the request.
type Field struct {
	Path []string
	// Name is Path with dots, "" for an issue with the whole.
	Name    string
	Message string
	Code    string
	// In is body, query, path, header or "" when the response does not say.
	In string
}

// Result is what a response says of its failure. Texts are valid UTF-8 without
// control characters; Message has at most 4 KiB, Code 128 bytes and RequestID
// 200. Whatever the response does not say is the zero value.
type Result struct {
	// Failed reports whether the response is a failure at all. A 2xx with an
	// error inside is one, a 3xx is none. When false, only Status is set.
	Failed    bool
	Condition condition.Condition
	Code      string
	// Type is the coarse type that stands beside the code.
	Type string
	// Status is the response's, or the body's where the former is 0.
	Status    int
	Message   string
	RequestID string
	Param     string
	Fields    []Field
	// RetryAfter is the server's hint, valid with HasRetryAfter.
	RetryAfter    time.Duration
	HasRetryAfter bool
	Retry         condition.Retry
	Certain       bool
	// Why says where things were found and what made the reading unsure.
	Why []string
}

// reading is the work on one response.
type reading struct {
	words  *lexicon
	head   head
	doc    document
	root   *node
	scopes []scope
	// http is the status line's status, status the one to reason from: the
	// body's when the line says success or nothing.
	http, status int
	bodyStatus   int
	now          time.Time

	code, kind, message, second found
	fields                      []Field
	issues, mapped              []*node
}

// Read reads the failure out of r. Waits given as instants count from now.
func Read(r Response, now time.Time) Result {
	x := &reading{words: words(), head: newHead(r.Header), http: valid(r.Status), now: now}
	x.doc = parse(r.Body, asciiLower(x.head.first("content-type")))
	for _, root := range x.doc.roots {
		nameTuples(root)
	}
	failed := x.choose()
	res := Result{Status: x.http}
	if !failed {
		return res
	}
	res.Failed = true
	x.bodyStatus = x.statedStatus()
	x.status = x.http
	if x.bodyStatus != 0 && (x.http < 400 || x.http == 500 && x.bodyStatus != 500 || x.http == 400 && x.bodyStatus < 500) {
		x.status = x.bodyStatus
	}
	if res.Status == 0 {
		res.Status = x.bodyStatus
	}
	if x.root != nil && x.doc.form != formHTML {
		x.root.each(3000, func(n *node) {
			if n.norm == "body" || n.norm == "response" {
				embed(n)
			}
		})
		x.scopes = locate(x.root)
	}
	x.collect()
	x.message = x.sentence()
	x.code, x.kind = x.codes()
	if x.message.node != nil && x.message.node == x.code.node && x.second.text != "" && messageKeys[x.message.node.norm] < 90 {
		x.message = x.second
	}
	x.fallbacks()
	c, fits, clash := x.decide()
	res.Condition = c
	res.Code, res.Type = clean(x.code.text, maxCode), clean(x.kind.text, maxCode)
	res.Message = clean(x.message.text, maxMessage)
	id := x.ident()
	res.RequestID = clean(id.text, maxRequestID)
	res.Fields = x.fields
	res.Param = clean(x.parameter(c), maxName)
	x.retry(&res)
	x.explain(&res, id, fits, clash)
	return res
}

// choose picks the tree that describes the failure, and says whether there is one.
func (x *reading) choose() bool {
	var failing *node
	for _, root := range x.doc.roots {
		if f := failure(root); f != nil {
			failing, x.root = f, root
			if x.doc.form != formStream && x.doc.form != formJSON {
				break
			}
		}
	}
	if failing == nil && x.doc.form == formXML && len(x.doc.roots[0].kids) == 1 {
		failing = failure(x.doc.roots[0].kids[0]) // below the document element
	}
	if x.doc.marked != nil {
		x.root, failing = x.doc.marked, x.doc.marked
	}
	if x.root == nil && len(x.doc.roots) > 0 {
		x.root = x.doc.roots[0]
	}
	switch {
	case x.http >= 400:
		return true
	case x.http == 0:
		return failing != nil || x.looksFailed()
	case x.http >= 300 || x.http < 200:
		return false
	}
	if s := x.head.first("grpc-status"); s != "" && s != "0" {
		return true
	}
	if failing == nil && x.http == 207 && x.root != nil {
		failing = partFailed(x.root)
	}
	if failing != nil && failing != x.root && failing.kind == kindObject {
		x.root = x.top(failing)
	}
	return failing != nil && (x.doc.form != formHTML && x.doc.form != formText)
}

// top is the tree to read: the failing part itself, when it lies in a list of
// parts of which others went well.
func (x *reading) top(part *node) *node {
	if part.up != nil && part.up.kind == kindArray && telling(part) > 0 {
		return part
	}
	if x.http == 207 {
		return part
	}
	return x.root
}

// looksFailed judges a body whose status is not known: it was given to be
// explained, so a message or a page is enough.
func (x *reading) looksFailed() bool {
	switch x.doc.form {
	case formHTML, formText:
		_, weight := x.words.read(x.doc.text, false, 0).best()
		return weight >= 60
	case formEmpty, formBinary:
		return false
	case formJSON, formXML, formForm, formStream:
	}
	if x.root == nil || x.root.kind != kindObject {
		return false
	}
	return telling(x.root) > 0 && x.root.get("data", "items", "results", "id") == nil || len(x.root.kids) == 1 && telling(x.root) > 0 || x.isRootMap(x.root)
}

// statedStatus is an HTTP status that the body names itself.
func (x *reading) statedStatus() int {
	if x.root == nil || x.doc.form == formHTML {
		return 0
	}
	for _, s := range locate(x.root) {
		if s.penalty > parentPenalty*2 {
			break
		}
		for _, name := range []string{"status", "statuscode", "httpstatus", "httpstatuscode", "httpcode", "cod", "code", "errorcode"} {
			n := s.n.get(name)
			if x.http >= 400 && strings.HasSuffix(name, "code") && !strings.Contains(name, "status") && name != "httpcode" {
				continue // may be a number of the API's own
			}
			if v, ok := n.num(); ok && v >= 400 && v <= 599 && v == float64(int(v)) {
				return int(v)
			}
		}
	}
	return 0
}

// fallbacks fills the message from where there is no tree member for it.
func (x *reading) fallbacks() {
	switch x.doc.form {
	case formHTML:
		x.message = found{pageMessage(x.root, x.words), 30, "the page", nil}
		x.code = x.pageCode()
	case formText:
		if x.message.text == "" || len(x.doc.text) < 400 {
			x.message = found{x.doc.text, 30, "the text", nil}
		}
		if x.code.text == "" {
			x.code = textCode(x.doc.text)
		}
	case formEmpty, formBinary, formJSON, formXML, formForm, formStream:
	}
	if x.message.text == "" && x.root.is(kindArray) {
		x.message = found{textOf(x.root), 40, "the list", x.root}
	}
	if h := x.headerMessage(); h.score > 0 && (x.message.text == "" || x.words.sayNothing(x.message.text) && x.doc.form != formHTML) {
		x.message = h
	}
	if len(x.fields) > 0 && x.fields[0].Message != "" && (x.message.text == "" || x.words.sayNothing(x.message.text)) {
		x.message = found{x.fields[0].Message, 20, "the first issue", nil}
	}
	if h := x.headerCode(); x.code.text == "" && h.score > 0 {
		x.code = h
	}
}

// retry sets the hint and the advice. Retry-After counts wherever it is sent,
// other hints where waiting can help.
func (x *reading) retry(res *Result) {
	entry, _ := condition.Lookup(res.Condition)
	limited := res.Condition == condition.RateLimited || res.Condition == condition.QuotaExhausted || res.Condition == condition.ConcurrencyExceeded ||
		x.status == 429 || x.status == 503 || x.exhausted()
	waitable := limited || entry.Retry.Retryable() || x.status >= 500 || x.status == 409 || x.status == 423 || x.status == 425 || x.status == 402
	where := ""
	if waitable {
		res.RetryAfter, where, res.HasRetryAfter = x.retryAfter(limited)
	} else if d, ok := hint.Parse(x.head.first("retry-after"), hint.Auto, x.now); ok {
		res.RetryAfter, where, res.HasRetryAfter = d, "header retry-after", true
	}
	res.Retry = x.advise(res.Condition, res.RetryAfter, res.HasRetryAfter)
	if where != "" {
		res.Why = append(res.Why, "wait from "+where)
	}
}

// exhausted reports whether a rate limit header says that nothing is left.
func (x *reading) exhausted() bool {
	return x.head.first("x-ratelimit-remaining") == "0" || x.head.first("x-rate-limit-remaining") == "0" || x.head.first("ratelimit-remaining") == "0"
}

func (x *reading) explain(res *Result, id found, fits int, clash bool) {
	why := func(text string) {
		if len(res.Why) < maxWhy {
			res.Why = append(res.Why, clean(text, 200))
		}
	}
	note := func(what string, f found) {
		if f.text != "" && f.where != "" {
			why(what + " from " + f.where)
		}
	}
	note("code", x.code)
	note("message", x.message)
	note("request id", id)
	res.Certain = true
	doubt := func(yes bool, text string) {
		if yes {
			res.Certain = false
			why("unsure: " + text)
		}
	}
	header := x.code.node == nil && len(x.code.where) > 7 && x.code.where[:7] == "header "
	switch x.doc.form {
	case formHTML, formText, formBinary:
		doubt(true, string(x.doc.form))
	case formEmpty:
		doubt(!header, string(x.doc.form))
	case formJSON, formXML, formForm, formStream:
	}
	doubt(x.doc.short, "the body is cut short")
	doubt(x.doc.bent, "the body has faults of syntax")
	doubt(x.code.text == "" && len(x.fields) == 0 && fits == 0, "no code, so the condition comes from the status or the sentence")
	doubt(x.code.where == "prefix of the message", "the code is taken from the sentence")
	doubt(x.bodyStatus != 0 && x.http >= 400 && x.bodyStatus != x.http, "the body names status "+strconv.Itoa(x.bodyStatus))
	doubt(clash, "the code and the sentence speak of different matters")
	usual, _ := condition.Lookup(res.Condition)
	doubt(x.http >= 500 && usual.Status < 500 && family(res.Condition) != "limit", "the body blames the caller, the status the server")
	doubt(fits > 0 && x.http >= 400 && x.http < 500 && usual.Status >= 500 && family(res.Condition) == "server", "the code blames the server, the status the caller")
	doubt(res.Condition == condition.Unknown, "nothing says what happened")
}

// pageCode takes the error number of a network's page, or a storage service's.
func (x *reading) pageCode() found {
	if code := listed(x.root, "Code"); isSymbol(code) {
		x.message.text = either(listed(x.root, "Message"), x.message.text)
		return found{code, 40, "the page", nil}
	}
	return textCode(x.doc.text)
}
