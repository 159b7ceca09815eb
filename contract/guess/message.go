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
	rank := messageKeys[kid.norm]
	if rank == 0 && (strings.HasSuffix(kid.norm, "errormessage") || strings.HasSuffix(kid.norm, "errordescription") || strings.HasSuffix(kid.norm, "errormsg")) {
		rank = 90
	}
	if rank == 0 {
		return found{}
	}
	if x.codeOfField(s.n) {
		rank -= 14
	}
	text := textOf(kid)
	if text == "" || len(text) == 1 || strings.EqualFold(text, "No message available") {
		return found{}
	}
	score := rank - s.penalty
	switch {
	case isNumber(text), kid.norm == "result" && !strings.Contains(text, " "):
		return found{}
	case kid.norm == "error" || kid.norm == "err" || kid.norm == "reason" || kid.norm == "errors" || kid.norm == "title" || kid.norm == "issue" || kid.norm == "fault" || kid.norm == "value" || kid.norm == "body" || kid.norm == "content" || kid.norm == "hint":
		// A code is no sentence.
		if _, isCode := x.symbol(kid); isCode && (kid.norm != "reason" || strings.ContainsAny(text, "_")) {
			if kid.norm == "title" && !strings.Contains(text, "_") {
				break
			}
			return found{}
		}
		if kid.norm == "reason" && !strings.Contains(text, " ") {
			score -= 30
		}
	case !strings.ContainsAny(text, " \u3000") && isASCII(text) && (strings.Contains(text, "_") || strings.ToLower(text) == text || strings.ToUpper(text) == text):
		score -= 20
	}
	if x.words.sayNothing(text) {
		score = max(score-60, 5)
	}
	if strings.Contains(text, "\tat ") || strings.Contains(text, "\n    at ") || strings.Contains(text, "Traceback (most") {
		score -= 45
	}
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		return found{}
	}
	return found{text, score, kid.key, kid}
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
		if n.norm == "message" || n.norm == "text" || n.norm == "reason" || n.norm == "description" || n.norm == "faultstring" || n.norm == "error" || n.norm == "usermessage" {
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
	for i := len(params.kids) - 1; i >= 0; i-- { // %10 before %1
		p := params.kids[i]
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
