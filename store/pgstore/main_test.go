//go:build unix

package pgstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
)

// The test binary run with this set to a URL is a second process: a writer that
// its parent kills.
const childURL = "PGSTORE_TEST_CHILD"

// shared serves the tests that do not harm a server. What survives a kill does
// not hang on fsync, so it goes without.
var shared = servers.SharedPostgres{Options: servers.PostgresOptions{NoSync: true, Settings: map[string]string{"max_connections": "300"}}}

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(url))
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	// A connection that was cut off says goodbye beside, for up to 15 s.
	cut := goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgconn.(*PgConn).asyncClose.func1")
	if err := goleak.Find(cut); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var schemas atomic.Int64

// freshSchema names a schema that no other test uses.
func freshSchema() string { return fmt.Sprintf("test %d", schemas.Add(1)) }

// emptied names the one schema of a test whose stores come one after the other,
// without records: making its tables anew takes ten times as long.
func emptied(t *testing.T, url string) string {
	t.Helper()
	schema := t.Name()[max(0, len(t.Name())-maxIdentifier):]
	s := mustOpen(t, url, Options{Schema: schema, MaxConns: 1, CleanEvery: -1})
	if _, err := s.pool.Exec(t.Context(), "TRUNCATE "+quote(schema, "records")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return schema
}

func mustOpen(t testing.TB, url string, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// eventually polls for what a real server does beside, until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// writeUntilKilled has writers that each own their keys. What each reports, one
// write to the pipe per line, is true at that moment.
func writeUntilKilled(url string) error {
	s, err := Open(context.Background(), url, Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for writer := range 16 {
		go func() {
			for i := 0; ; i++ {
				if err := churnKey(s, fmt.Sprintf("%d-%d", writer, i%37), i); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// churnKey inserts, rewrites or deletes one key and reports it: "set" and
// "deleted" when that is durable, "deleting" before it begins.
func churnKey(s store.Store, key string, i int) error {
	ctx := context.Background()
	r, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, store.ErrAbsent) {
		return err
	}
	say := func(what string, v store.Version) error {
		_, err := fmt.Fprintln(os.Stdout, what, key, v)
		return err
	}
	if err == nil && i%5 == 0 {
		if err := say("deleting", r.Version); err != nil {
			return err
		}
		if err := s.Delete(ctx, key, r.Version); err != nil {
			return err
		}
		return say("deleted", r.Version)
	}
	v, err := s.Swap(ctx, key, r.Version, []byte(strings.Repeat("v", i%3000)), 0)
	if err != nil {
		return err
	}
	return say("set", v)
}
