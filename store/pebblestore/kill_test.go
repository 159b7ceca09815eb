package pebblestore

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/failwell/failwell/store"
)

// report is the last that a killed writer said of a key.
type report struct {
	what    string
	version store.Version
}

type reports struct {
	of      map[string]report
	highest store.Version
}

// A writer is killed at a random moment, again and again on one directory:
// what it reported must be there afterwards, and no version come back.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said := &reports{of: make(map[string]report)}
	for range 6 {
		said.runAndKill(t, dir, 20+rand.IntN(3000))
		said.check(t, dir)
	}
}

func (r *reports) runAndKill(t *testing.T, dir string, lines int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	before := r.highest
	in := bufio.NewReader(stdout)
	for n := 1; ; n++ {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var what, key string
		var version store.Version
		if _, err := fmt.Sscan(line, &what, &key, &version); err != nil {
			t.Fatalf("the writer says %q: %v", line, err)
		}
		if what == "set" && version <= before {
			t.Fatalf("%s has version %d; %d was given out before the restart", key, version, before)
		}
		r.of[key] = report{what, version}
		r.highest = max(r.highest, version)
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the writer was not killed: %v", err)
	}
}

func (r *reports) check(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for key, said := range r.of {
		var there store.Version
		got, err := s.Get(t.Context(), key)
		if err == nil {
			there = got.Version
		} else if !errors.Is(err, store.ErrAbsent) {
			t.Fatal(err)
		}
		// What came after the last report may have happened or not.
		if (said.what == "set" && there < said.version) ||
			(said.what == "deleting" && there != 0 && there < said.version) ||
			(said.what == "deleted" && there != 0 && there <= said.version) {
			t.Fatalf("%s: %q at version %d was reported, version %d is there", key, said.what, said.version, there)
		}
	}
	v, err := s.Swap(t.Context(), "fresh", 0, nil, 0)
	if err != nil || v <= r.highest {
		t.Fatalf("after a restart: version %d, %v; %d was reported", v, err, r.highest)
	}
	r.highest = v
	if err := errors.Join(s.Delete(t.Context(), "fresh", v), s.Close()); err != nil {
		t.Fatal(err)
	}
}
