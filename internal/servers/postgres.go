//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The one user of a server that Postgres starts, and its database.
const (
	PostgresUser     = "failwell"
	PostgresPassword = "not-a-secret-57"
	PostgresDatabase = "postgres"
)

// PostgresOptions say how a PostgreSQL server is set up. The zero value is one
// as a distribution sets it up, with less memory.
type PostgresOptions struct {
	// NoSync is Optional: fsync off. What was committed still survives the death of
	// the server's processes, not a power cut.
	NoSync bool
	// Settings are Optional: names and values of postgresql.conf.
	Settings map[string]string
}

// PostgresServer is a PostgreSQL server. Its port and its folder stay the same
// over restarts. Methods that change whether it runs may not run at once.
type PostgresServer struct {
	process
	binaries string
	user     *account
	dir      string
	port     int
	killed   bool // nobody has freed the shared memory
	unguard  func()
}

// Postgres starts a server that ends with the test. It fails the test if there
// is no PostgreSQL.
func Postgres(t testing.TB, opts PostgresOptions) *PostgresServer {
	t.Helper()
	p, err := NewPostgres(opts)
	return owned(t, p, err)
}

func owned(t testing.TB, p *PostgresServer, err error) *PostgresServer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// NewPostgres starts a server for whoever has no test; Close ends it.
func NewPostgres(opts PostgresOptions) (*PostgresServer, error) {
	fsync := "on"
	if opts.NoSync {
		fsync = "off"
	}
	return startPostgres(func(p *PostgresServer) error {
		template, err := postgresTemplate.in(p)
		if err != nil {
			return err
		}
		if err := copyTree(template, p.Data(), p.user); err != nil {
			return err
		}
		return errors.Join(p.write(map[string]string{
			"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": fsync,
			"shared_buffers": "16MB", "huge_pages": "off", "max_wal_size": "64MB",
			// In files of the cluster, so that nothing stays in /dev/shm.
			"dynamic_shared_memory_type": "mmap",
		}), p.write(opts.Settings))
	})
}

// startPostgres makes a server of the data folder that fill makes.
func startPostgres(fill func(*PostgresServer) error) (_ *PostgresServer, err error) {
	p := &PostgresServer{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.binaries, err = postgresBinaries(); err != nil {
		return nil, err
	}
	if p.user, err = unprivileged("postgres", "nobody"); err != nil {
		return nil, err
	}
	if p.dir, err = p.user.folder("failwell-postgres-"); err != nil {
		return nil, err
	}
	if p.unguard, err = guard(p.dir); err != nil {
		return nil, err
	}
	p.logFile = filepath.Join(p.dir, "log")
	p.command = func() *exec.Cmd {
		return p.user.command(p.dir, filepath.Join(p.binaries, "postgres"), "-D", p.Data(), "-p", strconv.Itoa(p.port))
	}
	if err := fill(p); err != nil {
		return nil, err
	}
	// A port may be taken between the look and the start: then the server ends
	// at once, and the next one is tried.
	for range 5 {
		if p.port, err = freePort(); err != nil {
			break
		}
		if err = p.Start(); err == nil {
			return p, nil
		}
	}
	return nil, err
}

// postgresBinaries finds the folder of initdb and postgres, the newest of those
// that Debian keeps off the PATH.
func postgresBinaries() (string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	major := func(folder string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder))) // 0 comes last
		return n
	}
	slices.SortFunc(folders, func(a, b string) int { return major(b) - major(a) })
	initdb, err := find("initdb", folders...)
	if err != nil {
		return "", err
	}
	// A link on the PATH says nothing of where the other programs are.
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	return filepath.Dir(initdb), nil
}

// Data is the folder of its cluster.
func (p *PostgresServer) Data() string { return filepath.Join(p.dir, "data") }

