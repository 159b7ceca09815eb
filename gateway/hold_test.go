package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
)

// TestManyIdleConnections keeps 10,000 connections open, half of them in the
// middle of a head: others are served as ever, memory stays bounded per
// connection, and the unfinished heads end in time.
func TestManyIdleConnections(t *testing.T) {
	const wanted = 10_000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n := min(wanted, int(min(files.Cur, 1<<20))-500)
	if n < 200 {
		t.Fatalf("only %d files may be open, ulimit -n 1024 or more is needed", files.Cur)
	}
	if n < wanted {
		t.Logf("%d connections: no more files may be open", n)
	}
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	g := start(t, gateway.Settings{Upstreams: []string{up}, HeaderTimeout: 8 * time.Second})
	g.get("/")
	before := inUse()

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "FAILWELL_TEST_HOLD="+g.Addr(), "FAILWELL_TEST_HOLD_COUNT="+strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	for range 20 {
		if resp, body := g.get("/"); resp.StatusCode != 200 || body != "fine" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
	if each := (inUse() - before) / n; each > 32<<10 {
		t.Errorf("%d bytes for each of %d connections", each, n)
	}
	// The first that began a request is told that it took too long.
	answer, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 408 ") {
		t.Errorf("got %q, %v", answer, err)
	}
}

// inUse is memory in use, of heap and stacks, after what is gone was collected.
func inUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// holdConnections makes this process the one that keeps many connections open
// to a gateway in another, since both ends do not fit into one process's files.
// It reports whether that is what the process is for.
func holdConnections() bool {
	address := os.Getenv("FAILWELL_TEST_HOLD")
	if address == "" {
		return false
	}
	if err := hold(address, os.Getenv("FAILWELL_TEST_HOLD_COUNT")); err != nil {
		fmt.Fprintln(os.Stdout, "failed:", err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}

func hold(address, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", address); err != nil {
			return err
		}
		if i%2 == 1 { // half of them have begun a request
			if _, err := io.WriteString(conns[i], "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(os.Stdout, "ready")
	first, err := bufio.NewReader(conns[1]).ReadString('\n')
	fmt.Fprintln(os.Stdout, first)
	return err
}
