package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema; its number stands in its file's name.
type migration struct {
	number int
	sql    string
}

// migrations reads the steps of the schema, in order and without a gap.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	steps := make([]migration, len(names))
	for i, name := range names {
		digits, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		number, err := strconv.Atoi(digits)
		if err != nil || number != i+1 {
			return nil, fmt.Errorf("%s does not have the number %d", name, i+1)
		}
		sql, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps[i] = migration{number: number, sql: string(sql)}
	}
	return steps, nil
}

// newerError says that the schema is of a later failwell.
type newerError struct{ schema, found, known string }

func (e *newerError) Error() string {
	return fmt.Sprintf("schema %q has version %s, this failwell knows up to %s", e.schema, e.found, e.known)
}

// migrate brings the schema to the last of the steps: all of it or nothing, one
// process at a time. It needs no right to create anything where nothing is to do.
func migrate(ctx context.Context, conn *pgx.Conn, schema string, steps []migration) error {
	last := steps[len(steps)-1].number
	at, err := schemaVersion(ctx, conn, schema)
	if err != nil {
		return err
	}
	if at < last {
		// The lock must come before the snapshot that shows what others have done.
		options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
		err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
			at, err = migrateLocked(ctx, tx, schema, steps)
			return err
		})
		if err != nil {
			return err
		}
	}
	if at > last {
		return &newerError{schema: schema, found: strconv.Itoa(at), known: strconv.Itoa(last)}
	}
	return nil
}

// schemaVersion is the number of the last step that was applied, 0 if there is
// no schema yet.
func schemaVersion(ctx context.Context, conn queryer, schema string) (int, error) {
	var at int
	err := conn.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM "+quote(schema, "migrations"), direct).Scan(&at)
	if known, ok := errors.AsType[*pgconn.PgError](err); ok && (known.Code == undefinedTable || known.Code == undefinedSchema) {
		return 0, nil
	}
	return at, err
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func migrateLocked(ctx context.Context, tx pgx.Tx, schema string, steps []migration) (int, error) {
	for _, setting := range []string{"statement_timeout", "lock_timeout"} {
		// Made for requests; another process may be at it for longer.
		if _, err := tx.Exec(ctx, "SET LOCAL "+setting+" = 0", direct); err != nil {
			return 0, err
		}
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", direct, "failwell migrations of "+schema); err != nil {
		return 0, err
	}
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", direct, quote(schema)).Scan(&exists); err != nil {
		return 0, err
	}
	create := "CREATE TABLE IF NOT EXISTS " + quote(schema, "migrations") +
		" (number int PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"
	if !exists {
		create = "CREATE SCHEMA " + quote(schema) + ";" + create
	}
	if err := script(ctx, tx, create+"; SET LOCAL search_path = "+quote(schema)); err != nil {
		return 0, err
	}
	at, err := schemaVersion(ctx, tx, schema)
	if err != nil {
		return 0, err
	}
	for _, step := range steps {
		if step.number <= at {
			continue
		}
		if err := script(ctx, tx, step.sql); err != nil {
			return 0, fmt.Errorf("step %d of the schema: %w", step.number, err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO migrations (number) VALUES ($1)", direct, step.number); err != nil {
			return 0, err
		}
		at = step.number
	}
	return at, nil
}

// script runs statements that have no parameters.
func script(ctx context.Context, tx pgx.Tx, sql string) error {
	_, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }
