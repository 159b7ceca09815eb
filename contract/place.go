package contract

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Place returns where the file says something: the position of a key by its
// dotted path, such as "headers.rate_limit.reset". Where the file leaves the key
// out ok is false, and the position is that of what surrounds it. Keys inside of
// lists and of what the author names, such as codes, have no path; codes,
// envelopes, plans and operations know their own position.
func (c *Contract) Place(path string) (at Position, ok bool) {
	for whole := path; ; {
		if at, ok := c.places[path]; ok {
			return at, path == whole
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return Position{File: c.File, Line: 1}, false
		}
		path = path[:i]
	}
}

// enter notes where a key of a section stands, until leave.
func (p *parser) enter(k *yaml.Node) (leave func()) {
	if p.many > 0 || p.places == nil {
		return func() {}
	}
	p.path = append(p.path, k.Value)
	p.places[strings.Join(p.path, ".")] = p.pos(k)
	return func() { p.path = p.path[:len(p.path)-1] }
}
