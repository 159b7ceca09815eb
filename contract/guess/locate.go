package guess

import (
	"slices"
	"strings"
)

// scope is an object that may describe the failure, with what is taken off the
// rank of anything found in it.
type scope struct {
	n       *node
	penalty int
}

const (
	parentPenalty = 22
	childPenalty  = 24
	maxScopes     = 300
	maxChain      = 8
)

// locate orders the objects of a tree: the error object first, then what
// encloses it, then what lies below.
func locate(root *node) []scope {
	chain := []*node{root}
	for len(chain) < maxChain {
		next := inside(chain[len(chain)-1])
		if next == nil || slices.Contains(chain, next) {
			break
		}
		chain = append(chain, next)
	}
	var scopes []scope
	for i, n := range slices.Backward(chain) {
		if n.kind == kindObject {
			scopes = append(scopes, scope{n, parentPenalty * min(len(chain)-1-i, 2)})
		}
	}
	// Breadth first, so that nearer details come before deeper ones.
	type below struct {
		n     *node
		depth int
	}
	var queue []below
	for _, n := range slices.Backward(chain) {
		queue = append(queue, below{n, 0})
	}
	for at := 0; at < len(queue) && len(scopes) < maxScopes; at++ {
		for _, kid := range queue[at].n.kids {
			if kid.kind != kindObject && kid.kind != kindArray || slices.Contains(chain, kid) {
				continue
			}
			depth := queue[at].depth
			if kid.kind == kindObject {
				depth++
				scopes = append(scopes, scope{kid, min(childPenalty+6*depth, 60)})
			}
			if len(queue) < maxScopes {
				queue = append(queue, below{kid, depth})
			}
		}
	}
	return scopes
}

// inside returns the object within n that describes the failure better than n.
func inside(n *node) *node {
	switch {
	case n.kind == kindArray:
		return pick(n)
	case n.kind != kindObject:
		return nil
	}
	own := telling(n)
	for _, name := range containers {
		for _, kid := range n.kids {
			if kid.norm != name {
				continue
			}
			if better := contained(kid, n, own); better != nil {
				return better
			}
		}
	}
	if own > 0 {
		return nil
	}
	return mostTelling(n)
}

// contained returns what of a container's member describes the failure better
// than n, which tells own things itself.
func contained(kid, n *node, own int) *node {
	embed(kid)
	switch {
	case kid.empty():
	case kid.kind == kindArray && kid.norm != "error" && (own >= 1 && !bare(n) || introduced(n, kid)):
		// A list beside a message of its own holds details.
	case kid.kind == kindArray:
		if best := pick(kid); best != nil && telling(best) > 0 {
			return best
		}
	case kid.kind != kindObject:
	case own >= 2 && telling(kid) == 0 && kid.norm != "error":
	case weak(kid.norm) && own >= 1 && telling(kid) < own:
	case telling(kid) > 0 || inside(kid) != nil:
		return kid
	}
	return nil
}

// mostTelling is where nothing is known: the child that tells most.
func mostTelling(n *node) *node {
	var best *node
	top := 0
	for _, kid := range n.kids {
		if kid.kind == kindArray {
			kid = pick(kid)
		}
		if !kid.is(kindObject) {
			continue
		}
		if t := telling(kid); t > top {
			best, top = kid, t
		}
	}
	if best != nil {
		return best
	}
	for _, kid := range n.kids {
		if kid.kind != kindArray {
			continue
		}
		item := pick(kid)
		switch {
		case item == nil:
		case failing(item):
			return item
		case failingPart(item) != nil:
			return failingPart(item)
		}
	}
	if len(n.kids) > 3 {
		return nil
	}
	for _, kid := range n.kids {
		if kid.kind == kindObject && len(kid.kids) > 0 {
			return kid
		}
	}
	return nil
}

// bare holds when an object's message only repeats the status.
func bare(n *node) bool {
	text := textOf(orNothing(n.get("message", "detail", "errormessage", "msg", "error", "description")))
	return text != "" && words().sayNothing(text)
}

// introduced holds for a list of field issues under a problem's title.
func introduced(n, list *node) bool {
	item := list.first()
	return item.is(kindObject) && located(item) && n.get("title", "type", "name").str() != "" && !generic(n.get("title", "type", "name").str())
}

func orNothing(n *node) *node {
	if n == nil {
		return &node{}
	}
	return n
}

// weak containers have other uses; they count when they tell more than what
// stands around them.
func weak(name string) bool {
	switch name {
	case "error", "errors", "err", "fault", "exception", "errorresponse", "apierror":
		return false
	}
	return true
}

// pick chooses from a list: the first item that looks like a failure, or the
// first that tells something.
func pick(list *node) *node {
	var some *node
	for i, item := range list.kids {
		if i == 200 {
			break
		}
		if item.kind == kindString {
			embed(item)
		}
		if item.kind != kindObject {
			continue
		}
		if some == nil {
			some = item
		}
		if failing(item) || failingPart(item) != nil {
			return item
		}
	}
	return some
}

// failingPart finds the failing operation of one bulk item.
func failingPart(item *node) *node {
	for _, kid := range item.kids {
		if kid.kind == kindObject && !kid.get("error").empty() {
			return kid
		}
	}
	return nil
}

// embed parses a JSON document that is carried as a string.
func embed(n *node) {
	s := strings.TrimSpace(n.text)
	if n.kind != kindString || !beginsJSON(s) {
		return
	}
	r := jsonReader{s: s, nodes: maxNodes / 2}
	inner := r.value(maxDepth / 2)
	if inner == nil || len(inner.kids) == 0 || r.bent && r.i >= len(s) {
		return
	}
	n.kind, n.kids, n.text = inner.kind, inner.kids, ""
	for _, kid := range n.kids {
		kid.up = n
	}
}

// beginsJSON tells {"a" and [{ from a sentence that opens with a bracket.
func beginsJSON(s string) bool {
	if len(s) < 2 || s[0] != '{' && s[0] != '[' {
		return false
	}
	inner := strings.TrimLeft(s[1:min(len(s), 64)], " \t\r\n")
	return inner == "" || strings.IndexByte("\"'{[]}0123456789-", inner[0]) >= 0
}

// telling counts how many members of n say what failed, as a scalar.
func telling(n *node) int {
	count := 0
	for _, kid := range n.kids {
		switch {
		case kid.kind == kindString && strings.TrimSpace(kid.text) != "":
			if messageKeys[kid.norm] >= 70 || codeKeys[kid.norm] >= 78 && !generic(kid.text) || kid.key == "__type" {
				count++
			}
		case kid.kind == kindNumber:
			if codeKeys[kid.norm] >= 78 {
				count++
			}
		case kid.kind == kindArray && len(kid.kids) > 0 && kid.kids[0].kind == kindString:
			if messageKeys[kid.norm] >= 95 {
				count++
			}
		case kid.kind == kindObject && kid.norm == "message" && kid.get("value", "text", textKey) != nil:
			count++
		}
	}
	// {"error":{"type":…}} and {"sys":{"type":"Error","id":…}} have no more than this.
	if count == 0 && len(n.kids) <= 4 {
		if n.get("type", "id", "reason", "name", "title", "tag", "status").str() != "" && n.norm != "data" {
			count = 1
		}
	}
	return count
}

// located holds for an item that is about one field.
func located(n *node) bool {
	return n.get("field", "fieldname", "loc", "instancepath", "datapath", "param", "propertypath", "pointer", "in") != nil
}
