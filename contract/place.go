package contract

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// placeDepth is how deep [Contract.Place] knows lines: errors, a code, params,
// one of them, its type.
const placeDepth = 5

// Place returns where the file says something: the position of a key by the
// names that lead to it, as in Place("errors", "rate_limited", "status");
// elements of lists are counted from 0. Where the file leaves the key out ok is
// false, and the position is that of what surrounds it.
func (c *Contract) Place(path ...string) (at Position, ok bool) {
	for n := min(len(path), placeDepth); n > 0; n-- {
		if line, ok := c.lines[strings.Join(path[:n], "\x00")]; ok {
			return Position{File: c.File, Line: line}, n == len(path)
		}
	}
	return Position{File: c.File, Line: 1}, false
}

// indexLines notes the line of each key of a document by its path.
func indexLines(n *yaml.Node, path string, depth int, into map[string]int) {
	n = resolve(n)
	if depth == 0 || n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode {
		return
	}
	add := func(name string, at, value *yaml.Node) {
		below := name
		if path != "" {
			below = path + "\x00" + name
		}
		if _, dup := into[below]; !dup {
			into[below] = at.Line
			indexLines(value, below, depth-1, into)
		}
	}
	if n.Kind == yaml.SequenceNode {
		for i, v := range n.Content {
			add(strconv.Itoa(i), v, v)
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		add(resolve(n.Content[i]).Value, n.Content[i], n.Content[i+1])
	}
}
