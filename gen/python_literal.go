package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pythonWidth is the line length of the ecosystem's formatters.
const pythonWidth = 88

// pythonNode is a JSON value that keeps the order of its members.
type pythonNode struct {
	scalar string // Python source; "" for the others
	keys   []string
	values []*pythonNode
	object bool
}

// pythonLiteral writes JSON as the Python source that a formatter would leave
// alone. Members without a value are left out, where they are not the literal of
// a template: whoever reads the data knows their defaults.
func pythonLiteral(data []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	n, err := readPythonNode(d, true)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	n.write(&b, 0, len("CONTRACT: Final[dict[str, Any]] = "), 0)
	return b.String(), nil
}

func readPythonNode(d *json.Decoder, prune bool) (*pythonNode, error) {
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("reading the compiled contract: %w", err)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return &pythonNode{scalar: pythonScalar(token)}, nil
	}
	n := &pythonNode{object: delim == '{'}
	for d.More() {
		key := ""
		if n.object {
			name, err := d.Token()
			if err != nil {
				return nil, fmt.Errorf("reading the compiled contract: %w", err)
			}
			key, _ = name.(string)
		}
		value, err := readPythonNode(d, prune && key != "literal")
		if err != nil {
			return nil, err
		}
		if n.object && prune && key != "literal" && value.empty() {
			continue
		}
		n.keys = append(n.keys, pythonString(key))
		n.values = append(n.values, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("reading the compiled contract: %w", err)
	}
	return n, nil
}

func pythonScalar(token json.Token) string {
	switch x := token.(type) {
	case string:
		return pythonString(x)
	case json.Number:
		return x.String()
	case bool:
		if x {
			return "True"
		}
		return "False"
	default:
		return "None"
	}
}

func (n *pythonNode) empty() bool {
	switch n.scalar {
	case `""`, "0", "False", "None":
		return true
	case "":
		return len(n.values) == 0
	}
	return false
}

// write puts a value on one line where it fits between what stands before and
// after it, and else each of its elements on a line of its own.
func (n *pythonNode) write(b *strings.Builder, indent, before, after int) {
	flat := n.flat()
	if n.scalar != "" || len(n.values) == 0 || before+utf8.RuneCountInString(flat)+after <= pythonWidth {
		b.WriteString(flat)
		return
	}
	brackets := n.brackets()
	b.WriteString(brackets[:1] + "\n")
	for i, v := range n.values {
		lead := strings.Repeat(" ", indent+4)
		if n.object {
			lead += n.keys[i] + ": "
		}
		b.WriteString(lead)
		v.write(b, indent+4, utf8.RuneCountInString(lead), 1)
		b.WriteString(",\n")
	}
	b.WriteString(strings.Repeat(" ", indent) + brackets[1:])
}

func (n *pythonNode) flat() string {
	if n.scalar != "" {
		return n.scalar
	}
	parts := make([]string, len(n.values))
	for i, v := range n.values {
		parts[i] = v.flat()
		if n.object {
			parts[i] = n.keys[i] + ": " + parts[i]
		}
	}
	brackets := n.brackets()
	return brackets[:1] + strings.Join(parts, ", ") + brackets[1:]
}

func (n *pythonNode) brackets() string {
	if n.object {
		return "{}"
	}
	return "[]"
}

// pythonString quotes as formatters do: double quotes, unless single ones need
// fewer escapes.
func pythonString(s string) string {
	quote := '"'
	if strings.Count(s, `"`) > strings.Count(s, "'") {
		quote = '\''
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case r > 0xff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}
