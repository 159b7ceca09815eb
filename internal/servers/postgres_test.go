//go:build unix

package servers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childServer, when set, makes the test binary start a server, say where, and
// wait to be killed.
const childServer = "FAILWELL_SERVERS_TEST_CHILD"

// answers reports whether a PostgreSQL server refuses a start-up packet that no
// version understands, in its own protocol.
func answers(t *testing.T, address string, within time.Duration) bool {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: within}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	// A length of 8 and the version 9.9.
	if _, err := conn.Write([]byte{0, 0, 0, 8, 0, 9, 0, 9}); err != nil {
		return false
	}
	first := make([]byte, 1)
	_, err = io.ReadFull(conn, first)
	return err == nil && first[0] == 'E'
}

func TestPostgresLife(t *testing.T) {
	p := Postgres(t, PostgresOptions{NoSync: true, Settings: map[string]string{"work_mem": "1MB"}})
	must := func(want bool, when string, within time.Duration) {
		t.Helper()
		if got := answers(t, p.Addr(), within); got != want {
			t.Fatalf("%s: answers %t; its log:\n%s", when, got, p.Log())
		}
	}
	do := func(step func() error) {
		t.Helper()
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	must(true, "started", time.Minute)
	first := p.pid()
	do(p.Pause)
	must(false, "paused", 200*time.Millisecond)
	do(p.Resume)
	must(true, "resumed", time.Minute)
	do(p.Restart)
	must(true, "restarted", time.Minute)
	if p.pid() == first {
		t.Fatal("it is the same process as before the restart")
	}
	do(p.Kill9)
	must(false, "killed", time.Second)
	do(p.Start)
	must(true, "started after a kill", time.Minute)
	if !strings.Contains(p.Log(), "database system was interrupted") {
		t.Fatalf("Kill9 let the server end in order:\n%s", p.Log())
	}
	do(p.Stop)
	must(false, "stopped", time.Second)
}

// A killed server, a paused one and a running one leave nothing behind when the
// test ends.
func TestPostgresLeavesNothing(t *testing.T) {
	var dirs []string
	var pids []int
	var segments []string
	t.Run("test", func(t *testing.T) {
		for _, end := range []func(*PostgresServer) error{
			func(*PostgresServer) error { return nil }, (*PostgresServer).Pause, (*PostgresServer).Kill9,
		} {
			p := Postgres(t, PostgresOptions{NoSync: true})
			backends, err := children(p.pid())
			if err != nil || len(backends) == 0 {
				t.Fatalf("processes of the server: %v, %v", backends, err)
			}
			dirs = append(dirs, p.dir)
			pids = append(append(pids, p.pid()), backends...)
			segments = append(segments, strings.Fields(p.pidFile()[6])[1])
			if err := end(p); err != nil {
				t.Fatal(err)
			}
		}
		if held := sharedMemory(t); !held[segments[0]] {
			t.Fatalf("the system's list %v has no segment %s", held, segments[0])
		}
	})
	for _, pid := range pids {
		if err := gone(pid); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
	held := sharedMemory(t)
	for _, id := range segments {
		if held[id] {
			t.Errorf("segment %s of shared memory is left", id)
		}
	}
}

// sharedMemory is the segments that the system has, by id.
func sharedMemory(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ipcs", "-m").Output()
	if err != nil {
		t.Fatal(err)
	}
	held := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			held[fields[1]] = true
		}
	}
	return held
}

// TestPostgresGuard kills a test process with a server: the server ends too.
func TestPostgresGuard(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestPostgresChild$")
	cmd.Env = append(os.Environ(), childServer+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	for in := bufio.NewScanner(out); pid == 0 && in.Scan(); {
		fmt.Sscanf(in.Text(), "server %d %s", &pid, &dir)
	}
	if pid == 0 {
		t.Fatalf("the child said nothing: %v", cmd.Wait())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if err := gone(pid); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is left", dir)
		}
	}
}

// TestPostgresChild is the process that TestPostgresGuard kills; run by itself
// it only looks for the programs.
func TestPostgresChild(t *testing.T) {
	if os.Getenv(childServer) == "" {
		if dir, err := postgresBinaries(); err != nil || !filepath.IsAbs(dir) {
			t.Fatalf("%q, %v", dir, err)
		}
		return
	}
	p := Postgres(t, PostgresOptions{NoSync: true})
	fmt.Fprintf(os.Stdout, "\nserver %d %s\n", p.pid(), p.dir)
	select {}
}

// A folder that only root may enter is no place for a server of another user.
func TestFolderIsReachable(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", closed)
	dir, err := (&account{name: "self", uid: uint32(os.Getuid()), gid: uint32(os.Getgid())}).folder("failwell-servers-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	if strings.HasPrefix(dir, closed) {
		t.Fatalf("%s cannot be entered by others", dir)
	}
}
