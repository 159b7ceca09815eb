// Package pgstore keeps a store.Store in a PostgreSQL database (13 or later), for
// any number of processes at once.
//
// Every call but Scan is one statement and one round trip. A write is as durable
// as the server makes a commit, and nobody reads it before; Check tells how
// durable that is. Expiry follows the server's clock.
package pgstore

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/failwell/failwell/store"
)

// Store is a store in a PostgreSQL database. It implements store.Store,
// store.Notifier and store.Checker; Open makes one.
type Store struct {
	pool   *pgxpool.Pool
	opts   Options
	sql    statements
	where  string
	pooled atomic.Bool  // connections lead to a pooler, which mixes sessions
	broken atomic.Int64 // when a connection was last lost, in Unix nanoseconds
	news   news

	mu     sync.Mutex
	calls  sync.WaitGroup
	closed bool

	ctx    context.Context //nolint:containedctx // the life of what runs beside calls
	cancel context.CancelFunc
	beside sync.WaitGroup
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Notifier = (*Store)(nil)
	_ store.Checker  = (*Store)(nil)
)

// Shared reports that other processes can use the store at the same time.
func (s *Store) Shared() bool { return true }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	if err := s.begin(ctx, store.CheckKey(key)); err != nil {
		return store.Record{}, err
	}
	defer s.calls.Done()
	r := store.Record{Key: key}
	var expires pgtype.Timestamptz
	err := s.ask(ctx, again, s.sql.get, s.at([]byte(key)), &r.Version, &expires, &r.Value)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Record{}, store.ErrAbsent
	}
	if err != nil {
		return store.Record{}, s.failed(ctx, err)
	}
	r.Expires = instant(expires)
	return r, nil
}

// Swap implements store.Store.
func (s *Store) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if err := s.begin(ctx, store.CheckSwap(key, value, ttl)); err != nil {
		return 0, err
	}
	defer s.calls.Done()
	if value == nil {
		value = []byte{} // nil would be null
	}
	sql, args := s.sql.insert, []any{[]byte(key), value, s.expiry(ttl)}
	if old != 0 {
		sql, args = s.sql.rewrite, append(args, number(old))
	}
	var v store.Version
	err := s.ask(ctx, once, sql, s.at(args...), &v)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, store.ErrConflict
	}
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	return v, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, old store.Version) error {
	if err := s.begin(ctx, store.CheckKey(key)); err != nil {
		return err
	}
	defer s.calls.Done()
	for {
		var gone bool
		var before store.Version
		err := s.ask(ctx, once, s.sql.remove, s.at([]byte(key), number(old)), &gone, &before)
		switch {
		case err != nil:
			return s.failed(ctx, err)
		case gone:
			return nil
		case before == 0:
			return store.ErrAbsent
		case before != old:
			return store.ErrConflict
		}
		// Somebody else was faster while this call waited: only a new look tells
		// whether they removed the record or wrote it.
	}
}

// maxRows bounds a page of Scan, and so what one call asks of the server.
const maxRows = 1000

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	if err := s.begin(ctx, store.CheckScan(limit)); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	from := prefix
	if after >= from {
		from = after + "\x00" // the next key there can be
	}
	sql, args := s.sql.scan, []any{[]byte(from), min(limit, maxRows), store.MaxPage}
	if end := successor(prefix); end != nil {
		sql, args = s.sql.scanTo, append(args, end)
	}
	// Planned with its values: a plan for any values cannot know that the page is
	// short, and may read the whole table.
	rows, err := s.pool.Query(ctx, sql, append([]any{direct}, s.at(args...)...)...)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	page, err := pgx.CollectRows(rows, readRecord)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return page, nil
}

func readRecord(row pgx.CollectableRow) (store.Record, error) {
	var r store.Record
	var key []byte
	var expires pgtype.Timestamptz
	err := row.Scan(&key, &r.Version, &expires, &r.Value)
	r.Key, r.Expires = string(key), instant(expires)
	return r, err
}

// successor is the least key greater than all that start with prefix, nil if
// there is none.
func successor(prefix string) []byte {
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == math.MaxUint8 {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return nil
	}
	end[len(end)-1]++
	return end
}

// Now implements store.Store.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := s.begin(ctx, nil); err != nil {
		return time.Time{}, err
	}
	defer s.calls.Done()
	if s.opts.Clock != nil {
		return s.opts.Clock(), nil
	}
	var now time.Time
	if err := s.ask(ctx, again, s.sql.clock, nil, &now); err != nil {
		return time.Time{}, s.failed(ctx, err)
	}
	return now.UTC(), nil
}

// begin is the start of every call; if it succeeds, calls.Done is its end.
func (s *Store) begin(ctx context.Context, invalid error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if invalid != nil {
		return invalid
	}
	s.calls.Add(1)
	return nil
}

// at adds the clock's reading to a statement's arguments where the clock is ours.
func (s *Store) at(args ...any) []any {
	if s.opts.Clock != nil {
		return append(args, s.opts.Clock())
	}
	return args
}

// expiry is the argument from which a statement makes the expiry.
func (s *Store) expiry(ttl time.Duration) any {
	switch {
	case s.opts.Clock != nil && ttl == 0:
		return pgtype.Timestamptz{}
	case s.opts.Clock != nil:
		return store.Expires(store.Deadline(s.opts.Clock(), ttl))
	case ttl == 0:
		return pgtype.Interval{}
	}
	// The server knows microseconds; rounding up twice is rounding up once.
	us := int64(ttl / time.Microsecond)
	if ttl%time.Microsecond != 0 {
		us++
	}
	return pgtype.Interval{Microseconds: us, Valid: true}
}

// number is a version as an argument; a version that no record can have is one
// that none has.
func number(v store.Version) int64 {
	if v > math.MaxInt64 {
		return -1
	}
	return int64(v)
}

func instant(t pgtype.Timestamptz) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}
