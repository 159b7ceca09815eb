package guess

import (
	"strings"

	"golang.org/x/net/html"
)

// parseHTML makes a page an object: its headings, first paragraphs and the
// "Name: value" items that storage services list on their error pages.
func parseHTML(s string) document {
	page := &node{kind: kindObject}
	add := func(key, text string) {
		if text = strings.Join(strings.Fields(text), " "); text != "" && len(page.kids) < 200 {
			page.add((&node{kind: kindString, text: text}).named(key))
		}
	}
	z := html.NewTokenizer(strings.NewReader(s))
	z.SetMaxBuf(256 << 10)
	var open string
	var text, whole strings.Builder
	silent := 0
	for range 20000 {
		switch z.Next() {
		case html.ErrorToken:
			add(open, text.String())
			return document{form: formHTML, roots: []*node{page}, text: whole.String()}
		case html.StartTagToken:
			tag, _ := z.TagName()
			switch name := string(tag); name {
			case "script", "style", "noscript", "svg":
				silent++
			case "title", "h1", "h2", "h3", "p", "pre", "li", "center", "address", "td", "dd":
				add(open, text.String())
				open = name
				text.Reset()
			case "br", "div", "span", "hr":
				text.WriteByte(' ')
				whole.WriteByte(' ')
			}
		case html.EndTagToken:
			tag, _ := z.TagName()
			switch name := string(tag); name {
			case "script", "style", "noscript", "svg":
				silent = max(0, silent-1)
			case open:
				add(open, text.String())
				open = ""
				text.Reset()
			}
		case html.TextToken:
			if silent > 0 {
				continue
			}
			t := z.Token().Data
			if text.Len() < maxMessage {
				text.WriteString(t)
			}
			if whole.Len() < 64<<10 {
				whole.WriteString(t)
				whole.WriteByte(' ')
			}
		case html.SelfClosingTagToken:
			text.WriteByte(' ')
			whole.WriteByte(' ')
		case html.CommentToken, html.DoctypeToken:
		}
	}
	return document{form: formHTML, roots: []*node{page}, text: whole.String(), short: true}
}

// pageMessage picks the sentence that says most: a heading that is more than a
// status line, else the first paragraph after a bare one, else the title.
func pageMessage(page *node, l *lexicon) string {
	for _, n := range page.kids {
		text, ok := strings.CutPrefix(n.text, "Message")
		if ok && (n.norm == "p" || n.norm == "td" || n.norm == "dd") && len(text) > 3 && (text[0] == ' ' || text[0] == ':') {
			return strings.TrimSpace(text[1:])
		}
	}
	bare, title := "", ""
	for _, name := range []string{"h1", "h2", "pre", "p", "", "title", "h3", "center", "td"} {
		for _, n := range page.kids {
			if n.norm != name || n.text == "" {
				continue
			}
			t := pageSentence(page, n)
			switch {
			case l.sayNothing(t):
				if bare == "" && len(t) < 200 && (name == "h1" || name == "h2" || name == "title") {
					bare = t
				}
			case t == "" || len(t) > 1000:
			case name == "title":
				title = either(title, t)
			default:
				return either(title, t)
			}
		}
	}
	return either(title, bare)
}

// pageSentence is the text of one element; of loose text what makes sentences.
func pageSentence(page, n *node) string {
	t := strings.TrimSpace(strings.TrimPrefix(n.text, "Message:"))
	if n.norm != "" {
		return t
	}
	end := strings.LastIndex(t, ". ")
	switch {
	case strings.HasSuffix(t, ".") && strings.Contains(t, " "), end > 0 && page.get("title") == nil:
		return t
	case end > 0:
		return t[:end+1] // what follows is no sentence
	}
	return ""
}

// sayNothing holds for texts that only repeat the status: "404 Not Found",
// "Error 503", "HTTP Status 404 - Not Found", "nginx/1.22".
func (l *lexicon) sayNothing(s string) bool {
	if l.reasons[normKey(s)] {
		return true
	}
	var b strings.Builder
	for _, token := range tokenise(s) {
		if token[0] >= '0' && token[0] <= '9' || token == "http" || token == "status" || token == "code" || token == "error" ||
			token == sentenceEnd || token == "nginx" || token == "openresty" || token == "apache" || token == "cloudflare" {
			continue
		}
		b.WriteString(token)
	}
	rest := b.String()
	return rest == "" && s != "" || l.reasons[rest]
}

// listed reads "Code: NoSuchKey" from a page's list items.
func listed(page *node, name string) string {
	for _, n := range page.kids {
		if n.norm != "li" {
			continue
		}
		if k, v, ok := strings.Cut(n.text, ":"); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
