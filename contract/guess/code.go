package guess

import (
	"slices"
	"strings"
)

// found is a text with where it stood and how sure one may be of it.
type found struct {
	text  string
	score int
	where string
	node  *node
}

// codes finds the code and the coarse type of a failure.
func (x *reading) codes() (code, kind found) {
	for i, s := range x.scopes {
		if i > 0 && x.enclosesIssue(s) {
			s.penalty /= 4
		}
		for _, kid := range s.n.kids {
			code = better(code, x.codeIn(kid, s, i == 0))
			kind = better(kind, x.kindIn(kid, s))
		}
	}
	code = better(better(code, x.tagPath()), x.headerCode())
	bare := isNumber(code.text) && x.repeatsStatus(code.text)
	if code.text == "" || bare {
		if k := x.keyCode(); k.text != "" {
			code, bare = k, false
		}
	}
	if code.score < 25 || coarse(code.text) && code.score < 40 || bare {
		if p := x.prefixCode(); p.text != "" {
			code = p
		}
	}
	if code.score < 10 {
		code = found{}
	}
	if kind.node == code.node {
		kind = found{}
	}
	return code, kind
}

// better keeps what was found first unless the next is rated higher.
func better(have, next found) found {
	if next.score > have.score {
		return next
	}
	return have
}

// enclosesIssue holds for what stands around a field's issue, as opposed to
// around an error.
func (x *reading) enclosesIssue(s scope) bool {
	return len(x.fields) > 0 && s.penalty <= 2*parentPenalty && x.scopes[0].penalty == 0 && located(x.scopes[0].n)
}

// kindIn rates one member as the coarse type.
func (x *reading) kindIn(kid *node, s scope) found {
	if s.penalty > parentPenalty || kid.norm != "type" && kid.norm != "errortype" && kid.norm != "category" && kid.key != "__type" {
		return found{}
	}
	text, ok := x.symbol(kid)
	if !ok {
		return found{}
	}
	return found{text, 60 - s.penalty, kid.key, kid}
}

// codeIn rates one member as a code.
func (x *reading) codeIn(kid *node, s scope, primary bool) found {
	rank := memberRank(kid, s)
	if kid.norm == "code" && kid.kind == kindObject && kid.get("value") != nil {
		kid = kid.get("value") // SOAP 1.2
		rank = 80
	}
	if rank == 0 || rank < 90 && !primary && s.penalty > parentPenalty && outsider(kid.norm) {
		return found{}
	}
	text, ok := x.symbol(kid)
	if !ok {
		return found{}
	}
	var score int
	if isNumber(text) {
		score = x.numberScore(kid, text, rank, s)
	} else {
		score = x.wordScore(kid, text, rank, s)
	}
	if score < 0 {
		return found{}
	}
	// The code of a field's issue stands for the whole only when alone.
	if primary && located(s.n) && (kid.norm == "type" || kid.norm == "keyword") {
		score = max(score-50, 10)
	}
	if primary && located(s.n) && len(x.fields) > 1 || !primary && x.codeOfField(s.n) {
		if len(x.fields) > 1 {
			return found{}
		}
		score -= 30
	}
	return found{text, score, kid.key, kid}
}

// memberRank rates a member by its name and its surroundings; 0 is no code.
func memberRank(kid *node, s scope) int {
	switch {
	case kid.key == "__type":
		return 104
	case kid.key == "@type":
		return 0 // the class of a document
	case kid.norm == "type" && strings.Contains(kid.text, "://") && s.n.get("title", "detail") != nil:
		return 94 // RFC 9457 section 3.1.1
	case kid.norm == "value" && kid.up != nil && kid.up.norm == "subcode":
		return 140 // the finer half of a SOAP 1.2 code
	}
	return codeRank(kid.norm)
}

// numberScore rates a number as a code; less than 0 is none.
func (x *reading) numberScore(kid *node, text string, rank int, s scope) int {
	switch {
	case kid.norm == "type", kid.norm == "reason", rank < 50 && kid.norm != "cod":
		return -1
	case x.repeatsStatus(text):
		if rank < 84 || kid.norm == "responsecode" {
			return -1
		}
		return 12 // where there is nothing better
	case (kid.norm == "status" || kid.norm == "statuscode" || kid.norm == "cod") && httpStatus(text) > 0:
		return -1
	case strings.Trim(text, "0") == "":
		return max(rank-s.penalty-60, 0)
	case strings.HasPrefix(text, "-32"):
		return max(rank-s.penalty-44, 0) // of JSON-RPC, coarser than a word below it
	}
	return max(rank-s.penalty-4, 0)
}

