package pebblestore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// refused opens dir, which must fail for the given reason, with a message that
// names the directory and every given word.
func refused(t *testing.T, dir string, kind error, words ...string) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err == nil {
		t.Errorf("%s was opened", dir)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	var refusal *OpenError
	if !errors.As(err, &refusal) || (kind != nil && !errors.Is(err, kind)) {
		t.Fatalf("%v; want an OpenError for %v", err, kind)
	}
	for _, word := range append(words, dir, refusal.Hint) {
		if word == "" || !strings.Contains(err.Error(), word) {
			t.Errorf("%q is missing in: %v", word, err)
		}
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "thesis.tex"), "years of work")
	refused(t, dir, ErrNotStore, "thesis.tex", "--store pebble:DIR")
	if got := listing(t, dir); got != "thesis.tex" {
		t.Errorf("the directory now holds %s", got)
	}
	refused(t, filepath.Join(dir, "thesis.tex"), nil, "not a directory")
	refused(t, filepath.Join(dir, "thesis.tex", "below"), nil, "directory")
}

func TestRefusesOtherFormats(t *testing.T) {
	t.Parallel()
	for content, kind := range map[string]error{
		markerPrefix + "2\n":   ErrNewerFormat,
		markerPrefix + "117\n": ErrNewerFormat,
		markerPrefix + "0\n":   ErrCorrupt,
		markerPrefix + "\n":    ErrCorrupt,
		"":                     ErrCorrupt,
		"something else":       ErrCorrupt,
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, markerName), content)
		refused(t, dir, kind)
		if got := listing(t, dir); got != markerName {
			t.Errorf("the directory now holds %s", got)
		}
	}
}

func TestRefusesWhatIsInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		refused(t, dir, ErrLocked, "this process")
		s, err := Open(link, Options{})
		if !errors.Is(err, ErrLocked) {
			t.Fatalf("by another name: %v", err)
		}
		if s != nil {
			t.Fatal("a store with an error")
		}
	}
	if _, err := s.Swap(t.Context(), "k", 0, nil, 0); err != nil {
		t.Fatalf("the store itself goes on: %v", err)
	}
	probe := exec.CommandContext(t.Context(), os.Args[0])
	probe.Env = append(os.Environ(), probeDir+"="+dir)
	if out, err := probe.CombinedOutput(); err != nil || !strings.Contains(string(out), fmt.Sprintf("process %d", os.Getpid())) {
		t.Fatalf("another process says %v: %s", err, out)
	}
}

func TestRefusesWhatAnotherProcessUses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		refused(t, dir, ErrLocked, fmt.Sprintf("process %d", child.Process.Pid), "--store pebble:DIR")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("once the process is gone: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
