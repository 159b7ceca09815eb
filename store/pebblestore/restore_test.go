package pebblestore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
	"github.com/failwell/failwell/store/storetest"
)

func TestRestore(t *testing.T) {
	t.Parallel()
	storetest.RunRestore(t, func(t *testing.T, clock func() time.Time) store.Store {
		t.Helper()
		return mustOpen(t, t.TempDir(), pebblestore.Options{Clock: clock})
	})
}

// Restorations hold many locks at once, among writers that want single ones.
func TestRestorationsDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), pebblestore.Options{NoSync: true})
	defer s.Close()
	const keys, rounds = 300, 20
	var wg sync.WaitGroup
	written := make([]int, 4)
	for worker := range written {
		wg.Go(func() {
			for round := range rounds {
				records := make([]store.Record, keys)
				for i := range records {
					records[i].Key = fmt.Sprintf("%d/%d", round, (i*7+worker*13)%keys)
				}
				n, err := s.Restore(t.Context(), records)
				if err != nil {
					t.Error(err)
				}
				written[worker] += n
			}
		})
		wg.Go(func() {
			for i := range keys {
				if _, err := s.Swap(t.Context(), fmt.Sprintf("single/%d/%d", worker, i), 0, nil, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range written {
		total += n
	}
	if total != keys*rounds {
		t.Errorf("%d records were written, each of %d should be once", total, keys*rounds)
	}
}

func TestRestoredRecordsAreReclaimed(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	s := mustOpen(t, t.TempDir(), pebblestore.Options{Clock: clock.Now, NoSync: true})
	defer s.Close()
	churn := func(name string) {
		t.Helper()
		for i := range 1000 {
			if _, err := s.Swap(t.Context(), fmt.Sprint(name, i), 0, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	churn("before/") // by now nothing is due
	records := make([]store.Record, 500)
	for i := range records {
		records[i] = store.Record{Key: fmt.Sprint("brief/", i), Expires: clock.Now().Add(time.Second).Truncate(time.Millisecond)}
	}
	if n, err := s.Restore(t.Context(), records); err != nil || n != len(records) {
		t.Fatal(n, err)
	}
	clock.Advance(time.Hour)
	churn("after/")
	clock.Set(clock.Now().Add(-time.Hour)) // what was not reclaimed would be seen again
	if page, err := s.Scan(t.Context(), "brief/", "", 1000); err != nil || len(page) != 0 {
		t.Errorf("%d expired records are still there, error %v", len(page), err)
	}
}
