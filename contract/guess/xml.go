package guess

import (
	"encoding/xml"
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
	root = &node{kind: kindObject}
	at := root
	deep, nodes := 0, 0
	var text [][]byte
	for {
		token, err := d.Token()
		if err != nil {
			for ; at != root; at = at.up {
				closeElement(at, lastText(&text))
			}
			gather(root)
			return root, err == io.EOF && deep == 0 //nolint:errorlint // Token returns io.EOF itself
		}
		switch t := token.(type) {
		case xml.StartElement:
			if nodes++; nodes > maxNodes {
				gather(root)
				return root, false
			}
			if deep++; deep > maxDepth {
				continue
			}
			el := (&node{kind: kindObject}).named(t.Name.Local)
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && a.Name.Space != "xsi" && nodes < maxNodes {
					nodes++
					el.add((&node{kind: kindString, text: a.Value}).named(a.Name.Local))
				}
			}
			at.add(el)
			at = el
			text = append(text, nil)
		case xml.EndElement:
			if deep--; deep >= maxDepth || at == root {
				continue
			}
			closeElement(at, lastText(&text))
			at = at.up
		case xml.CharData:
			if len(text) > 0 && deep <= maxDepth {
				text[len(text)-1] = append(text[len(text)-1], t...)
			}
		}
	}
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
