package guess

import (
	"net/url"
	"strings"
)

// form is the syntax of a body.
type form string

const (
	formEmpty  form = "empty body"
	formJSON   form = "JSON"
	formXML    form = "XML"
	formHTML   form = "HTML"
	formForm   form = "form-encoded body"
	formStream form = "event stream"
	formText   form = "plain text"
	formBinary form = "binary body"
)

// document is a body, parsed as far as it goes.
type document struct {
	form form
	// roots are the values in it; more than one for streams and line-delimited JSON.
	roots []*node
	// marked is the value of an event that is named an error.
	marked *node
	text   string
	// short: the body ends early, or before its bounds.
	short bool
	// bent: the syntax has faults.
	bent bool
}

// parse recognises the syntax by its first characters: the declared media type
// is wrong too often to decide more than a tie.
func parse(body []byte, contentType string) document {
	short := len(body) > maxBody
	if short {
		body = body[:maxBody]
	}
	if isBinary(body) {
		return document{form: formBinary, short: short}
	}
	d := parseText(toUTF8(body, contentType), contentType, 0)
	d.short = d.short || short
	return d
}

func isBinary(b []byte) bool {
	b = decodeUTF16(b)
	control := 0
	sample := b[:min(len(b), 1024)]
	for _, c := range sample {
		if c < 0x20 && c != '\t' && c != '\r' && c != '\n' && c != 0x1e && c != 0x1b && c != '\f' {
			control++
		}
	}
	return control > 0 && (control*20 > len(sample) || (len(sample) > 0 && sample[0] >= 0x80 && control*50 > len(sample)))
}

// guards are prefixes against script inclusion.
var guards = []string{")]}',", ")]}'", "while(1);", "for(;;);", "{}&&", "/*-secure-", "throw 1; <dont be evil>"}

func parseText(s, contentType string, nested int) document {
	s = strings.TrimSpace(strings.TrimLeft(s, "\x00\x1e\ufeff \r\n\t"))
	for _, g := range guards {
		s = strings.TrimSpace(strings.TrimPrefix(s, g))
	}
	if s == "" {
		return document{form: formEmpty}
	}
	switch s[0] {
	case '{', '[':
		if d, ok := parseJSON(s); ok && beginsJSON(s) {
			return d
		}
	case '"':
		r := jsonReader{s: s}
		if n := r.value(0); n.is(kindString) && r.i == len(s) && nested < 3 {
			return parseText(n.text, contentType, nested+1)
		}
	case '<':
		return parseMarkup(s)
	}
	if isStream(s, contentType) {
		if d, ok := parseStream(s); ok {
			return d
		}
	}
	if inner, ok := jsonp(s); ok {
		if d, ok := parseJSON(inner); ok {
			return d
		}
	}
	if d, ok := parseForm(s, contentType); ok {
		return d
	}
	return parsePlain(s)
}

// parseJSON reads one value or several in a row.
func parseJSON(s string) (document, bool) {
	d := document{form: formJSON}
	r := jsonReader{s: s}
	for {
		r.space()
		if r.i >= len(s) || len(d.roots) >= 1000 {
			break
		}
		if c := s[r.i]; c != '{' && c != '[' {
			// Trailing text; a line that is no JSON ends the document.
			d.bent = d.bent || c != ',' && c != ';' && c != ')'
			break
		}
		n := r.value(0)
		if n == nil {
			break
		}
		d.roots = append(d.roots, n)
		if r.short {
			break
		}
	}
	d.short, d.bent = r.short, d.bent || r.bent
	if len(d.roots) == 0 || (r.bent && len(d.roots[0].kids) == 0) {
		return document{}, false
	}
	return d, true
}

func parseMarkup(s string) document {
	head := strings.ToLower(s[:min(len(s), 2048)])
	for _, mark := range []string{"<html", "<!doctype html", "<head", "<body", "<title>", "<h1", "<center>", "<pre>", "<p>", "<div", "<br", "<style", "<b>"} {
		if strings.Contains(head, mark) {
			if d, ok := afterWarnings(s); ok {
				return d
			}
			return parseHTML(s)
		}
	}
	root, whole := readXML(s)
	if len(root.kids) == 0 {
		return parsePlain(s)
	}
	return document{form: formXML, roots: []*node{root}, short: !whole}
}

// afterWarnings reads JSON that follows what an interpreter printed before it.
func afterWarnings(s string) (document, bool) {
	open := strings.Index(s, `{"`)
	if open < 0 || !strings.HasSuffix(s, "}") {
		return document{}, false
	}
	d, ok := parseJSON(s[open:])
	if !ok || d.bent || d.short || len(d.roots) != 1 {
		return document{}, false
	}
	d.bent = true
	return d, true
}

// jsonp unwraps what is passed to a callback.
func jsonp(s string) (string, bool) {
	s = strings.TrimSpace(strings.TrimPrefix(s, "/**/"))
	open := strings.IndexByte(s[:min(len(s), 256)], '(')
	if open <= 0 {
		return "", false
	}
	for i := range open {
		if !isWord(s[i]) && s[i] != '.' && s[i] != '[' && s[i] != ']' {
			return "", false
		}
	}
	inner := strings.TrimSpace(s[open+1:])
	return inner, inner != "" && (inner[0] == '{' || inner[0] == '[')
}

func parseForm(s, contentType string) (document, bool) {
	s = strings.TrimLeft(s, "?#")
	key, _, ok := strings.Cut(s, "=")
	if !ok || strings.ContainsAny(s[:min(len(s), 4096)], " \n<{") || len(s) > 64<<10 {
		return document{}, false
	}
	norm := normKey(key)
	declared := strings.Contains(contentType, "form-urlencoded")
	if !declared && codeKeys[norm] == 0 && messageKeys[norm] == 0 && !strings.Contains(s, "&") {
		return document{}, false
	}
	root := &node{kind: kindObject}
	for pair := range strings.SplitSeq(s, "&") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok && !declared || len(root.kids) > 1000 {
			return document{}, false
		}
		k, v = unescape(k), unescape(v)
		// Name-value APIs number what they repeat: L_ERRORCODE0.
		if strings.HasPrefix(k, "L_") {
			k = strings.TrimSuffix(k, "0")
		}
		root.add((&node{kind: kindString, text: v}).named(k))
	}
	return document{form: formForm, roots: []*node{root}}, len(root.kids) > 0
}

func unescape(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return strings.ToValidUTF8(out, "\ufffd")
	}
	return s
}

// parsePlain keeps the text, and reads a JSON value that closes it: "upstream
// said: {…}".
func parsePlain(s string) document {
	d := document{form: formText, text: s}
	if len(s) > 64<<10 {
		return d
	}
	if open := strings.IndexByte(s, '{'); open > 0 && strings.HasSuffix(s, "}") {
		r := jsonReader{s: s[open:]}
		if n := r.value(0); n.is(kindObject) && !r.bent && !r.short && len(n.kids) > 0 {
			d.roots = []*node{n}
		}
		return d
	}
	if root := keyedLines(s); root != nil {
		d.roots = []*node{root}
	}
	return d
}

// keyedLines reads "Code: X" lines; every line has to be one.
func keyedLines(s string) *node {
	root := &node{kind: kindObject}
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		k, v, ok := strings.Cut(line, ":")
		if !ok || len(k) > 24 || strings.Contains(strings.TrimSpace(k), " ") || len(root.kids) > 50 {
			return nil
		}
		root.add((&node{kind: kindString, text: strings.TrimSpace(v)}).named(k))
	}
	if len(root.kids) < 2 {
		return nil
	}
	return root
}