// clusterTemplate is a cluster as initdb leaves it, made once for all servers of
// this process; it goes with the process.
type clusterTemplate struct {
	mu   sync.Mutex
	data string
	// unguard is never called: what it refers to is open as long as this process.
	unguard func()
}

//nolint:gochecknoglobals // a cache; initdb takes a second.
var postgresTemplate clusterTemplate

func (c *clusterTemplate) in(p *PostgresServer) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.data != "" {
		return c.data, nil
	}
	dir, err := p.user.folder("failwell-postgres-template-")
	if err != nil {
		return "", err
	}
	if c.unguard, err = guard(dir); err != nil {
		return "", err
	}
	verifier, err := verifierOf(PostgresPassword)
	if err != nil {
		return "", err
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(verifier+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	if err := p.user.own(password); err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	err = p.tool("initdb", "--pgdata", data, "--username", PostgresUser, "--pwfile", password, "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions", "--wal-segsize", "1")
	if err == nil {
		c.data = data
	}
	return data, err
}

// tool runs one of PostgreSQL's programs to its end, as the server's user.
func (p *PostgresServer) tool(name string, args ...string) error {
	cmd := p.user.command(p.dir, filepath.Join(p.binaries, name), args...)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+PostgresPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("servers: %s: %w: %s", name, err, out)
	}
	return nil
}

