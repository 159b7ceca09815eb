package guess

import (
	"slices"
	"strconv"
	"strings"
)

// sentence finds the human text of a failure.
func (x *reading) sentence() found {
	var best, second found
	for _, s := range x.scopes {
		for _, kid := range s.n.kids {
			m := x.messageIn(kid, s)
			if m.score > best.score {
				best, second = m, best
			} else if m.score > second.score {
				second = m
			}
		}
	}
	best.text, second.text = fillAt(best), fillAt(second)
	x.second = second
	return best
}

func fillAt(f found) string {
	if f.node == nil {
		return f.text
	}
	return fill(f.text, f.node.up)
}

func (x *reading) messageIn(kid *node, s scope) found {
	rank := messageRank(kid.norm)
	text := textOf(kid)
	if rank == 0 || len(text) <= 1 || isNumber(text) || strings.EqualFold(text, "No message available") {
		return found{}
	}
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		return found{}
	}
	if x.codeOfField(s.n) {
		rank -= 14
	}
	score := rank - s.penalty
	spaced := strings.Contains(text, " ")
	switch {
	case kid.norm == "result" && !spaced:
		return found{}
	case mayBeCode(kid.norm):
		if x.isCode(kid, text) {
			return found{}
		}
		if kid.norm == "reason" && !spaced {
			score -= 30
		}
	case isIdentifier(text):
		score -= 20
	}
	if x.words.sayNothing(text) {
		score = max(score-60, 5)
	}
	if isTrace(text) {
		score -= 45
	}
	return found{text, score, kid.key, kid}
}

// messageRank rates a member's name, also one that ends in a known name.
func messageRank(norm string) int {
	if rank, ok := messageKeys[norm]; ok {
		return rank
	}
	for _, end := range []string{"errormessage", "errordescription", "errormsg"} {
		if strings.HasSuffix(norm, end) {
			return 90
		}
	}
	return 0
}

// mayBeCode names the members that hold a sentence with some APIs and a code
// with others.
func mayBeCode(norm string) bool {
	switch norm {
	case "error", "err", "reason", "errors", "title", "issue", "fault", "value", "body", "content", "hint":
		return true
	}
	return false
}

// isCode holds where such a member holds a code.
func (x *reading) isCode(kid *node, text string) bool {
	_, isCode := x.symbol(kid)
	if kid.norm == "reason" || kid.norm == "title" {
		return isCode && strings.Contains(text, "_")
	}
	return isCode
}

// isIdentifier holds for one word as programs write it: snake_case, lower, UPPER.
func isIdentifier(s string) bool {
	if strings.ContainsAny(s, " \u3000") || !isASCII(s) {
		return false
	}
	return strings.Contains(s, "_") || strings.ToLower(s) == s || strings.ToUpper(s) == s
}

// isTrace holds for the stack of a program.
func isTrace(s string) bool {
	return strings.Contains(s, "\tat ") || strings.Contains(s, "\n    at ") || strings.Contains(s, "Traceback (most")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// textOf reads a string, a list of strings, or an object that wraps a text in
// a language.
func textOf(n *node) string {
	switch n.kind {
	case kindString:
		return strings.TrimSpace(n.text)
	case kindArray:
		var parts []string
		for _, item := range n.kids {
			if item.kind != kindString {
				return ""
			}
			if s := strings.TrimSpace(item.text); s != "" && len(parts) < 20 && !slices.Contains(parts, s) {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, "; ")
	case kindObject:
		switch n.norm {
		case "message", "text", "reason", "description", "faultstring", "error", "usermessage":
			if v := n.get("value", "text", textKey, "en", "enus", "default"); v.is(kindString) {
				return strings.TrimSpace(v.text)
			} else if v.is(kindObject) {
				return v.get(textKey, "value").str()
			}
		}
	}
	return ""
}

// fill puts parameters into a message's placeholders: %name and %1 from a
// member called parameters or params, {0} and {name} likewise.
func fill(text string, n *node) string {
	if n == nil || !strings.ContainsAny(text, "%{") {
		return text
	}
	params := n.get("parameters", "params", "arguments", "args", "variables", "messageparameters")
	if params == nil || len(params.kids) == 0 || len(params.kids) > 50 {
		return text
	}
	var pairs []string
	for i, p := range slices.Backward(params.kids) { // %10 before %1
		v := p.str()
		if v == "" && p.kind != kindString {
			continue
		}
		if params.kind == kindArray {
			pairs = append(pairs, "%"+strconv.Itoa(i+1), v, "{"+strconv.Itoa(i)+"}", v)
			continue
		}
		pairs = append(pairs, "%"+p.key, v, "{"+p.key+"}", v, "{{"+p.key+"}}", v)
	}
	if len(pairs) == 0 {
		return text
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
