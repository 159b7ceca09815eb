package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/failwell/failwell/contract"
)

// typeScriptData is the module with the compiled contract.
func typeScriptData(c *contract.Contract) ([]byte, error) {
	text, err := marshal(Compile(c), "")
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := readTS(d)
	if err != nil {
		return nil, fmt.Errorf("reading the compiled contract: %w", err)
	}
	var b strings.Builder
	b.WriteString("import type { Contract } from \"./core/data.js\";\n\n" + tsDoc("What a client of "+titleOf(c)+" obeys, as data."))
	const head = "export const contract: Contract = "
	b.WriteString(head)
	n.write(&b, "", len(head)+1)
	b.WriteString(";\n")
	return []byte(b.String()), nil
}

// tsColumns is how wide the formatter takes a text to be.
func tsColumns(s string) int {
	n := 0
	for _, r := range s {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n += 2
		case width.Neutral, width.EastAsianAmbiguous, width.EastAsianNarrow, width.EastAsianHalfwidth:
			if !unicode.Is(unicode.Mn, r) {
				n++
			}
		}
	}
	return n
}

// tsNode is a JSON value as the ecosystem's formatter sees it.
type tsNode struct {
	scalar string // source; "" for the others
	object bool
	keys   []string
	values []*tsNode
}

func readTS(d *json.Decoder) (*tsNode, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by the caller
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return &tsNode{scalar: tsScalar(token)}, nil
	}
	n := &tsNode{object: delim == '{'}
	for d.More() {
		if n.object {
			name, err := d.Token()
			if err != nil {
				return nil, err //nolint:wrapcheck // wrapped by the caller
			}
			key, _ := name.(string)
			n.keys = append(n.keys, tsKey(key))
		}
		value, err := readTS(d)
		if err != nil {
			return nil, err
		}
		n.values = append(n.values, value)
	}
	_, err = d.Token()
	return n, err //nolint:wrapcheck // wrapped by the caller
}

func tsScalar(token json.Token) string {
	switch v := token.(type) {
	case string:
		return tsString(v)
	case nil:
		return "null"
	default:
		return fmt.Sprint(v)
	}
}

// write prints a value where before columns of the line are taken, those of what
// must follow on it included. An array or object stands on one line where it fits;
// a list of lists or of objects never does, which is the formatter's rule.
func (n *tsNode) write(b *strings.Builder, indent string, before int) {
	if flat, ok := n.flat(); ok && before+tsColumns(flat) <= tsWidth {
		b.WriteString(flat)
		return
	}
	if n.scalar != "" {
		b.WriteString(n.scalar)
		return
	}
	open, end := "[", "]"
	if n.object {
		open, end = "{", "}"
	}
	b.WriteString(open + "\n")
	inner := indent + "  "
	for i, v := range n.values {
		b.WriteString(inner)
		taken := len(inner) + 1
		if n.object {
			b.WriteString(n.keys[i] + ":")
			taken += tsColumns(n.keys[i]) + 2
			if strings.ContainsAny(v.scalar[:min(len(v.scalar), 1)], `"'`) && taken+tsColumns(v.scalar) > tsWidth {
				b.WriteString("\n" + inner + "  ")
			} else {
				b.WriteString(" ")
			}
		}
		v.write(b, inner, taken)
		b.WriteString(",\n")
	}
	b.WriteString(indent + end)
}

// flat is the value on one line; ok is false where the formatter breaks it anyway.
func (n *tsNode) flat() (text string, ok bool) {
	if n.scalar != "" {
		return n.scalar, true
	}
	if n.broken() {
		return "", false
	}
	parts := make([]string, len(n.values))
	for i, v := range n.values {
		part, ok := v.flat()
		if !ok {
			return "", false
		}
		if n.object {
			part = n.keys[i] + ": " + part
		}
		parts[i] = part
	}
	switch {
	case !n.object:
		return "[" + strings.Join(parts, ", ") + "]", true
	case len(parts) == 0:
		return "{}", true
	default:
		return "{ " + strings.Join(parts, ", ") + " }", true
	}
}

// broken holds for a list of several objects, or of several lists, each with
// several parts.
func (n *tsNode) broken() bool {
	if n.object || len(n.values) < 2 {
		return false
	}
	for _, v := range n.values {
		if v.scalar != "" || v.object != n.values[0].object || len(v.values) < 2 {
			return false
		}
	}
	return true
}

// tsString is a string literal, in the quotes that need fewer escapes.
func tsString(s string) string {
	quote := `"`
	if strings.Count(s, `"`) > strings.Count(s, "'") {
		quote = "'"
	}
	var b strings.Builder
	b.WriteString(quote)
	for _, r := range s {
		switch {
		case r == '\\' || string(r) == quote:
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x20 || r == 0x7f || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + quote
}

var tsIdentifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func tsKey(name string) string {
	if tsIdentifier.MatchString(name) {
		return name
	}
	return tsString(name)
}

// tsDoc is a documentation comment of paragraphs.
func tsDoc(paragraphs ...string) string {
	var lines []string
	for _, p := range paragraphs {
		if p == "" {
			continue
		}
		if lines != nil {
			lines = append(lines, "")
		}
		lines = append(lines, foldedTS(strings.ReplaceAll(p, "*/", "* /"), tsWidth-3)...)
	}
	if len(lines) == 1 && tsColumns(lines[0])+7 <= tsWidth {
		return "/** " + lines[0] + " */\n"
	}
	var b strings.Builder
	b.WriteString("/**\n")
	for _, line := range lines {
		b.WriteString(strings.TrimRight(" * "+line, " ") + "\n")
	}
	return b.String() + " */\n"
}

func foldedTS(text string, columns int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && tsColumns(line)+1+tsColumns(word) > columns {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// tsField is a member with a value, which goes on a line of its own when it is long.
func tsField(name, value string) string {
	if line := name + " = " + value + ";"; tsColumns(line)+2 <= tsWidth {
		return line
	}
	return name + " =\n    " + value + ";"
}

// tsUnion is a type of several literals.
func tsUnion(name string, of []string) string {
	head := "export type " + name + " ="
	if flat := head + " " + strings.Join(of, " | ") + ";"; tsColumns(flat) <= tsWidth {
		return flat + "\n"
	}
	return head + "\n  | " + strings.Join(of, "\n  | ") + ";\n"
}

// tsList is a list between braces.
func tsList(head string, names []string, tail string) string {
	if flat := head + strings.Join(names, ", ") + tail; tsColumns(flat) <= tsWidth {
		return flat + "\n"
	}
	return strings.TrimRight(head, " ") + "\n  " + strings.Join(names, ",\n  ") + ",\n" + strings.TrimLeft(tail, " ") + "\n"
}
