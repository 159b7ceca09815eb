package servers_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
)

func do(t *testing.T, r *servers.RedisServer, args ...string) string {
	t.Helper()
	answer, err := r.Do(args...)
	if err != nil {
		t.Fatalf("%s: %v", args, err)
	}
	return answer
}

// What an append-only file that is synced always has taken survives a kill.
func TestRedisLives(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{AOF: "always", Password: "secret", Config: []string{"databases 3"}})
	if !strings.HasPrefix(r.URL(), "redis://:secret@127.0.0.1:") || do(t, r, "CONFIG", "GET", "databases") != "databases\n3" {
		t.Errorf("%s, %s", r.URL(), do(t, r, "CONFIG", "GET", "databases"))
	}
	do(t, r, "SET", "k", "v")
	addr := r.Addr()
	for _, again := range []func() error{
		r.Restart,
		func() error { return errors.Join(r.Kill9(), r.Start()) },
	} {
		if err := again(); err != nil {
			t.Fatal(err)
		}
		if got := do(t, r, "GET", "k"); got != "v" || r.Addr() != addr {
			t.Errorf("%q at %s; want v at %s", got, r.Addr(), addr)
		}
	}
	if _, err := r.Do("NONSENSE"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("nonsense: %v", err)
	}
	if conn, err := net.Dial("unix", r.Socket()); err != nil {
		t.Error(err)
	} else if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestRedisPauses(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 7)
	if err := conn.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(answer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused server says %q, %v", answer, err)
	}
	if err := errors.Join(r.Resume(), conn.SetDeadline(time.Now().Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("a resumed server says %q, %v", answer, err)
	}
}

func TestRedisLeavesNothing(t *testing.T) {
	t.Parallel()
	r, err := servers.NewRedis(servers.RedisOptions{AOF: "everysec"})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Pause(), r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
	if _, err := net.Dial("tcp", r.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("its port: %v", err)
	}
	if err := r.Pause(); err == nil {
		t.Error("a server that has ended was paused")
	}
}

func TestRedisFailsToStart(t *testing.T) {
	t.Parallel()
	r, err := servers.NewRedis(servers.RedisOptions{Config: []string{"no-such-setting 1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := servers.Cluster(t, 3, servers.RedisOptions{AOF: "always"})
	if strings.Count(c.URL(), ",127.0.0.1:") != 2 {
		t.Error(c.URL())
	}
	served := 0
	for _, node := range c.Nodes {
		if _, err := node.Do("SET", "k", "v"); err == nil {
			served++
		} else if !strings.Contains(err.Error(), "MOVED") {
			t.Error(err)
		}
	}
	if served != 1 {
		t.Errorf("%d nodes serve one key", served)
	}
	if err := errors.Join(c.Nodes[1].Kill9(), c.Nodes[1].Start(), c.Await()); err != nil {
		t.Error(err)
	}
}