// wordScore rates a word as a code; less than 0 is none.
func (x *reading) wordScore(kid *node, text string, rank int, s scope) int {
	score := rank - s.penalty
	_, weight := x.words.read(text, true, x.status).best()
	typed := kid.norm == "type" || kid.norm == "errortype" || kid.norm == "errorkey" || kid.norm == "name" && strings.Contains(text, "_")
	switch {
	case coarse(text):
		score -= 12
	case typed && weight >= 75 && !located(s.n):
		score = max(score, 106-s.penalty) // says more than a number beside it, less than a symbol
	case !typed:
		score += 10
	}
	if weight == 0 && (rank < 60 && !strings.ContainsAny(text, "_-") || kid.norm == "error" && len(text) < 3) {
		return -1
	}
	snake := strings.Contains(text, "_") || kid.norm == "status" && len(text) > 5
	if snake && strings.ToUpper(text) == text && rank < 80 {
		score += 22 // UPPER_SNAKE is written for programs
	}
	return max(score, 0)
}

// codeRank rates a member's name, also one that ends in a known name.
func codeRank(norm string) int {
	if rank, ok := codeKeys[norm]; ok {
		return rank
	}
	switch {
	case strings.HasSuffix(norm, "errorcode"), strings.HasSuffix(norm, "errcode"):
		return 94
	case strings.HasSuffix(norm, "errorname"), strings.HasSuffix(norm, "errortype"), strings.HasSuffix(norm, "errorkey"):
		return 80
	case strings.HasSuffix(norm, "type") && len(norm) <= 10:
		return 44
	}
	return 0
}

// outsider names have other meanings outside the error object itself.
func outsider(norm string) bool {
	switch norm {
	case "name", "id", "key", "type", "status", "kind", "slug", "identifier", "label", "symbol",
		"title", "message", "msg", "result", "keyword", "rule", "category", "issue", "detail":
		return true
	}
	return false
}

// codeOfField holds for objects that are one issue of one field.
func (x *reading) codeOfField(n *node) bool {
	return slices.Contains(x.issues, n)
}

// repeatsStatus holds for a number that is the status, also when the status
// line says something else but the tree names it too.
func (x *reading) repeatsStatus(s string) bool {
	v := httpStatus(s)
	return v != 0 && (v == x.http || v == x.status || x.http == 0 || x.http < 400)
}

// tagPath joins nested union tags: {".tag":"path","path":{".tag":"not_found"}}.
func (x *reading) tagPath() found {
	for _, s := range x.scopes {
		tag := s.n.get("tag")
		if tag.str() == "" || !strings.HasPrefix(tag.key, ".") || s.penalty > parentPenalty {
			continue
		}
		path := []string{tag.str()}
		at := s.n
		for range 4 {
			next := at.get(normKey(at.get("tag").str()))
			if next == nil || next.get("tag").str() == "" {
				break
			}
			path = append(path, next.get("tag").str())
			at = next
		}
		return found{strings.Join(path, "/"), 112, ".tag", tag}
	}
	return found{}
}

// keyCode takes the name of the error object itself: {"itemNotFound":{…}}.
func (x *reading) keyCode() found {
	if len(x.scopes) < 2 {
		return found{}
	}
	n := x.scopes[0].n
	if n.up == nil || n.up.kind != kindObject || len(n.up.kids) != 1 || slices.Contains(containers, n.norm) || !isSymbol(n.key) {
		return found{}
	}
	if _, weight := x.words.read(n.key, true, x.status).best(); weight < 60 {
		return found{}
	}
	return found{n.key, 60, "the name of the error object", n}
}

// prefixCode takes a code that opens the message: "WEAK_PASSWORD : …".
func (x *reading) prefixCode() found {
	head, _, ok := strings.Cut(x.message.text, ":")
	head = strings.Trim(strings.TrimSpace(head), "[]()")
	if ok && len(head) > 3 && len(head) < 48 && shouted(head) {
		return found{head, 26, "prefix of the message", x.message.node}
	}
	return found{}
}
