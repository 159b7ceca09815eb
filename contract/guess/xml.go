package guess

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// textKey names the character data of an element that also has members.
const textKey = "#text"

// readXML turns elements and attributes into objects: <Error><Code>X</Code>
// </Error> reads like {"Error":{"Code":"X"}}. Siblings of one name become an
// array, an element with text alone a string. whole is false when the document
// ends early or is malformed; what was read until then is returned.
func readXML(s string) (root *node, whole bool) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = false
	d.Entity = xml.HTMLEntity
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // already UTF-8
	r := xmlReader{root: &node{kind: kindObject}}
	r.at = r.root
	for {
		token, err := d.Token()
		if err != nil {
			whole = errors.Is(err, io.EOF) && r.deep == 0
			break
		}
		if !r.take(token) {
			break
		}
	}
	for ; r.at != r.root; r.at = r.at.up {
		closeElement(r.at, lastText(&r.text))
	}
	gather(r.root)
	return r.root, whole
}

// xmlReader builds the tree of a document, token by token.
type xmlReader struct {
	root, at    *node
	deep, nodes int
	text        [][]byte // of the open elements
}

// take adds one token; it returns false when the document has too many values.
func (r *xmlReader) take(token xml.Token) bool {
	switch t := token.(type) {
	case xml.StartElement:
		if r.nodes++; r.nodes > maxNodes {
			return false
		}
		if r.deep++; r.deep <= maxDepth {
			r.open(t)
		}
	case xml.EndElement:
		if r.deep--; r.deep < maxDepth && r.at != r.root {
			closeElement(r.at, lastText(&r.text))
			r.at = r.at.up
		}
	case xml.CharData:
		if len(r.text) > 0 && r.deep <= maxDepth {
			r.text[len(r.text)-1] = append(r.text[len(r.text)-1], t...)
		}
	}
	return true
}

func (r *xmlReader) open(t xml.StartElement) {
	el := (&node{kind: kindObject}).named(t.Name.Local)
	for _, a := range t.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && a.Name.Space != "xsi" && r.nodes < maxNodes {
			r.nodes++
			el.add((&node{kind: kindString, text: a.Value}).named(a.Name.Local))
		}
	}
	r.at.add(el)
	r.at = el
	r.text = append(r.text, nil)
}

func lastText(stack *[][]byte) string {
	last := len(*stack) - 1
	if last < 0 {
		return ""
	}
	s := strings.TrimSpace(string((*stack)[last]))
	*stack = (*stack)[:last]
	return s
}

func closeElement(n *node, text string) {
	switch {
	case len(n.kids) == 0:
		n.kind, n.text = kindString, text
		if text == "" {
			n.kind = kindNull
		}
	case text != "":
		n.add((&node{kind: kindString, text: text}).named(textKey))
	}
}

// gather makes arrays of siblings that share a name.
func gather(root *node) {
	root.each(maxNodes, func(n *node) {
		if n.kind != kindObject || len(n.kids) < 2 {
			return
		}
		seen := make(map[string]int, len(n.kids))
		kept := n.kids[:0:0]
		for _, kid := range n.kids {
			at, twice := seen[kid.norm]
			if !twice {
				seen[kid.norm] = len(kept)
				kept = append(kept, kid)
				continue
			}
			list := kept[at]
			if list.kind != kindArray {
				list = (&node{kind: kindArray, up: n}).named(kid.key)
				list.add(kept[at])
				kept[at] = list
			}
			list.add(kid)
		}
		n.kids = kept
	})
	root.each(maxNodes, foldStruct)
}

// foldStruct reads XML-RPC's <struct><member><name/><value/></member></struct>
// as the object that it stands for.
func foldStruct(n *node) {
	if n.norm != "struct" || n.kind != kindObject {
		return
	}
	member := n.get("member")
	if member == nil {
		return
	}
	members := []*node{member}
	if member.kind == kindArray {
		members = member.kids
	}
	n.kids = nil
	for _, m := range members {
		name, value := m.get("name").str(), m.get("value")
		for value.is(kindObject) && len(value.kids) == 1 { // <value><int>4</int></value>
			value = value.kids[0]
		}
		if name != "" && value != nil {
			n.add(value.named(name))
		}
	}
}
