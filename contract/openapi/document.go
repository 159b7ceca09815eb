package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
)

// Bounds of a document: what aliases and merge keys may expand to, and how
// deep it may nest. Reading JSON Schemas takes time quadratic in their depth
// and more; documents of real services are less than 40 deep.
const (
	maxNodes = 1 << 20
	maxDepth = 256
)

// parse reads JSON or YAML into a tree without aliases and merge keys.
func parse(document []byte) (*yaml.Node, error) {
	document = bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
	if json.Valid(document) {
		document = joinSurrogates(document)
	}
	var root yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(document)).Decode(&root); err != nil {
		return nil, fmt.Errorf("yaml: %w", err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the top is not a mapping")
	}
	count := 0
	return expand(root.Content[0], &count, 0)
}

var surrogates = regexp.MustCompile(`\\*\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

// joinSurrogates rewrites pairs such as \ud83d\ude00, which JSON has and YAML
// has not. Lines stay what they are.
func joinSurrogates(document []byte) []byte {
	return surrogates.ReplaceAllFunc(document, func(m []byte) []byte {
		pair := len(m) - len(`\ud83d\ude00`)
		if pair%2 == 1 { // the last of these backslashes is itself escaped text
			return m
		}
		high, err := strconv.ParseUint(string(m[pair+2:pair+6]), 16, 32)
		low, err2 := strconv.ParseUint(string(m[pair+8:pair+12]), 16, 32)
		if err != nil || err2 != nil {
			return m
		}
		return append(slices.Clone(m[:pair]), string(utf16.DecodeRune(rune(high), rune(low)))...)
	})
}

func expand(n *yaml.Node, count *int, depth int) (*yaml.Node, error) {
	if *count++; *count > maxNodes {
		return nil, errors.New("it refers to itself or expands without end")
	}
	if depth > maxDepth {
		return nil, errors.New("it refers to itself or nests deeper than 256 levels")
	}
	if n.Kind == yaml.AliasNode {
		return expand(n.Alias, count, depth+1)
	}
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Line: n.Line, Column: n.Column}
	var merged []*yaml.Node
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Tag == "!!merge" {
			merged = append(merged, n.Content[i+1])
			continue
		}
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Tag == "!!merge" {
			continue
		}
		x, err := expand(child, count, depth+1)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, x)
	}
	for _, m := range merged {
		if err := merge(out, m, count, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge adds the members of from that into lacks.
func merge(into, from *yaml.Node, count *int, depth int) error {
	x, err := expand(from, count, depth)
	if err != nil {
		return err
	}
	sources := []*yaml.Node{x}
	if x.Kind == yaml.SequenceNode {
		sources = x.Content
	}
	for _, source := range sources {
		for k, v := range members(source) {
			if member(into, k.Value) == nil {
				into.Content = append(into.Content, k, v)
			}
		}
	}
	return nil
}

// members yields names and values of a mapping, nothing of anything else.
func members(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func member(n *yaml.Node, name string) *yaml.Node {
	for k, v := range members(n) {
		if k.Value == name {
			return v
		}
	}
	return nil
}

// at follows names and list positions from n, through references.
func (im *importer) at(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		n = child(im.follow(n), name)
	}
	return im.follow(n)
}

func child(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return member(n, name)
	}
	i, err := strconv.Atoi(name)
	if err != nil || i < 0 || i >= len(n.Content) {
		return nil
	}
	return n.Content[i]
}

// follow replaces a reference by what it refers to.
func (im *importer) follow(n *yaml.Node) *yaml.Node {
	for range 32 {
		ref := member(n, "$ref")
		if ref == nil || ref.Kind != yaml.ScalarNode {
			return n
		}
		n = im.target(ref.Value)
	}
	return nil
}

// target is what an internal reference leads to, nil for nothing (RFC 6901,
// in the form of a URI fragment).
func (im *importer) target(ref string) *yaml.Node {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	n := im.root
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if pointer == "" {
			break
		}
		n = child(n, unescape(token))
	}
	return n
}

// checkRefs refuses references that lead out of the document or nowhere.
func (im *importer) checkRefs(n *yaml.Node, under string) {
	if n.Kind == yaml.SequenceNode {
		for _, x := range n.Content {
			im.checkRefs(x, "")
		}
		return
	}
	for k, v := range members(n) {
		switch {
		case k.Value == "$ref" && v.Kind == yaml.ScalarNode && under != "properties":
			im.checkRef(v)
		case under != "properties" && slices.Contains(opaque, k.Value):
		default:
			im.checkRefs(v, k.Value)
		}
	}
}

// opaque members hold data, in which "$ref" is just a name.
var opaque = []string{"example", "examples", "default", "enum", "const"}

func (im *importer) checkRef(v *yaml.Node) {
	switch {
	case !strings.HasPrefix(v.Value, "#"):
		im.fault(v, "bundle the document into one file", "$ref %q leads out of the document, and nothing is fetched", v.Value)
	case v.Value != "#" && !strings.HasPrefix(v.Value, "#/"):
		im.fault(v, "refer to the schema by its path, as in #/components/schemas/Item", "$ref %q names an anchor, which is not read", v.Value)
	case im.target(v.Value) == nil:
		im.fault(v, "check the name", "$ref %q leads nowhere", v.Value)
	case im.follow(im.target(v.Value)) == nil:
		im.fault(v, "let one of them say something", "$ref %q leads only to other references", v.Value)
	}
}

// checkExtensions refuses x-failwell-… members where nobody would read them.
func (im *importer) checkExtensions() {
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		if n.Kind == yaml.SequenceNode {
			for _, x := range n.Content {
				walk(x, append(path, "*"))
			}
			return
		}
		for k, v := range members(n) {
			if strings.HasPrefix(k.Value, contract.ExtensionPrefix) && !extendable(path) {
				im.fault(k, "put it into an operation or a path item", "nothing reads %q here", k.Value)
			}
			if !slices.Contains(opaque, k.Value) {
				walk(v, append(path, k.Value))
			}
		}
	}
	walk(im.root, nil)
}

func extendable(path []string) bool {
	return len(path) >= 2 && len(path) <= 3 && path[0] == "paths" ||
		len(path) >= 3 && len(path) <= 4 && path[0] == "components" && path[1] == "pathItems"
}
