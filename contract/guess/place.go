package guess

import (
	"strings"
)

// locator finds which part of the request an issue is about.
func (x *reading) locator(item *node) (path []string, in string, ok bool) {
	in = inOf(item.get("in", "location", "locationtype", "paramtype").str())
	for _, name := range locators {
		n := item.get(name)
		if n == nil || n.kind == kindNull || n.kind == kindBool {
			continue
		}
		if path, part, ok := x.place(item, n); ok {
			return path, either(part, in), true
		}
	}
	if p := item.get("parameters", "params"); p.is(kindObject) && len(p.kids) == 1 && p.kids[0].is(kindArray) {
		return splitPath(p.kids[0].key), in, true
	}
	if c := item.get("context"); c.is(kindObject) {
		if p := c.get("propertyname", "field", "key", "property").first(); p.str() != "" {
			return splitPath(p.str()), in, true
		}
	}
	// A location that is no part of a request is the field's own name.
	for _, name := range []string{"in", "location"} {
		if n := item.get(name); n.str() != "" && inOf(n.str()) == "" && !strings.ContainsAny(n.str(), " /") {
			return splitPath(n.str()), "", true
		}
	}
	return nil, "", false
}

// place reads the member n of an issue as the place that the issue is about.
func (x *reading) place(item, n *node) (path []string, in string, ok bool) {
	switch n.norm {
	case "target":
		if n.kind == kindObject {
			p := n.get("name", "field").str()
			return splitPath(p), inOf(n.get("type").str()), p != "" && item.get("property") == nil
		}
	case "source":
		if n.kind == kindObject {
			return jsonSource(n)
		}
		if !strings.HasPrefix(n.str(), "/") {
			return nil, "", false
		}
	case "path":
		if x.graphPath(item) || x.requestPath(n) {
			return nil, "", false
		}
	case "name", "key", "element":
		if !nameIsField(item, n) {
			return nil, "", false
		}
	}
	switch n.kind {
	case kindArray:
		return arrayPath(n)
	case kindString, kindNumber:
		return namedPath(item, n)
	case kindObject, kindNull, kindBool:
	}
	return nil, "", false
}

// jsonSource reads the source of an error of JSON:API.
func jsonSource(n *node) (path []string, in string, ok bool) {
	if p := n.get("pointer", "jsonpointer"); p.str() != "" {
		path, head := trimHead(splitPath(p.str()), true)
		return path, either(head, "body"), true
	}
	p := n.get("parameter", "header", "queryparameter", "pathparameter")
	if p.str() == "" {
		return nil, "", false
	}
	in = "query"
	if p.norm == "header" {
		in = "header"
	}
	return []string{p.str()}, in, true
}

// graphPath holds where the path of an issue leads through a GraphQL answer.
func (x *reading) graphPath(item *node) bool {
	if item.get("locations") != nil || item.get("extensions") != nil {
		return true
	}
	return x.root.get("data") != nil && item.up != nil && item.up.up == x.root && item.get("path").is(kindArray)
}

func arrayPath(n *node) (path []string, in string, ok bool) {
	if path = listPath(n); len(path) == 0 && len(n.kids) > 0 {
		return nil, "", false
	}
	path, in = trimHead(path, false)
	if len(path) == 1 && isNumber(path[0]) && in != "" {
		path = nil // an offset into the text
	}
	return path, in, true
}

func namedPath(item, n *node) (path []string, in string, ok bool) {
	s := n.str()
	blanks := n.norm == "attribute" || n.norm == "field" || n.norm == "fieldname"
	if len(s) > maxName || strings.Contains(s, " ") && !blanks {
		return nil, "", false
	}
	path, in = trimHead(splitPath(s), strings.HasPrefix(s, "/") || strings.HasPrefix(s, "#") || strings.HasPrefix(s, "$"))
	if p := item.get("params"); p.is(kindObject) { // a schema validator's missing or extra member
		if extra := p.get("missingproperty", "additionalproperty").str(); extra != "" {
			path = append(path, extra)
		}
	}
	return path, in, true
}

// requestPath holds for a path that repeats the request's URL.
func (x *reading) requestPath(n *node) bool {
	s := n.str()
	up := n.up
	return strings.HasPrefix(s, "/") && up != nil && (up.get("timestamp", "statuscode") != nil || up == x.root)
}

// nameIsField tells a field's name from the name of an error.
func nameIsField(item, n *node) bool {
	s := n.str()
	if s == "" || strings.HasSuffix(s, "Error") || strings.HasSuffix(s, "Exception") || strings.Contains(s, " ") || strings.ToUpper(s) == s && strings.Contains(s, "_") {
		return false
	}
	return item.get("reason", "message", "description", "error", "detail", "msg", "errors") != nil && item.get("status") == nil
}

// listPath joins a path given as an array: ["body","items",0,"name"].
func listPath(n *node) []string {
	var path []string
	for _, item := range n.kids {
		if item.kind == kindObject { // {"key": "a"} segments
			item = item.get("key", "name")
		}
		s := item.str()
		if s == "" || len(s) > maxName {
			return path
		}
		path = append(path, s)
	}
	return path
}

// splitPath reads JSON pointers (RFC 6901), JSONPath and the dotted and
// bracketed notations: /a/0/b, $.a[0].b, a.0.b, a[0][b].
func splitPath(s string) []string {
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(s, "#")
	if strings.HasPrefix(s, "/") {
		var path []string
		for seg := range strings.SplitSeq(s[1:], "/") {
			if seg = strings.ReplaceAll(strings.ReplaceAll(seg, "~1", "/"), "~0", "~"); seg != "" {
				path = append(path, seg)
			}
		}
		return path
	}
	s = strings.TrimPrefix(s, "$")
	if strings.Contains(s, " ") {
		return []string{s}
	}
	return strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '[' || r == ']' || r == '\'' || r == '"' })
}

// trimHead takes a leading segment off that names the part of the request, and
// from a pointer the containers of JSON:API.
func trimHead(path []string, pointer bool) (rest []string, in string) {
	if len(path) > 0 {
		if part := pathHeads[strings.ToLower(path[0])]; part != "" && (len(path) > 1 || path[0] == "body") {
			path, in = path[1:], part
		}
	}
	if pointer {
		for len(path) > 1 && (path[0] == "data" || path[0] == "attributes" || path[0] == "relationships") {
			path = path[1:]
		}
	}
	return path, in
}
