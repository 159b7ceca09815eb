//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/failwell/failwell/internal/servers"
)

// TestPostgresMidTransaction: the server is killed while the outcome of a call
// is being committed. Nobody is told an outcome that is not the final one, and
// the work is not done again.
func TestPostgresMidTransaction(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{})
	g, service, key := behind(t, server.URL())
	gate := make(chan struct{})
	service.gate.Store(&gate)
	first := make(chan *reply, 1)
	go func() {
		r, _ := ask(t.Context(), "POST", g.url+"/v1/reject/1", key, `{"n":1}`, "Content-Type", "application/json", "Idempotency-Key", "k")
		first <- r
	}()
	await(t, 10*time.Second, "the call", func() bool { return service.done.Load() == 1 })
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	locker, watcher := connect(), connect()
	tx, err := locker.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table string
	err = tx.QueryRow(t.Context(), `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE tablename = 'records'`).Scan(&table)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE "+table+" IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	close(gate)
	await(t, 10*time.Second, "the commit to hang", func() bool {
		var waiting int
		if err := watcher.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		return waiting > 0
	})
	if err := server.Kill9(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var last *reply
	await(t, 20*time.Second, "a final outcome", func() bool {
		last = write(t, g, key, "k")
		return last.status != 503 && (last.status != 409 || last.header.Get("Retry-After") == "")
	})
	if r := <-first; r != nil && r.status < 300 && r.body != last.body {
		t.Errorf("the first caller was told %v, the next one %v", r, last)
	}
	if last.status != 201 && last.status != 409 {
		t.Errorf("the outcome is %v", last)
	}
	if again := write(t, g, key, "k"); again.status != last.status || last.status == 201 && again.body != last.body {
		t.Errorf("the outcome is %v, and then %v", last, again)
	}
	if n := service.done.Load(); n != 1 {
		t.Errorf("the work was done %d times", n)
	}
}
