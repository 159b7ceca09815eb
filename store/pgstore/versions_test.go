//go:build unix

package pgstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
)

// held runs f while another session holds the lock of a key, which an insertion
// takes before it draws its number.
func held(t *testing.T, s *Store, key string, f func()) {
	t.Helper()
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock("+lockOf(quote(s.opts.Schema, "records"), "$1::bytea")+")", []byte(key)); err != nil {
		t.Fatal(err)
	}
	f()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waiting counts the sessions that wait for a lock.
func waiting(t *testing.T, s *Store) int {
	t.Helper()
	var n int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'`,
		quote(s.opts.Schema)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// An insertion that is held up draws its number late: not before what others
// wrote and removed meanwhile.
func TestLateInsertion(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema()})
	late := make(chan store.Version, 1)
	var before store.Version
	held(t, s, "k", func() {
		go func() {
			v, err := s.Swap(t.Context(), "k", 0, nil, 0)
			if err != nil {
				t.Error(err)
			}
			late <- v
		}()
		eventually(t, "the insertion waits", func() bool { return waiting(t, s) == 1 })
		for i := range 3 {
			var err error
			if before, err = s.Swap(t.Context(), fmt.Sprintf("other%d", i), 0, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
	})
	if v := <-late; v <= before {
		t.Fatalf("the late insertion has version %d; %d was given out before", v, before)
	}
}

// Many insert and remove few keys from several pools. Each version of a key that
// somebody got is greater than all that were removed before it was asked for.
func TestVersionsGrowInCrowd(t *testing.T) {
	t.Parallel()
	schema := freshSchema()
	const keys, each = 3, 40
	var mu sync.Mutex
	var removed [keys]store.Version
	var wg sync.WaitGroup
	for range 3 {
		s := mustOpen(t, shared.Get(t).URL(), Options{Schema: schema, CleanEvery: time.Millisecond})
		for worker := range 8 {
			wg.Go(func() {
				for i := range each {
					at := (worker + i) % keys
					key := fmt.Sprint("k", at)
					mu.Lock()
					floor := removed[at]
					mu.Unlock()
					v, err := s.Swap(t.Context(), key, 0, nil, time.Duration(1+i%2*1000)*time.Millisecond)
					if errors.Is(err, store.ErrConflict) {
						continue
					}
					if err != nil || v <= floor {
						t.Errorf("%s: version %d, %v; %d was removed before", key, v, err, floor)
						return
					}
					// Half of the records expire at once, and then others insert.
					err = s.Delete(t.Context(), key, v)
					if err != nil && !errors.Is(err, store.ErrAbsent) && !errors.Is(err, store.ErrConflict) {
						t.Errorf("delete %s at %d: %v", key, v, err)
						return
					}
					mu.Lock()
					removed[at] = max(removed[at], v)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
}

// A database may be set up for stricter isolation; the statements get through.
func TestSerializable(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL("default_transaction_isolation", "serializable"), Options{Schema: freshSchema()})
	if _, err := s.Swap(t.Context(), "k", 0, []byte{0}, 0); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const callers, each = 8, 5
	for range callers {
		wg.Go(func() {
			for done := 0; done < each; {
				r, err := s.Get(t.Context(), "k")
				if err != nil {
					t.Error(err)
					return
				}
				_, err = s.Swap(t.Context(), "k", r.Version, []byte{r.Value[0] + 1}, 0)
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if r, err := s.Get(t.Context(), "k"); err != nil || r.Value[0] != callers*each {
		t.Fatalf("%v, %v", r.Value, err)
	}
}

// Two removals that race tell the loser what there is afterwards.
func TestRemovalsRace(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema()})
	v, err := s.Swap(t.Context(), "k", 0, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Rewritten by one who holds the row, while a removal waits for it.
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), s.sql.rewrite, []byte("k"), []byte{}, s.expiry(0), int64(v)); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- s.Delete(t.Context(), "k", v) }()
	eventually(t, "the removal waits", func() bool { return waiting(t, s) == 1 })
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, store.ErrConflict) {
		t.Fatalf("delete of a version that was replaced meanwhile: %v", err)
	}
}

// Rewriting a record, with a later expiry each time, leaves the indexes alone.
func TestRewritesAreHOT(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema(), CleanEvery: -1})
	var v store.Version
	const rewrites = 200
	for i := range 1 + rewrites {
		var err error
		if v, err = s.Swap(t.Context(), "k", v, make([]byte, 500), time.Hour+time.Duration(i)*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	var updates, hot int
	eventually(t, "the server's statistics arrive", func() bool {
		err := s.pool.QueryRow(t.Context(), `SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'records'`,
			s.opts.Schema).Scan(&updates, &hot)
		return err == nil && updates == rewrites
	})
	// A page that an older snapshot keeps from being tidied sends one elsewhere.
	if hot < updates*9/10 {
		t.Fatalf("%d of %d rewrites were HOT", hot, updates)
	}
}
