//go:build unix

package pgstore

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

// The server is killed before each opening, but in the random histories, which
// would take minutes.
func TestDurable(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{})
	storetest.RunDurable(t, func(t *testing.T, clock func() time.Time) func() store.Store {
		t.Helper()
		url, before := server.URL(), func() error { return errors.Join(server.Kill9(), server.Start()) }
		if strings.HasSuffix(t.Name(), "/model") {
			url, before = shared.Get(t).URL(), func() error { return nil }
		}
		schema := emptied(t, url)
		return func() store.Store {
			if err := before(); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, url, Options{Clock: clock, Schema: schema, MaxConns: 4})
		}
	})
}

// report is the last that a killed writer said of a key.
type report struct {
	what    string
	version store.Version
}

type reports struct {
	of      map[string]report
	highest store.Version
}

// A writer and its server are killed in turn at random moments, again and again
// on one database: what was reported must be there afterwards, and no version
// come back.
func TestKill(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{})
	said := &reports{of: make(map[string]report)}
	for round := range 6 {
		said.runAndKill(t, server, round%2 == 0, 20+rand.IntN(1500))
		if err := errors.Join(server.Kill9(), server.Start()); err != nil {
			t.Fatal(err)
		}
		said.check(t, server.URL())
	}
}

func (r *reports) runAndKill(t *testing.T, server *servers.PostgresServer, killServer bool, lines int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+server.URL())
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
		// Versions are of one sequence, so the greatest report of a key is its last,
		// whatever order two writers' lines come in.
		r.of[key] = report{what, version}
		r.highest = max(r.highest, version)
		if n == lines {
			kill := cmd.Process.Kill
			if killServer {
				kill = server.Kill9
			}
			if err := kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
}

func (r *reports) check(t *testing.T, url string) {
	t.Helper()
	s := mustOpen(t, url, Options{})
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
	if len(r.of) < 20 {
		t.Fatalf("the writers reported on %d keys only", len(r.of))
	}
}