// write adds lines to the configuration; the last line of a name counts.
func (p *PostgresServer) write(settings map[string]string) error {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&lines, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	f, err := os.OpenFile(filepath.Join(p.Data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	_, err = f.WriteString(lines.String())
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	return nil
}

// Set changes settings and has the server read them, which takes effect a
// moment later; those that need a restart wait for one.
func (p *PostgresServer) Set(settings map[string]string) error {
	return errors.Join(p.write(settings), p.signal(syscall.SIGHUP))
}

// Start starts it after Stop or Kill9 and returns when it accepts connections.
func (p *PostgresServer) Start() error {
	if err := p.start(); err != nil {
		return err
	}
	p.killed = false
	err := p.await(func() error {
		// What the server says of itself: its pid first, its state in line 8.
		lines := p.pidFile()
		if len(lines) < 8 || lines[0] != strconv.Itoa(p.pid()) || strings.TrimSpace(lines[7]) != "ready" {
			return errors.New("its postmaster.pid does not say ready")
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, p.Kill9())
	}
	return nil
}

func (p *PostgresServer) pidFile() []string {
	b, err := os.ReadFile(filepath.Join(p.Data(), "postmaster.pid"))
	if err != nil {
		return nil
	}
	return strings.Split(string(b), "\n")
}

// Stop has it shut down in order: sessions are cut off, all is on disk.
func (p *PostgresServer) Stop() error { return errors.Join(p.Resume(), p.end(syscall.SIGINT)) }

// Kill9 ends all of its processes at once, as a crash would.
func (p *PostgresServer) Kill9() error {
	pid := p.pid()
	if pid == 0 {
		return nil
	}
	// Stopped first, so that it starts no more of them.
	_ = p.signal(syscall.SIGSTOP)
	all, err := children(pid)
	for _, child := range all {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	p.killed = true
	err = errors.Join(err, p.end(syscall.SIGKILL))
	for _, child := range all {
		err = errors.Join(err, gone(child))
	}
	return err
}

// Pause makes it hang, all of its processes: connections stay, nothing answers.
func (p *PostgresServer) Pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return p.tellChildren(syscall.SIGSTOP)
}

// Resume ends a Pause.
func (p *PostgresServer) Resume() error {
	if p.pid() == 0 {
		return nil
	}
	return errors.Join(p.tellChildren(syscall.SIGCONT), p.signal(syscall.SIGCONT))
}

func (p *PostgresServer) tellChildren(sig syscall.Signal) error {
	all, err := children(p.pid())
	for _, child := range all {
		_ = syscall.Kill(child, sig) // it may have ended meanwhile
	}
	return err
}

// Restart is Stop and Start.
func (p *PostgresServer) Restart() error {
	if err := p.Stop(); err != nil {
		return err
	}
	return p.Start()
}

// Addr is where it listens, host and port.
func (p *PostgresServer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// URL is how to connect to it as its superuser. Query holds parameters, in pairs
// of name and value.
func (p *PostgresServer) URL(query ...string) string {
	return PostgresURL([]*PostgresServer{p}, query...)
}

// PostgresURL names several servers, of which a client takes one that suits.
func PostgresURL(servers []*PostgresServer, query ...string) string {
	hosts := make([]string, len(servers))
	for i, server := range servers {
		hosts[i] = server.Addr()
	}
	// It has no certificate; asking for one costs a connection each time.
	values := url.Values{"sslmode": {"disable"}}
	for pair := range slices.Chunk(query, 2) {
		values.Set(pair[0], pair[1])
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(PostgresUser, PostgresPassword),
		Host: strings.Join(hosts, ","), Path: "/" + PostgresDatabase, RawQuery: values.Encode(),
	}
	return u.String()
}

// Standby copies the running server and starts the copy as a standby called name
// that follows by streaming. It ends with the test.
func (p *PostgresServer) Standby(t testing.TB, name string) *PostgresServer {
	t.Helper()
	s, err := startPostgres(func(s *PostgresServer) error {
		err := s.tool("pg_basebackup", "--pgdata", s.Data(), "--host", "127.0.0.1", "--port", strconv.Itoa(p.port),
			"--username", PostgresUser, "--checkpoint", "fast", "--wal-method", "stream", "--write-recovery-conf", "--no-sync")
		if err != nil {
			return err
		}
		return s.write(map[string]string{"cluster_name": name, "synchronous_standby_names": ""})
	})
	return owned(t, s, err)
}

// Promote makes a standby a server that takes writes.
func (p *PostgresServer) Promote() error {
	return p.tool("pg_ctl", "promote", "--pgdata", p.Data(), "--wait", "--timeout", "60")
}

// Log is what the server has said.
func (p *PostgresServer) Log() string {
	b, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Close ends it and removes its folder. It may be called more than once.
func (p *PostgresServer) Close() error {
	if p.unguard == nil {
		return nil
	}
	// Immediate shutdown: it frees its shared memory, and writes nothing more.
	err := errors.Join(p.Resume(), p.end(syscall.SIGQUIT))
	if p.killed {
		err = errors.Join(err, freeSharedMemory(p.pidFile()))
	}
	err = errors.Join(err, os.RemoveAll(p.dir))
	p.unguard()
	p.unguard = nil
	return err
}

// freeSharedMemory removes the segment by which a killed server keeps a second
// one from its data; line 7 of postmaster.pid is its key and its id.
func freeSharedMemory(pidFile []string) error {
	if len(pidFile) < 7 {
		return nil
	}
	fields := strings.Fields(pidFile[6])
	if len(fields) != 2 {
		return nil
	}
	if out, err := exec.CommandContext(context.Background(), "ipcrm", "-m", fields[1]).CombinedOutput(); err != nil {
		return fmt.Errorf("servers: freeing shared memory: %w: %s", err, out)
	}
	return nil
}

// SharedPostgres is one server for all tests of a binary. The zero value is
// ready; the first use starts it, and TestMain closes it.
type SharedPostgres struct {
	// Options of the server. They may not change after the first use.
	Options PostgresOptions

	once   sync.Once
	server *PostgresServer
	err    error
}

// Get returns the server. It fails the test if it could not be started.
func (s *SharedPostgres) Get(t testing.TB) *PostgresServer {
	t.Helper()
	s.once.Do(func() { s.server, s.err = NewPostgres(s.Options) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Close ends the server if there is one.
func (s *SharedPostgres) Close() error {
	if s.server == nil {
		return nil
	}
	return s.server.Close()
}
