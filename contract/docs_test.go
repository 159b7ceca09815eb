package contract_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
)

var update = flag.Bool("update", false, "rewrite the generated files")

const docs = "../docs/contract.md"

var fence = regexp.MustCompile("(?ms)^```yaml(?: in (\\w+))?\n(.*?)^```$")

// minimal is what the fragments of the documentation are put into.
const minimal = `failwell: 1
api: docs
envelopes:
%s  rest: {body: {code: $code, message: $message, details?: {"...": $params}}}
errors:
%s  quiet: {status: 200, is: [], message: Quiet.}
  base: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing, feature_unavailable], message: Bad.}
  slow: {status: 420, is: [rate_limited], message: Slow.}
  gone: {status: 500, is: [internal, unavailable], message: Broken.}
`

// Every example of the reference is a contract that parses.
func TestDocumentedExamplesParse(t *testing.T) {
	data, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	examples := fence.FindAllStringSubmatch(string(data), -1)
	if len(examples) < 6 {
		t.Fatalf("found %d examples, the pattern no longer finds them", len(examples))
	}
	for _, e := range examples {
		indented := "  " + strings.TrimRight(strings.ReplaceAll(e[2], "\n", "\n  "), " ")
		source := e[2]
		switch e[1] {
		case "envelopes":
			source = fmt.Sprintf(minimal, indented, "")
		case "errors":
			source = fmt.Sprintf(minimal, "", indented)
		}
		if _, err := contract.Parse("example", []byte(source)); err != nil {
			t.Errorf("%v\nin\n%s", err, source)
		}
	}
}

func TestSchemaIsPublished(t *testing.T) {
	compareFile(t, "schema.json", string(contract.Schema()))
}

// The tables of keys in the reference are those of the parser.
func TestReference(t *testing.T) {
	data, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), "<!-- reference:")
	line, rest, ok2 := strings.Cut(rest, "\n")
	_, tail, ok3 := strings.Cut(rest, "<!-- end of reference -->")
	if !ok || !ok2 || !ok3 {
		t.Fatal("the marks of the generated part are gone")
	}
	var root map[string]any
	if err := json.Unmarshal(contract.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\n")
	reference(&b, "The file", root, map[string]bool{})
	compareFile(t, docs, head+"<!-- reference:"+line+"\n"+b.String()+"<!-- end of reference -->"+tail)
}

func compareFile(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != want {
		t.Fatalf("%s is out of step with the parser (%v): run go test ./contract -update", name, err)
	}
}

type nested struct {
	title string
	form  map[string]any
}

func reference(b *strings.Builder, title string, form map[string]any, done map[string]bool) {
	properties, _ := form["properties"].(map[string]any)
	required, _ := form["required"].([]any)
	fmt.Fprintf(b, "### %s\n\n| Key | Value | Meaning |\n|---|---|---|\n", title)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	var below []nested
	for _, name := range names {
		p, _ := properties[name].(map[string]any)
		mark := ""
		if slices.Contains(required, any(name)) {
			mark = " (required)"
		}
		kind, inner := describe(p)
		fmt.Fprintf(b, "| `%s`%s | %s | %s |\n", name, mark, kind, strings.ReplaceAll(fmt.Sprint(p["description"]), "|", "\\|"))
		if inner != nil {
			below = append(below, nested{strings.TrimPrefix(title+" › ", "The file › ") + name, inner})
		}
	}
	b.WriteString("\n")
	for _, n := range below {
		key := fmt.Sprint(n.form)
		if !done[key] { // rates occur in two places
			done[key] = true
			reference(b, n.title, n.form, done)
		}
	}
}

// describe names the kind of a value, and returns the mapping inside of it.
func describe(p map[string]any) (kind string, inner map[string]any) {
	if enum, ok := p["enum"].([]any); ok {
		if len(enum) > 12 {
			return "one of the vocabulary", nil
		}
		words := make([]string, len(enum))
		for i, w := range enum {
			words[i] = fmt.Sprintf("`%v`", w)
		}
		return strings.Join(words, ", "), nil
	}
	if p["properties"] != nil {
		return "mapping", p
	}
	if of, ok := p["additionalProperties"].(map[string]any); ok {
		kind, inner := describe(of)
		return "mapping of name to " + kind, inner
	}
	if items, ok := p["items"].(map[string]any); ok && p["type"] == "array" {
		kind, inner := describe(items)
		return "list of " + kind, inner
	}
	if choices, ok := p["oneOf"].([]any); ok {
		var words []string
		for _, c := range choices {
			m, _ := c.(map[string]any)
			word, in := describe(m)
			words = append(words, word)
			if in != nil {
				inner = in
			}
		}
		return strings.Join(words, " or "), inner
	}
	switch typ := p["type"].(type) {
	case string:
		return typ, nil
	case []any:
		words := make([]string, len(typ))
		for i, w := range typ {
			words[i] = fmt.Sprint(w)
		}
		return strings.Join(words, " or "), nil
	}
	if c, ok := p["const"]; ok {
		return fmt.Sprintf("`%v`", c), nil
	}
	return cmp.Or(map[bool]string{true: "any value"}[len(p) <= 2], "value"), nil
}
