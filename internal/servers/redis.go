package servers

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// RedisOptions say how a Redis server is set up. The zero value is one that
// keeps nothing on disk.
type RedisOptions struct {
	// AOF is Optional: the appendfsync of its append-only file, "always",
	// "everysec" or "no"; "" means that there is none.
	AOF string
	// Password is Optional: what the default user needs.
	Password string
	// Config is Optional: lines of redis.conf, for example "maxmemory 4mb".
	Config []string
	// Cluster is Optional: it runs as a node of a cluster, for now of none.
	Cluster bool
}

// RedisServer is a redis-server process. Its port, its socket and its folder
// stay the same over restarts. Methods may be called from any goroutine.
type RedisServer struct {
	process
	opts    RedisOptions
	dir     string
	port    int
	busPort int
}

// Redis starts a server that ends with the test. It fails the test if there is
// no redis-server.
func Redis(t testing.TB, opts RedisOptions) *RedisServer {
	t.Helper()
	r, err := NewRedis(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// NewRedis starts a server for whoever has no test; Close ends it.
func NewRedis(opts RedisOptions) (*RedisServer, error) {
	program, err := find("redis-server", "/usr/local/bin", "/usr/sbin")
	if err != nil {
		return nil, err
	}
	// Not the test's own folder: the path of a socket has at most 104 bytes.
	dir, err := os.MkdirTemp("", "redis-")
	if err != nil {
		return nil, fmt.Errorf("servers: %w", err)
	}
	r := &RedisServer{opts: opts, dir: dir}
	r.logFile = filepath.Join(dir, "log")
	r.command = func() *exec.Cmd {
		cmd := exec.Command(program, filepath.Join(dir, "redis.conf")) //nolint:noctx // it outlives every call
		cmd.Dir = dir
		return cmd
	}
	// A port may be taken between the look and the start: then the server ends
	// at once, and the next one is tried.
	for range 5 {
		if err = r.choosePorts(); err != nil {
			break
		}
		if err = r.Start(); err == nil {
			return r, nil
		}
	}
	return nil, errors.Join(err, r.Close())
}

func (r *RedisServer) choosePorts() error {
	var err error
	if r.port, err = freePort(); err != nil {
		return err
	}
	if r.busPort, err = freePort(); err != nil {
		return err
	}
	lines := []string{
		"bind 127.0.0.1", "port " + strconv.Itoa(r.port), "unixsocket " + r.Socket(),
		"daemonize no", `save ""`, "dir " + r.dir, "loglevel notice",
	}
	if r.opts.AOF != "" {
		lines = append(lines, "appendonly yes", "appendfsync "+r.opts.AOF)
	}
	if r.opts.Password != "" {
		lines = append(lines, "requirepass "+r.opts.Password, "masterauth "+r.opts.Password)
	}
	if r.opts.Cluster {
		lines = append(lines, "cluster-enabled yes", "cluster-node-timeout 2000", "cluster-port "+strconv.Itoa(r.busPort))
	}
	lines = append(append(lines, r.opts.Config...), "")
	if err := os.WriteFile(filepath.Join(r.dir, "redis.conf"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	return nil
}

// Addr is where it listens, host and port.
func (r *RedisServer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// Socket is the path of its Unix socket.
func (r *RedisServer) Socket() string { return filepath.Join(r.dir, "socket") }

// Dir is its folder, in which the append-only file is.
func (r *RedisServer) Dir() string { return r.dir }

// URL is its address, with the password, for clients.
func (r *RedisServer) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Addr()}
	if r.opts.Password != "" {
		u.User = url.UserPassword("", r.opts.Password)
	}
	return u.String()
}

// Start starts it after Stop or Kill9 and returns when it answers.
func (r *RedisServer) Start() error {
	if err := r.start(); err != nil {
		return err
	}
	err := r.await(func() error {
		answer, err := r.Do("INFO", "server")
		if err != nil {
			return err
		}
		// Another server may have taken the port while this one was down.
		if !strings.Contains(answer, fmt.Sprintf("process_id:%d\r\n", r.pid())) {
			return errors.New("another server answers on its port")
		}
		if answer, err = r.Do("PING"); err != nil || answer != "PONG" {
			return fmt.Errorf("PING: %q, %w", answer, err)
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, r.Kill9())
	}
	return nil
}

// Stop has it shut down in order.
func (r *RedisServer) Stop() error { return r.end(stopSignal) }

// Kill9 ends it as a crash would: what it did not give to the system is lost.
func (r *RedisServer) Kill9() error { return r.end(killSignal) }

// Pause makes it hang: connections stay, nothing answers.
func (r *RedisServer) Pause() error { return r.signal(pauseSignal) }

// Resume ends a Pause.
func (r *RedisServer) Resume() error { return r.signal(resumeSignal) }

// Restart is Stop and Start.
func (r *RedisServer) Restart() error {
	if err := r.Stop(); err != nil {
		return err
	}
	return r.Start()
}

// Close ends it and removes its folder. It may be called more than once.
func (r *RedisServer) Close() error {
	return errors.Join(r.Kill9(), os.RemoveAll(r.dir))
}

// SharedRedis is one server for all tests of a binary. The zero value is ready;
// the first use starts it, and TestMain closes it.
type SharedRedis struct {
	// Options of the server. They may not change after the first use.
	Options RedisOptions

	once   sync.Once
	server *RedisServer
	err    error
}

// Get returns the server. It fails the test if it could not be started.
func (s *SharedRedis) Get(t testing.TB) *RedisServer {
	t.Helper()
	s.once.Do(func() { s.server, s.err = NewRedis(s.Options) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Close ends the server if there is one.
func (s *SharedRedis) Close() error {
	if s.server == nil {
		return nil
	}
	return s.server.Close()
}
