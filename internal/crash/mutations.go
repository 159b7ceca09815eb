//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tries is how many seeds a mutation is looked for with. What the machine makes
// of a seed differs, so one may pass a mistake by.
const tries = 3

// runMutations breaks the product in one way after the other. Its error names
// the mistakes that no campaign has noticed.
func runMutations(ctx context.Context, o options, stores []string, out io.Writer) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "crash-mutation-")
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	o.binary, o.log = filepath.Join(dir, "failwell"), nil
	var missed []error
	for _, m := range mutations {
		if err := m.build(ctx, root, dir, o.binary); err != nil {
			return err
		}
		for _, store := range stores {
			if !slices.Contains(m.stores, store) {
				continue
			}
			o.store = store
			said, err := m.hunt(ctx, o)
			if err != nil {
				return err
			}
			if said == "" {
				said = "NOT NOTICED"
				missed = append(missed, fmt.Errorf("%s was not noticed on %s", m.what, store))
			}
			if _, err := fmt.Fprintf(out, "%s, %s: %s\n", m.what, store, said); err != nil {
				return fmt.Errorf("crash: %w", err)
			}
		}
	}
	return errors.Join(missed...)
}

// hunt runs campaigns until one notices, and returns the first violation.
func (m *mutation) hunt(ctx context.Context, o options) (string, error) {
	for range tries {
		r, err := run(ctx, o)
		if err != nil {
			return "", fmt.Errorf("%s: %w", m.what, err)
		}
		if n := len(r.violations); n > 0 {
			return fmt.Sprintf("%d violations with seed %d, such as: %s", n, o.seed, r.violations[0]), nil
		}
		o.seed++
	}
	return "", nil
}

// build makes the broken binary without touching the tree.
func (m *mutation) build(ctx context.Context, root, dir, binary string) error {
	file := filepath.Join(root, m.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	if n := bytes.Count(text, []byte(m.old)); n != 1 {
		return fmt.Errorf("crash: mutation %q: what it breaks stands %d times in %s, bring it up to date", m.what, n, m.file)
	}
	mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(mutant, bytes.Replace(text, []byte(m.old), []byte(m.broken), 1), 0o600); err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: mutant}})
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	return build(ctx, binary, "-overlay", overlay)
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/failwell/failwell").Output()
	if err != nil {
		return "", fmt.Errorf("crash: go list: %w, run this inside of the module", err)
	}
	return strings.TrimSpace(string(out)), nil
}
