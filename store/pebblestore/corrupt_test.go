package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/store"
)

// filled makes a store of n records, the first half in tables, the rest in the
// log, and returns a copy of its directory as a crash would leave it.
func filled(t *testing.T, n int) string {
	t.Helper()
	dir, crashed := t.TempDir(), t.TempDir()
	s, err := Open(dir, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 400)
	for i := range n {
		if i == n/2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = Open(dir, Options{}); err != nil {
				t.Fatal(err)
			}
		}
		for j := range value {
			value[j] = byte(rand.Uint32())
		}
		if _, err := s.Swap(t.Context(), fmt.Sprintf("k%05d", i), 0, value, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return crashed
}

// vital are the kinds of files that hold what must not be lost.
func vital(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.sst", "*.log", "MANIFEST-*", markerName} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s among %s", pattern, listing(t, dir))
		}
		if pattern == "MANIFEST-*" {
			found = found[len(found)-1:] // an older one is kept, nothing depends on it
		}
		names = append(names, found...)
	}
	return names
}

func TestRefusesDamage(t *testing.T) {
	t.Parallel()
	whole := filled(t, 1000)
	for _, name := range vital(t, whole) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		written := len(bytes.TrimRight(content, "\x00"))
		if written == 0 {
			continue // preallocated
		}
		damages := map[string]func() []byte{
			"overwritten": func() []byte {
				at := rand.IntN(written/2 + 1)
				return append(append(bytes.Clone(content[:at]), "not what it was"...), content[min(at+15, len(content)):]...)
			},
		}
		if !strings.HasSuffix(name, ".log") {
			// A log that ends early is what a crash leaves.
			damages["emptied"] = func() []byte { return nil }
			damages["zeroed"] = func() []byte { return make([]byte, len(content)) }
		}
		if strings.HasSuffix(name, ".sst") {
			damages["cut short"] = func() []byte { return content[:len(content)/2] }
		}
		for what, damage := range damages {
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			damaged := filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(damaged, damage(), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run(filepath.Base(name)+" "+what, func(t *testing.T) {
				refused(t, dir, ErrCorrupt, "restore", "backup")
				refused(t, dir, ErrCorrupt)
			})
		}
	}
}

func TestRefusesMissingTables(t *testing.T) {
	t.Parallel()
	dir := filled(t, 100)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(err, listing(t, dir))
	}
	if err := os.Remove(tables[0]); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, ErrCorrupt, "restore", "backup")
}

// Damage in a store too large to be read at start shows in Verify and in the
// reads that meet it, and the rest of the store goes on.
func TestDamageInALargeStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	const size = 1000
	const n = 3 * verifyBytes / 2 / size
	random, value := rand.NewChaCha8([32]byte{1}), make([]byte, size)
	for i := range n {
		if _, err := random.Read(value); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Swap(t.Context(), fmt.Sprintf("k%05d", i), 0, value, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Verify(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(err, listing(t, dir))
	}
	content, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	copy(content[len(content)/3:], "not what it was")
	writeFile(t, tables[0], string(content))
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for i := range n {
		_, err := s.Get(t.Context(), fmt.Sprintf("k%05d", i))
		if err == nil {
			continue
		}
		damaged++
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, ErrCorrupt) {
			t.Fatalf("read of a damaged record: %v", err)
		}
	}
	if damaged == 0 || damaged > 20 {
		t.Errorf("%d records are damaged by one spot", damaged)
	}
	if err := s.Verify(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("verify: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
