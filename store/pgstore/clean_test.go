//go:build unix

package pgstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

func rows(t *testing.T, s *Store) int {
	t.Helper()
	var n int
	if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+quote(s.opts.Schema, "records")).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Several processes clean together what has expired, and nothing else, and look
// again at what was rewritten.
func TestClean(t *testing.T) {
	t.Parallel()
	clock, schema := storetest.NewClock(), freshSchema()
	stores := make([]*Store, 4)
	for i := range stores {
		stores[i] = mustOpen(t, shared.Get(t).URL(), Options{Schema: schema, Clock: clock.Now, CleanEvery: -1, MaxConns: 4})
	}
	s := stores[0]
	const n = 3*cleanBatch + 7
	swap := func(key string, old store.Version, ttl time.Duration) store.Version {
		t.Helper()
		v, err := s.Swap(t.Context(), key, old, nil, ttl)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	swap("forever", 0, 0)
	swap("renewed", swap("renewed", 0, time.Second), time.Hour)
	swap("kept", swap("kept", 0, time.Second), 0)
	for i := range n {
		swap(fmt.Sprint("due", i), 0, time.Second)
	}
	cleanAll := func() {
		t.Helper()
		var wg sync.WaitGroup
		for _, s := range stores {
			wg.Go(func() {
				if err := s.clean(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	cleanAll()
	if got := rows(t, s); got != n+3 {
		t.Fatalf("%d rows are left before anything expired; want %d", got, n+3)
	}
	clock.Advance(2 * time.Second)
	eventually(t, "what expired is gone", func() bool { cleanAll(); return rows(t, s) == 3 })
	clock.Advance(time.Hour)
	cleanAll()
	if got := rows(t, s); got != 2 {
		t.Fatalf("%d rows are left after an hour; want 2, the ones without expiry", got)
	}
	for _, key := range []string{"forever", "kept"} {
		if _, err := s.Get(t.Context(), key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// A record that somebody holds is passed over, not waited for.
func TestCleanWaitsForNobody(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema(), Clock: clock.Now, CleanEvery: -1})
	for _, key := range []string{"a", "held by row", "held by name"} {
		if _, err := s.Swap(t.Context(), key, 0, nil, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(time.Minute)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM "+quote(s.opts.Schema, "records")+" WHERE key = $1 FOR UPDATE", []byte("held by row")); err != nil {
		t.Fatal(err)
	}
	held(t, s, "held by name", func() {
		if err := s.clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := rows(t, s); got != 2 {
			t.Fatalf("%d rows are left; want the 2 that are held", got)
		}
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.clean(t.Context()); err != nil || rows(t, s) != 0 {
		t.Fatalf("%d rows are left, %v", rows(t, s), err)
	}
}

// By the server's own clock, records go by themselves.
func TestCleansBeside(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema(), CleanEvery: 20 * time.Millisecond})
	if _, err := s.Swap(t.Context(), "k", 0, nil, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the expired record is removed", func() bool { return rows(t, s) == 0 })
}

// The server's clock decides, to the millisecond.
func TestServerClock(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema()})
	for _, ttl := range []time.Duration{1, time.Millisecond, 1500 * time.Microsecond, 24 * time.Hour, 1 << 62} {
		before, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		key := ttl.String()
		v, err := s.Swap(t.Context(), key, 0, nil, ttl)
		if err != nil {
			t.Fatal(err)
		}
		after, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var expires time.Time
		err = s.pool.QueryRow(t.Context(), "SELECT expires FROM "+quote(s.opts.Schema, "records")+" WHERE key = $1", []byte(key)).Scan(&expires)
		if err != nil || expires.Before(before.Add(ttl)) || expires.After(after.Add(ttl+time.Millisecond)) || expires.Nanosecond()%1e6 != 0 {
			t.Errorf("ttl %v written at version %d between %v and %v expires %v, %v", ttl, v, before, after, expires, err)
		}
	}
}
