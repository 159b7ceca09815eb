package guess

// nameTuples makes objects of failures written as tuples, by the place of their
// parts: ["error", 10100, "a sentence"] as a whole answer, and [CODE, sentence,
// field] as an item of a list of errors.
func nameTuples(root *node) {
	if root.is(kindArray) && len(root.kids) == 3 && root.kids[0].str() == "error" && root.kids[1].is(kindNumber) && root.kids[2].is(kindString) {
		nameParts(root, "status", "code", "message")
		return
	}
	root.each(1000, func(n *node) {
		if n.kind != kindArray || n.norm != "errors" {
			return
		}
		for _, item := range n.kids {
			if isTuple(item) {
				nameParts(item, "code", "message", "field")
			}
		}
	})
}

// isTuple holds for two or three texts of which the first is a symbol and the
// second is none.
func isTuple(n *node) bool {
	if !n.is(kindArray) || len(n.kids) < 2 || len(n.kids) > 3 {
		return false
	}
	for _, part := range n.kids {
		if part.kind != kindString && part.kind != kindNull {
			return false
		}
	}
	return isSymbol(n.kids[0].str()) && !isSymbol(n.kids[1].str()) && n.kids[1].str() != ""
}

func nameParts(n *node, names ...string) {
	n.kind = kindObject
	for i, part := range n.kids {
		part.named(names[i])
	}
}
