package guess

import (
	"slices"
	"strconv"
	"strings"
)

// collect finds the issues that a failure lists field by field. It fills
// x.fields, and x.issues with the objects they stand in.
func (x *reading) collect() {
	if x.root == nil || x.doc.form == formHTML || x.doc.form == formText {
		return
	}
	x.root.each(5000, func(n *node) {
		if len(x.fields) >= maxFields {
			return
		}
		switch n.kind {
		case kindArray:
			x.issueList(n)
		case kindObject:
			switch {
			case slices.Contains(x.mapped, n):
			case n.up != nil && fieldMaps[n.norm] && x.isFieldMap(n):
				x.flatten(n, nil, 0)
			case n == x.root && x.isRootMap(n):
				x.flatten(n, nil, 0)
			case n.norm == "details" || n.norm == "detail" || n.norm == "context":
				x.detail(n)
			}
		default:
		}
	})
	// XML writes a list of one as an object.
	if len(x.fields) == 0 && x.doc.form == formXML {
		x.root.each(2000, func(n *node) {
			if n.kind == kindObject && n.up != nil && (strings.HasSuffix(n.norm, "violation") || strings.HasSuffix(n.norm, "fielderror") || n.up.norm == "errors" || n.up.norm == "details") {
				x.issue(n)
			}
		})
	}
}

func (x *reading) emit(path []string, in, message, code string) {
	if len(x.fields) >= maxFields {
		return
	}
	f := Field{Message: clean(message, maxMessage), Code: clean(code, maxCode), In: in}
	for i, p := range path {
		if i < 32 {
			f.Path = append(f.Path, clean(p, maxName))
		}
	}
	f.Name = clean(strings.Join(f.Path, "."), maxName)
	for _, have := range x.fields {
		if have.Name == f.Name && have.Message == f.Message {
			return
		}
	}
	x.fields = append(x.fields, f)
}

// issueList reads an array of objects of which at least one is about a field.
func (x *reading) issueList(list *node) {
	if len(list.kids) == 0 || listOfCauses(list.norm) {
		return
	}
	hit := false
	for i, item := range list.kids {
		if i < maxFields && item.kind == kindObject && x.issue(item) {
			hit = true
		}
	}
	if !hit && x.sentences(list) {
		return
	}
}

// listOfCauses are lists whose items' paths are not the caller's fields.
func listOfCauses(norm string) bool {
	switch norm {
	case "locations", "trace", "traces", "stack", "stacktrace", "links", "rootcause", "documentation", "data", "codes", "frames", "help", "metadata":
		return true
	}
	return false
}

// issue reads one object of a list.
func (x *reading) issue(item *node) bool {
	if slices.Contains(x.issues, item) {
		return true
	}
	message := issueText(item)
	code := ""
	for _, name := range []string{"code", "errorcode", "type", "reason", "keyword", "error", "rule", "issue", "validator"} {
		if s, ok := x.symbol2(item.get(name)); ok && s != message {
			code = s
			break
		}
	}
	if item.get("children") != nil && item.get("constraints") != nil { // nested property errors
		return x.constrained(item, nil, 0)
	}
	path, in, ok := x.locator(item)
	if !ok && (x.http == 400 || x.http == 422) && item.get("code", "errorcode", "type", "status", "title") == nil {
		// "login: is taken", where nothing else names the field.
		if name, rest, found := strings.Cut(message, ": "); found && isFieldName(name) && strings.IndexByte(rest, ' ') > 0 {
			path, message, ok = splitPath(name), rest, true
		}
	}
	if !ok || message == "" {
		return false
	}
	// Salesforce and others name several fields in one issue.
	if list := item.get("fields", "path", "field"); list.is(kindArray) && list.norm == "fields" {
		for _, f := range list.kids {
			x.emit(splitPath(f.str()), in, message, code)
		}
	} else {
		x.emit(path, in, message, code)
	}
	x.issues = append(x.issues, item)
	return true
}

func (x *reading) symbol2(n *node) (string, bool) {
	if n == nil {
		return "", false
	}
	return x.symbol(n)
}

// constrained reads {"property","constraints":{rule:text},"children":[…]}.
func (x *reading) constrained(item *node, path []string, depth int) bool {
	name := item.get("property").str()
	if name == "" || depth > 8 {
		return false
	}
	path = append(slices.Clip(path), name)
	for _, c := range item.get("constraints").list() {
		x.emit(path, "", c.str(), c.key)
	}
	for _, child := range item.get("children").list() {
		x.constrained(child, path, depth+1)
	}
	x.issues = append(x.issues, item)
	return true
}

func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.kids
}

func issueText(item *node) string {
	for _, name := range issueTexts {
		n := item.get(name)
		if n == nil {
			continue
		}
		if s := textOf(n); s != "" {
			return s
		}
	}
	return ""
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func inOf(s string) string { return pathHeads[normKey(s)] }

// sentences reads a list of strings that each begin with a property's name, as
// validators of classes write them: "email must be an email".
func (x *reading) sentences(list *node) bool {
	if x.http != 0 && x.http != 400 && x.http != 422 {
		return false
	}
	switch list.norm {
	case "message", "messages", "errors", "detail", "details", "errormessages":
	default:
		return false
	}
	hit := false
	for i, item := range list.kids {
		if item.kind != kindString || i >= maxFields {
			return hit
		}
		name, rest, ok := strings.Cut(item.text, " ")
		name = strings.Trim(strings.TrimSuffix(name, ":"), "\"'`")
		if prop, tail, isProp := strings.Cut(rest, " "); ok && name == "property" && isProp {
			name, rest = prop, tail
		}
		verb, _, more := strings.Cut(rest, " ")
		if ok && more && isFieldName(name) && demands(verb) {
			if rest, each := strings.CutPrefix(item.text, "each value in "); each {
				name, _, _ = strings.Cut(rest, " ")
			}
			x.emit(splitPath(name), "", item.text, "")
			hit = true
		}
	}
	return hit
}

// demands holds for the verbs after a property's name.
func demands(verb string) bool {
	switch verb {
	case "must", "should", "is", "can't", "cannot", "has", "each":
		return true
	}
	return false
}

func isFieldName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if !isWord(s[i]) && s[i] != '.' && s[i] != '-' && s[i] != '[' && s[i] != ']' {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "this", "it", "there", "value", "the", "request", "body", "you", "api", "user", "account", "access", "token",
		"that", "resource", "service", "key", "which", "what", "authentication", "authorization":
		return false
	}
	return true
}

// detail reads a single object that names a field and what is wrong with it.
func (x *reading) detail(n *node) {
	f := n.get("field", "fieldname", "param", "parameter", "property")
	if f.str() == "" || strings.Contains(f.str(), " ") {
		return
	}
	if text := n.get("issue", "message", "reason", "msg", "error", "description", "detail", "problem", "conflict"); text.str() != "" {
		path, in := trimHead(splitPath(f.str()), strings.HasPrefix(f.str(), "/"))
		x.emit(path, in, text.str(), "")
		x.issues = append(x.issues, n)
	}
}

func indexName(i int) string { return strconv.Itoa(i) }
