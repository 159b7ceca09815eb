//go:build unix

package pgstore

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
)

// refused opens and wants an error with the words, and without the password.
func refused(t *testing.T, url string, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := Open(ctx, url, Options{})
	if err == nil {
		t.Fatalf("opened; want %q", errors.Join(err, s.Close()))
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v; want the words %q", err, word)
		}
	}
	if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "\n") {
		t.Errorf("the error holds the password, or several lines: %q", text)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := shared.Get(t)
	web := serve(t, func(c net.Conn) {
		c.Read(make([]byte, 8))
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	})
	for name, c := range map[string]struct {
		url   string
		words []string
	}{
		"wrong password": {strings.Replace(server.URL(), "not-a-secret-57", "other-secret", 1), []string{server.Addr(), "refuses user or password", "in the URL"}},
		"no database":    {strings.Replace(server.URL(), "/postgres", "/nobody", 1), []string{"/nobody", "does not exist", "createdb"}},
		"nobody there":   {"postgres://u:secret@127.0.0.1:1/db", []string{"127.0.0.1:1", "nobody listens", "start the server"}},
		"unknown host":   {"postgres://u:secret@nowhere.invalid/db", []string{`"nowhere.invalid"`, "cannot be resolved"}},
		"a web server":   {"postgres://u:secret@" + web + "/db", []string{"does not speak PostgreSQL"}},
		"closes at once": {"postgres://u:secret@" + serve(t, func(c net.Conn) { c.Close() }) + "/db", []string{"closed", "no PostgreSQL"}},
		"says nothing": {
			"postgres://u:secret@" + serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }) + "/db?connect_timeout=1&sslmode=disable",
			[]string{"does not answer in time", "hangs"},
		},
		"no encryption":    {server.URL("sslmode", "require"), []string{"sslmode"}},
		"another scheme":   {"mysql://u:secret@h/db", []string{"postgres://"}},
		"no URL":           {"secret", []string{"postgres://"}},
		"bad password":     {"postgres://u:sec/ret:secret@h/db", []string{"%XX"}},
		"bad escape":       {"postgres://u:secret%zz@h/db", []string{"%XX"}},
		"bad port":         {"postgres://u:secret@h:port/db", []string{"cannot be read"}},
		"bad parameter":    {"postgres://u:secret@h/db?pool_max_conns=many", []string{"cannot be read"}},
		"schema too long":  {"postgres://u:secret@h/db?schema=" + strings.Repeat("x", 64), []string{"64 bytes", "63"}},
		"bad query":        {"postgres://u:secret@h/db?schema=%zz", []string{"cannot be read"}},
		"unknown setting":  {server.URL("no_such_setting", "1"), []string{"no_such_setting"}},
		"unknown sslmode":  {"postgres://u:secret@h/db?sslmode=maybe", []string{"cannot be read"}},
		"only a read-only": {server.URL("default_transaction_read_only", "on"), []string{"takes no writes", "name all servers"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, c.url, c.words...)
		})
	}
}

// serve accepts connections and does with each what it is told.
func serve(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				do(c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestNoConnectionLeft(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{NoSync: true, Settings: map[string]string{
		"max_connections": "5", "superuser_reserved_connections": "0", "max_wal_senders": "0", "wal_level": "minimal",
	}})
	s := mustOpen(t, server.URL(), Options{MaxConns: 5})
	conns := s.pool.AcquireAllIdle(t.Context())
	for len(conns) < 5 {
		conn, err := s.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	refused(t, server.URL(), "no connection left", "pool_max_conns")
	for _, conn := range conns {
		conn.Release()
	}
	promises, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	broken(t, promises, "there are connections for every process", "what is written is on disk")
}

// The server's own limits end a call with an error that names them.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL("statement_timeout", "50"), Options{Schema: freshSchema()})
	other := mustOpen(t, shared.Get(t).URL(), Options{Schema: s.opts.Schema})
	held(t, other, "k", func() {
		_, err := s.Swap(t.Context(), "k", 0, nil, 0)
		var known *Error
		if !errors.Is(err, store.ErrUnavailable) || !errors.As(err, &known) || !strings.Contains(err.Error(), "statement_timeout") {
			t.Fatalf("%v", err)
		}
	})
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrAbsent) {
		t.Fatalf("after a cancelled statement: %v", err)
	}
}

// Tables that somebody dropped are an outage, not absent records.
func TestTablesGone(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema()})
	if _, err := connect(t).Exec(t.Context(), "DROP SCHEMA "+quote(s.opts.Schema)+" CASCADE"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), "k")
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrAbsent) || !strings.Contains(err.Error(), "backup") {
		t.Fatalf("%v", err)
	}
}
