package pgstore

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/failwell/failwell/store"
)

// restoreBatch records are one statement: each takes a place in the server's
// table of locks, as in cleanBatch, and nobody waits long for them.
const restoreBatch = 250

var _ store.Restorer = (*Store)(nil)

// As in sqlInsert, a key's lock is taken before its version is drawn; here by
// many in the order of keys, so that two of these cannot wait for each other.
const sqlRestore = `WITH fresh AS MATERIALIZED (
	SELECT key, value, at, pg_advisory_xact_lock($lock(key)) FROM (
		SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::timestamptz[]) AS sent (key, value, at)
		WHERE at IS NULL OR at > $now ORDER BY key
	) sent
), done AS (
	INSERT INTO $records AS r (key, version, expires, due, value)
	SELECT key, nextval($versions), at AS expires, at AS due, value FROM fresh
	ON CONFLICT (key) DO UPDATE
	SET version = nextval($versions), expires = excluded.expires, due = least(r.due, excluded.expires), value = excluded.value
	WHERE r.expires <= $now
	RETURNING 1
) SELECT count(*) FROM done`

func (s *Store) restoreStatement() string {
	now := `clock_timestamp()`
	if s.opts.Clock != nil {
		now = `$4::timestamptz`
	}
	table := quote(s.opts.Schema, "records")
	return strings.NewReplacer(
		`$records`, table,
		`$versions`, literal(quote(s.opts.Schema, "versions"))+`::regclass`,
		`$lock(key)`, lockOf(table, `key`),
		`$now`, now,
	).Replace(sqlRestore)
}

// Restore implements store.Restorer.
func (s *Store) Restore(ctx context.Context, records []store.Record) (written int, err error) {
	if err := s.begin(ctx, store.CheckRestore(records)); err != nil {
		return 0, err
	}
	defer s.calls.Done()
	sql := s.restoreStatement()
	for len(records) > 0 {
		batch := records[:min(len(records), restoreBatch)]
		records = records[len(batch):]
		keys, values, ends := make([][]byte, len(batch)), make([][]byte, len(batch)), make([]pgtype.Timestamptz, len(batch))
		for i := range batch {
			r := &batch[i]
			keys[i], values[i] = []byte(r.Key), r.Value
			if r.Value == nil {
				values[i] = []byte{} // nil would be null
			}
			ends[i] = pgtype.Timestamptz{Time: r.Expires, Valid: !r.Expires.IsZero()}
		}
		var n int
		if err := s.ask(ctx, once, sql, s.at(keys, values, ends), &n); err != nil {
			return written, s.failed(ctx, err)
		}
		written += n
	}
	return written, nil
}
