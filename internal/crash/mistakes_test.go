//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestMutationsFit: what the mutations break is still there.
func TestMutationsFit(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		text, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte(m.old)); n != 1 {
			t.Errorf("mistakes.go: %q: what it breaks stands %d times in %s, bring it up to date", m.what, n, m.file)
		}
	}
}
