//go:build unix

package pgstore

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/failwell/failwell/store"
)

func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), shared.Get(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return conn
}

// Eight processes that start at once on an empty database find or make one schema.
func TestConcurrentStarts(t *testing.T) {
	t.Parallel()
	url, schema := shared.Get(t).URL("schema", freshSchema()), ""
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), url, Options{MaxConns: 2})
			if err != nil {
				t.Errorf("start %d: %v", i, err)
				return
			}
			if _, err := s.Swap(t.Context(), "k", 0, nil, 0); err != nil && !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
			if i == 0 {
				schema = s.opts.Schema
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var steps int
	if err := connect(t).QueryRow(t.Context(), "SELECT count(*) FROM "+quote(schema, "migrations")).Scan(&steps); err != nil || steps != 1 {
		t.Fatalf("%d steps were noted, %v", steps, err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	url, schema := shared.Get(t).URL(), freshSchema()
	mustOpen(t, url, Options{Schema: schema})
	if _, err := connect(t).Exec(t.Context(), "INSERT INTO "+quote(schema, "migrations")+" (number) VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), url, Options{Schema: schema})
	if !errors.Is(err, ErrNewerSchema) || !strings.Contains(err.Error(), "run the newer failwell") {
		t.Fatalf("%v", err)
	}
}

// A step that fails takes what came before it in the same start along.
func TestMigrationFailsHalfway(t *testing.T) {
	t.Parallel()
	conn, schema := connect(t), freshSchema()
	good, err := migrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	bad := []migration{good[0], {2, "CREATE TABLE half (n int); SELECT 1/0; CREATE TABLE other (n int)"}}
	if err := migrate(t.Context(), conn, schema, bad); err == nil || !strings.Contains(err.Error(), "step 2") {
		t.Fatalf("%v", err)
	}
	var there bool
	if err := conn.QueryRow(t.Context(), "SELECT to_regnamespace($1) IS NOT NULL", quote(schema)).Scan(&there); err != nil || there {
		t.Fatalf("the schema is there: %t, %v", there, err)
	}
	if err := migrate(t.Context(), conn, schema, good[:1]); err != nil {
		t.Fatal(err)
	}
	// The next version's start fails; this version still runs.
	if err := migrate(t.Context(), conn, schema, bad); err == nil {
		t.Fatal("a step that fails went through")
	}
	if err := migrate(t.Context(), conn, schema, good[:1]); err != nil {
		t.Fatal(err)
	}
}

func TestMigrationNumbers(t *testing.T) {
	t.Parallel()
	file := &fstest.MapFile{Data: []byte("SELECT 1")}
	for name, files := range map[string]fstest.MapFS{
		"gap":       {"migrations/0001_a.sql": file, "migrations/0003_b.sql": file},
		"twice":     {"migrations/0001_a.sql": file, "migrations/0001_b.sql": file},
		"no number": {"migrations/first.sql": file},
	} {
		if steps, err := migrations(files); err == nil {
			t.Errorf("%s: %v", name, steps)
		}
	}
}

// A user that may not create anything can use what an administrator has made.
func TestFewRights(t *testing.T) {
	t.Parallel()
	server, schema := shared.Get(t), freshSchema()
	admin, role := connect(t), strings.Replace(schema, "test ", "limited", 1)
	for _, sql := range []string{
		"CREATE ROLE " + role + " LOGIN PASSWORD 'limited'", "REVOKE CREATE ON DATABASE postgres FROM PUBLIC",
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	url := strings.Replace(server.URL(), "failwell:not-a-secret-57@", role+":limited@", 1)
	_, err := Open(t.Context(), url, Options{Schema: schema})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "lacks a right") {
		t.Fatalf("without any right: %v", err)
	}
	mustOpen(t, server.URL(), Options{Schema: schema})
	for _, sql := range []string{
		"GRANT USAGE ON SCHEMA " + quote(schema) + " TO " + role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + quote(schema) + " TO " + role,
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA " + quote(schema) + " TO " + role,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, url, Options{Schema: schema})
	if _, err := s.Swap(t.Context(), "k", 0, nil, 0); err != nil {
		t.Fatal(err)
	}
	promises, err := s.Check(t.Context())
	if err != nil || len(promises) == 0 {
		t.Fatalf("check with few rights: %v, %v", promises, err)
	}
}
