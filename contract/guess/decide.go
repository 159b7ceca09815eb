package guess

import (
	"slices"
	"strings"

	"github.com/failwell/failwell/contract/condition"
)

// How much of a rule's weight counts, in percent, by where the text stood.
const (
	ofCode     = 100
	ofFineCode = 90
	ofType     = 72
	ofMessage  = 80
	ofTitle    = 60
	ofDetail   = 50
)

// decide weighs the evidence and names the condition. fits is the weight that a
// code, a type or the structure gave to it; clash says that the code and the
// sentence speak of different matters.
func (x *reading) decide() (c condition.Condition, fits int, clash bool) {
	score := evidence{}
	add := func(e evidence, percent int) {
		for is, w := range e {
			score.note(is, w*percent/100+suits(is, x.status, w))
		}
	}
	fromCode := x.codeEvidence()
	x.coarsen(fromCode)
	fine := x.fineEvidence()
	kind := x.words.read(x.kind.text, true, x.status)
	text := x.textEvidence()
	add(fromCode, ofCode)
	add(fine, ofFineCode)
	add(kind, ofType)
	add(text, ofMessage)
	beside := evidence{}
	for _, other := range x.asides() {
		e := x.words.read(other, false, x.status)
		add(e, ofDetail)
		x.besides(beside, e, other)
	}
	if x.listsIssues() {
		score.note(condition.ValidationFailed, x.issueWeight(fromCode))
		fits = 1
	}
	if prior, weight := x.prior(); prior != condition.Unknown {
		score.note(prior, weight)
		if text[prior] >= 85 && x.status != 400 && x.status != 500 {
			score[prior] += 12 // status and sentence agree
		}
	}
	if x.exhausted() && x.status == 403 {
		score.note(condition.RateLimited, 78)
	}
	c, _ = score.best()
	c = x.refine(c, fromCode, fine, beside, text)
	fits = max(fits, fromCode[c], fine[c], kind[c])
	return c, fits, x.clashes(fromCode, text)
}

// coarsen drops from a code under 422 what says no more than that the input is
// at fault: the fields say it better.
func (x *reading) coarsen(fromCode evidence) {
	if x.status != 422 {
		return
	}
	ofIssue := x.code.node != nil && x.codeOfField(x.code.node.up)
	for is, w := range fromCode {
		if family(is) == "request" && (w < 70 || ofIssue) {
			delete(fromCode, is)
		}
	}
}

// textEvidence reads the sentence.
func (x *reading) textEvidence() evidence {
	text := x.words.read(withoutClass(x.message.text), false, x.status)
	if alternatives(text, asciiLower(x.message.text)) {
		delete(text, condition.KeyExpired)
		delete(text, condition.KeyRevoked)
		delete(text, condition.KeyMissing)
		text.note(condition.KeyUnknown, 90)
	}
	if x.status == 422 && (x.code.text == "" || len(x.fields) > 0) {
		delete(text, condition.ParameterMissing)
		delete(text, condition.ParameterInvalid)
	}
	return text
}

// besides notes what a further text says outright of the state of a key.
func (x *reading) besides(beside, e evidence, text string) {
	if x.doc.form == formHTML || alternatives(e, asciiLower(text)) {
		return
	}
	for _, is := range []condition.Condition{condition.KeyExpired, condition.KeyRevoked} {
		if e[is] >= 95 {
			beside.note(is, e[is])
		}
	}
}

// listsIssues holds when the failure is about fields and the status allows for it.
func (x *reading) listsIssues() bool {
	return len(x.fields) > 0 && (x.status == 400 || x.status == 422 || x.status < 400) && len(x.issues)+len(x.mapped)+len(x.fields) > 1
}

// issueWeight is how much a list of issues says.
func (x *reading) issueWeight(fromCode evidence) int {
	if top, w := fromCode.best(); w >= 60 && family(top) == "request" {
		return 58
	}
	if len(x.fields) > 1 || len(x.mapped) > 0 {
		return 78
	}
	return 72
}

// clashes holds when the code and the sentence speak of different matters.
func (x *reading) clashes(fromCode, text evidence) bool {
	top, weight := fromCode.best()
	said, loud := text.best()
	if weight < 75 || loud < 90 || suits(said, x.status, loud) <= -30 {
		return false
	}
	related := family(top) == family(said) || slices.Contains(finer(top), said) || slices.Contains(finer(said), top)
	return !related && family(top) != "request" && text[top] == 0
}

