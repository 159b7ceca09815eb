package failwell_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"testing"
)

// TestVocabularyIsReexported compares the two packages' sources, so that a new
// condition or advice cannot be forgotten here.
func TestVocabularyIsReexported(t *testing.T) {
	t.Parallel()
	declared := constants(t, "contract/condition/condition.go", "")
	offered := constants(t, "conditions.go", "condition")
	if len(declared) < 40 {
		t.Fatalf("only %d constants were found in package condition: is it read as it is written?", len(declared))
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		want := name
		if declared[name] == "Retry" && name != "RetryUnknown" {
			want = "Retry" + name
		}
		if declared[name] == "Fault" {
			continue // who is at fault is told by condition.Lookup, not by an error
		}
		if offered[want] != name {
			t.Errorf("condition.%s should be offered as failwell.%s; there is %q", name, want, offered[want])
		}
	}
}

// constants maps the names of a file's constants to their types or, with from,
// to the names that they take from that package.
func constants(t *testing.T, file, from string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		group, ok := n.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			return true
		}
		for _, spec := range group.Specs {
			value, _ := spec.(*ast.ValueSpec)
			for i, name := range value.Names {
				switch {
				case from == "":
					if kind, ok := value.Type.(*ast.Ident); ok && ast.IsExported(name.Name) {
						found[name.Name] = kind.Name
					}
				case i < len(value.Values):
					if source, ok := value.Values[i].(*ast.SelectorExpr); ok {
						found[name.Name] = source.Sel.Name
					}
				}
			}
		}
		return true
	})
	return found
}
