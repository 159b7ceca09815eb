package pgstore

import "strings"

// statements are the texts that a store sends, with its schema's names in them.
//
// Numbers of versions must be drawn when nobody else can write the key, or a
// late one would be lower than one that has come and gone. A rewriter holds the
// version that it replaces, so no greater one has been. An insertion has nothing
// to hold: it takes a lock in the key's name before it draws, and so does whoever
// removes a record. Clean-up takes the same locks, but waits for none.
type statements struct {
	get, insert, rewrite, remove, scan, scanTo, clean, clock string
}

// $now and $expires stand for the server's clock or, in tests, for parameters
// that follow the others.
const (
	sqlLive = `(expires IS NULL OR expires > $now)`

	sqlGet = `SELECT version, expires, value FROM $records WHERE key = $1 AND ` + sqlLive

	// A present record that has expired is overwritten; its row is locked before
	// the number is drawn.
	sqlInsert = `WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock($lock($1::bytea)))
INSERT INTO $records AS r (key, version, expires, due, value)
SELECT $1::bytea, nextval($versions), at AS expires, at AS due, $2::bytea FROM turn, LATERAL (SELECT $expires($3) AS at) fresh
ON CONFLICT (key) DO UPDATE
SET version = nextval($versions), expires = excluded.expires, due = least(r.due, excluded.expires), value = excluded.value
WHERE r.expires <= $now
RETURNING version`

	sqlRewrite = `UPDATE $records AS r
SET version = nextval($versions), expires = fresh.at, value = $2,
	due = CASE WHEN fresh.at IS NULL OR r.due <= fresh.at THEN r.due ELSE fresh.at END
FROM (SELECT $expires($3) AS at) fresh
WHERE key = $1 AND version = $4 AND ` + sqlLive + `
RETURNING version`

	// What the outer SELECT sees is from before the removal.
	sqlRemove = `WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock($lock($1::bytea))),
gone AS (DELETE FROM $records USING turn WHERE key = $1 AND version = $2 AND ` + sqlLive + ` RETURNING 1)
SELECT EXISTS (SELECT FROM gone), coalesce((SELECT version FROM $records WHERE key = $1 AND ` + sqlLive + `), 0)`

	// The inner limit bounds the work, the sum the bytes. Lengths are known without
	// the values, which are read for what is shown only.
	sqlScan = `SELECT key, version, expires, value FROM (
	SELECT key, version, expires, value, sum(octet_length(value)) OVER (ORDER BY key) - octet_length(value) AS before FROM (
		SELECT key, version, expires, value FROM $records
		WHERE key >= $1 $below AND ` + sqlLive + ` ORDER BY key LIMIT $2
	) candidates
) page WHERE before < $3 ORDER BY key`

	// A record that was rewritten since it was due is looked at again later.
	sqlClean = `WITH looked AS (
	SELECT key, expires FROM $records WHERE due <= (SELECT $now) ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (
	DELETE FROM $records r USING looked l WHERE r.key = l.key AND l.expires <= (SELECT $now) AND pg_try_advisory_xact_lock($lock(l.key))
	RETURNING 1
), later AS (
	UPDATE $records r SET due = l.expires FROM looked l WHERE r.key = l.key AND (l.expires IS NULL OR l.expires > (SELECT $now))
	RETURNING 1
) SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM later)`

	sqlClock = `SELECT clock_timestamp()`
)

// prepare fills in the schema. With ownClock the clock is a parameter, the last
// one of each statement, and expiries come ready-made.
func prepare(schema string, ownClock bool) statements {
	table := quote(schema, "records")
	fill := func(sql, now string) string {
		expires := `date_trunc('milliseconds', clock_timestamp() + $3::interval + interval '999 microseconds')`
		if ownClock {
			expires = `$3::timestamptz`
		} else {
			now = `clock_timestamp()`
		}
		sql = strings.NewReplacer(
			`$records`, table,
			`$versions`, literal(quote(schema, "versions"))+`::regclass`,
			`$expires($3)`, expires,
			`$now`, now,
			`$lock($1::bytea)`, lockOf(table, `$1::bytea`),
			`$lock(l.key)`, lockOf(table, `l.key`),
		).Replace(sql)
		return sql
	}
	upper := `$4`
	scanNow, scanToNow := `$4::timestamptz`, `$5::timestamptz`
	return statements{
		get:     fill(sqlGet, `$2::timestamptz`),
		insert:  fill(sqlInsert, `$4::timestamptz`),
		rewrite: fill(sqlRewrite, `$5::timestamptz`),
		remove:  fill(sqlRemove, `$3::timestamptz`),
		scan:    fill(strings.Replace(sqlScan, `$below`, ``, 1), scanNow),
		scanTo:  fill(strings.Replace(sqlScan, `$below`, `AND key < `+upper, 1), scanToNow),
		clean:   fill(sqlClean, `$2::timestamptz`),
		clock:   sqlClock,
	}
}

// lockOf is the number of a key's lock: numbers of two keys may be equal, and
// then the two take turns.
func lockOf(table, key string) string {
	return `hashtextextended(encode(` + key + `, 'hex'), ` + literal(table) + `::regclass::oid::bigint)`
}

func literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
