package guess

import (
	"slices"
	"strings"
)

// isFieldMap tells a map of field names to messages from an error object.
func (x *reading) isFieldMap(n *node) bool {
	if len(n.kids) == 0 || len(n.kids) > 500 {
		return false
	}
	lists, strs, known := 0, 0, 0
	for _, kid := range n.kids {
		switch kid.kind {
		case kindArray:
			if !messageList(kid) && !nestedList(kid) || kid.first().is(kindObject) && holdsIssues(kid.norm) {
				return false
			}
			lists++
		case kindObject:
			if notField(kid, n) || !x.isNested(kid, 0) {
				return false
			}
			lists++
		case kindString:
			strs++
			if messageKeys[kid.norm] >= 70 || codeKeys[kid.norm] >= 70 || idKeys[kid.norm] >= 70 {
				known++
			}
		case kindNumber, kindBool:
			return false
		case kindNull:
		}
	}
	switch {
	case strs == 0:
		return lists > 0
	case known > 0:
		return false
	}
	// Names to plain texts: only where nothing else is usual, and no key is a
	// word that error objects use for themselves.
	switch n.norm {
	case "errors", "fielderrors", "validationerrors", "modelstate", "invalidfields", "invalidparams", "invalidattributes",
		"violations", "formerrors", "inputerrors", "validation", "validationmessages", "fieldmessages":
		return true
	case "details", "detail", "messages", "error", "message", "errordetails", "fields":
		return lists+strs == len(n.kids) && prose(n) && x.aboutInput()
	case "data":
		return prose(n) && strings.EqualFold(x.root.get("status").str(), "fail")
	}
	return false
}

// notField holds for an object that is an error itself rather than what is said
// of one field.
func notField(kid, n *node) bool {
	whole := n.norm == "error" && len(n.kids) == 1 && kid.get("code") != nil && kid.get("message") != nil
	return whole || containerName(kid.norm) && n.norm != "errors" || kid.norm == "error"
}

func holdsIssues(norm string) bool {
	return norm == "errors" || norm == "issues" || norm == "violations"
}

// aboutInput holds when the status allows for a fault in the request's fields.
func (x *reading) aboutInput() bool {
	return x.http == 400 || x.http == 422 || x.http < 400 || x.http == 409
}

// prose holds when each string among the members has more than one word.
func prose(n *node) bool {
	for _, kid := range n.kids {
		if kid.kind == kindString && !strings.Contains(strings.TrimSpace(kid.text), " ") {
			return false
		}
	}
	return true
}

// isRootMap recognises a root that maps fields to lists of messages.
func (x *reading) isRootMap(n *node) bool {
	if x.http != 0 && x.http != 400 && x.http != 422 && x.http != 409 || len(n.kids) == 0 || len(n.kids) > 200 {
		return false
	}
	own := false
	for _, kid := range n.kids {
		switch kid.kind {
		case kindArray:
			if !messageList(kid) && !nestedList(kid) {
				return false
			}
			switch kid.norm {
			case "errors", "messages", "errormessages", "error", "message", "detail", "details", "issues", "data", "results", "records":
				return false
			}
			own = true
		case kindObject:
			if !x.isNested(kid, 0) || containerName(kid.norm) {
				return false
			}
			own = true
		case kindString, kindNull, kindNumber, kindBool:
			return false
		}
	}
	return own
}

func containerName(norm string) bool {
	switch norm {
	case "error", "errors", "detail", "details", "fault", "message", "data", "fielderrors", "validation", "result", "response", "body", "meta":
		return true
	}
	return false
}

// messageList is a list of texts, or of objects that carry a text and no field.
func messageList(n *node) bool {
	for _, item := range n.kids {
		switch item.kind {
		case kindString:
		case kindObject:
			if issueText(item) == "" || located(item) {
				return false
			}
		case kindNull, kindBool, kindNumber, kindArray:
			return false
		}
	}
	return len(n.kids) > 0
}

// nestedList is a list of field maps, one per item of a list in the request.
func nestedList(n *node) bool {
	some := false
	for _, item := range n.kids {
		if item.kind != kindObject {
			return false
		}
		for _, kid := range item.kids {
			if kid.kind != kindArray || !messageList(kid) {
				return false
			}
			some = true
		}
	}
	return some
}

// isNested is a map below a field map: of lists, of _errors, or one message.
func (x *reading) isNested(n *node, depth int) bool {
	if depth > 12 || len(n.kids) == 0 {
		return false
	}
	if issueText(n) != "" && n.get("message", "msg", "description", "detail") != nil {
		return true
	}
	for _, kid := range n.kids {
		switch kid.kind {
		case kindArray:
			if !messageList(kid) && !nestedList(kid) && len(kid.kids) > 0 {
				return false
			}
		case kindObject:
			if !x.isNested(kid, depth+1) {
				return false
			}
		case kindNull, kindBool, kindNumber, kindString:
			return false
		}
	}
	return true
}

// flatten emits what a field map says, with nested names joined.
func (x *reading) flatten(n *node, path []string, depth int) {
	if depth > 16 {
		return
	}
	x.mapped = append(x.mapped, n)
	for _, kid := range n.kids {
		if strings.HasPrefix(kid.key, "__") {
			continue // the map's own type
		}
		at := slices.Clip(path)
		in := ""
		if !ofNobody(kid, depth) {
			segs, head := trimHead(splitPath(kid.key), strings.HasPrefix(kid.key, "/") || strings.HasPrefix(kid.key, "$"))
			if depth == 0 && len(segs) > 0 {
				at, in = append(at, segs...), head
			} else {
				at = append(at, kid.key)
			}
		}
		x.flattenValue(kid, at, in, depth)
	}
}

// ofNobody holds for the members under which a field map keeps issues of the whole.
func ofNobody(kid *node, depth int) bool {
	if kid.key == "" || kid.key == "$" {
		return true
	}
	return nobodysField[kid.norm] && (strings.HasPrefix(kid.key, "_") || kid.norm != "errors" && depth == 0)
}

func (x *reading) flattenValue(kid *node, at []string, in string, depth int) {
	switch kid.kind {
	case kindString:
		x.emit(at, in, kid.text, "")
	case kindObject:
		if text := issueText(kid); text != "" && kid.get("message", "msg", "description", "detail") != nil && kid.get("errors").empty() {
			code, _ := x.symbol2(kid.get("code", "type", "errorcode", "kind", "error"))
			x.emit(at, in, text, code)
			x.issues = append(x.issues, kid)
			return
		}
		x.flatten(kid, at, depth+1)
	case kindArray:
		x.mapped = append(x.mapped, kid)
		for i, item := range kid.kids {
			switch {
			case item.kind == kindString:
				x.emit(at, in, item.text, "")
			case item.kind == kindObject && nestedList(kid):
				x.flatten(item, append(slices.Clip(at), indexName(i)), depth+1)
			case item.kind == kindObject:
				code, _ := x.symbol2(item.get("code", "type", "errorcode", "error"))
				x.emit(at, in, issueText(item), code)
				x.issues = append(x.issues, item)
			}
		}
	case kindNull, kindBool, kindNumber:
	}
}
