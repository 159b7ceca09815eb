package main

import (
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Each example in the help is a command line that is understood, and every flag
// with a value says what kind of value that is.
func TestHelp(t *testing.T) {
	t.Parallel()
	parser := func() *kong.Kong {
		p, err := newParser(t.Context(), &console{stdout: io.Discard, stderr: io.Discard, exit: func(int) {}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	examples := 0
	visit := func(node kong.Visitable, next kong.Next) error {
		switch node := node.(type) {
		case *kong.Node:
			for line := range strings.Lines(node.Detail) {
				_, command, is := strings.Cut(line, "failwell ")
				if !is || !strings.HasPrefix(line, "  ") {
					continue
				}
				examples++
				if _, err := parser().Parse(strings.Fields(command)); err != nil {
					t.Errorf("%s: %q: %v", node.FullPath(), command, err)
				}
			}
		case *kong.Flag:
			if !node.IsBool() && node.PlaceHolder == "" {
				t.Errorf("--%s does not say what it takes", node.Name)
			}
		}
		return next(nil)
	}
	if err := kong.Visit(parser().Model, visit); err != nil {
		t.Fatal(err)
	}
	if examples < 15 {
		t.Errorf("only %d examples are looked at", examples)
	}
}