// alternatives holds for sentences such as "invalid, expired or revoked", which
// say no more than that the key is not accepted.
func alternatives(text evidence, lower string) bool {
	says := func(word string) bool { return strings.Contains(lower, word) }
	choice := says(" or ") || says("/")
	invalid := text[condition.KeyUnknown] > 0 || says("invalid") || says("incorrect")
	switch {
	case text[condition.KeyMissing] > 0:
		return invalid && says("missing")
	case text[condition.KeyRevoked] > 0:
		return choice && (invalid || says("malformed"))
	}
	// "Expired or invalid" begins with what is usual.
	return text[condition.KeyExpired] > 0 && choice && invalid && strings.Index(lower, "invalid") < strings.Index(lower, "expired")
}

// withoutClass takes the name of an exception's class off a sentence, whose
// package would be read as words: "org.api.NotFoundException: No such space".
func withoutClass(s string) string {
	head, rest, ok := strings.Cut(s, ": ")
	if !ok || strings.Count(head, ".") < 2 || strings.ContainsAny(head, " /") {
		return s
	}
	return head[strings.LastIndexByte(head, '.')+1:] + ": " + rest
}

// codeEvidence reads the code: its words, or its number in a known scheme.
func (x *reading) codeEvidence() evidence {
	code := x.code.text
	e := evidence{}
	if c, ok := x.words.sql[code]; ok && x.code.node != nil && len(code) == 5 {
		e.note(c, 92)
	}
	if !isNumber(code) {
		for is, w := range x.words.read(code, true, x.status) {
			e.note(is, w)
		}
		return e
	}
	if c, ok := x.words.rpc[code]; ok {
		e.note(c, 85)
	}
	if c, ok := x.words.grpc[code]; ok && x.isGRPC() {
		e.note(c, 64)
	}
	if s := httpStatus(code); s != 0 && x.status < 400 {
		e.note(condition.OfStatus(s), 60)
	}
	return e
}

// isGRPC holds for google.rpc.Status bodies and for grpc-status headers.
func (x *reading) isGRPC() bool {
	if x.code.node == nil {
		return strings.HasPrefix(x.code.where, "header grpc")
	}
	up := x.code.node.up
	return x.code.node.norm == "code" && up != nil && up.get("message") != nil && up.get("details").is(kindArray)
}

// fineEvidence reads the codes below the error object: reasons, inner codes.
func (x *reading) fineEvidence() evidence {
	e := evidence{}
	read := 0
	for _, s := range x.scopes {
		if x.codeOfField(s.n) {
			continue
		}
		for _, kid := range s.n.kids {
			if kid == x.code.node || codeKeys[kid.norm] < 60 || kid.norm == "type" && s.penalty > 0 || read >= 12 {
				continue
			}
			if text, ok := x.symbol(kid); ok && !isNumber(text) {
				read++
				for is, w := range x.words.read(text, true, x.status) {
					e.note(is, w)
				}
			}
		}
	}
	if h := x.head.first("www-authenticate"); h != "" {
		for is, w := range x.words.read(attribute(h, "error"), true, x.status) {
			e.note(is, w)
		}
		for is, w := range x.words.read(attribute(h, "error_description"), false, x.status) {
			e.note(is, w*9/10)
		}
	}
	return e
}

// asides are further texts: a title beside the detail, a reason phrase, a page.
func (x *reading) asides() []string {
	var out []string
	for _, s := range x.scopes {
		for _, kid := range s.n.kids {
			if kid != x.message.node && messageKeys[kid.norm] >= 56 && len(out) < 6 {
				if text := textOf(kid); text != "" && strings.Contains(text, " ") {
					out = append(out, text)
				}
			}
		}
	}
	if x.doc.form == formHTML {
		out = append(out, x.doc.text[:min(len(x.doc.text), 2000)])
	}
	return out
}

// prior is what the status alone says. A fine status weighs more than 400, 403
// and 500, which servers use for anything.
func (x *reading) prior() (condition.Condition, int) {
	c, ok := x.words.status[x.status]
	if !ok {
		c = condition.OfStatus(x.status)
	}
	switch x.status {
	case 400:
		return c, 40
	case 403, 500:
		return c, 44
	case 401:
		return c, 52
	case 404, 422:
		return c, 56
	case 503:
		return c, 50
	}
	return c, 54
}
