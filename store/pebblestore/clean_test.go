package pebblestore

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/failwell/failwell/store"
)

// held counts what is physically there: records, and those that the index finds.
// These are all that have a deadline; some entries may be out of date.
func (s *Store) held(t *testing.T) (records, found int) {
	t.Helper()
	deadlines, index := map[string]int64{}, map[string]bool{}
	expiring := 0
	s.walkAll(t, spaceRecord, func(key, value []byte) {
		h, _, err := splitRecord(value)
		if err != nil {
			t.Fatal(err)
		}
		deadlines[string(key[1:])] = due(h.deadline)
		if h.deadline != 0 {
			expiring++
		}
	})
	s.walkAll(t, spaceExpiry, func(key, _ []byte) {
		at, _ := splitDue(key)
		if deadlines[string(key[dueSize:])] == at {
			index[string(key[dueSize:])] = true
		}
	})
	s.walkAll(t, spaceDues, func(key, value []byte) {
		at, _ := splitDue(key)
		keys, err := dueKeys(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if deadlines[k] == at {
				index[k] = true
			}
		}
	})
	if len(index) != expiring {
		t.Errorf("the index finds %d of %d records", len(index), expiring)
	}
	return len(deadlines), len(index)
}

// indexed counts the entries of the index.
func (s *Store) indexed(t *testing.T) (n int) {
	t.Helper()
	for _, space := range []byte{spaceExpiry, spaceDues} {
		s.walkAll(t, space, func(_, _ []byte) { n++ })
	}
	return n
}

func (s *Store) walkAll(t *testing.T, space byte, visit func(key, value []byte)) {
	t.Helper()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		t.Fatal(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		visit(it.Key(), it.Value())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
}

// openAt opens a store in memory, whose clock shows now, until the test ends.
func openAt(t *testing.T, now *time.Time) *Store {
	t.Helper()
	s, err := open(vfs.NewMem(), "/data", Options{Clock: func() time.Time { return *now }, ReserveBytes: -1})
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

// Writes on another key reclaim what has expired, no more than cleanMax at a
// time, also after a restart.
func TestReclaims(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	files := vfs.NewMem()
	opts := Options{Clock: func() time.Time { return now }, ReserveBytes: -1}
	s, err := open(files, "/data", opts)
	if err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for i := range n {
		ttl := time.Second
		if i%2 == 1 {
			ttl = time.Hour
		}
		key := fmt.Sprintf("k%d", i)
		before, err := s.Swap(t.Context(), key, 0, []byte("v"), 2*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Swap(t.Context(), key, before, []byte("v"), ttl); err != nil {
			t.Fatal(err)
		}
	}
	if records, deadlines := s.held(t); records != n || deadlines != n {
		t.Fatalf("%d records, %d deadlines before any is due; want %d", records, deadlines, n)
	}
	now = now.Add(time.Second)
	var v store.Version
	expect := func(want int) {
		t.Helper()
		most := 2*n*cleanEvery/cleanMax + 2*cleanEvery
		for i := 0; ; i++ {
			before, _ := s.held(t)
			if v, err = s.Swap(t.Context(), "other", v, nil, 0); err != nil {
				t.Fatal(err)
			}
			records, deadlines := s.held(t)
			if before-records > cleanMax {
				t.Fatalf("one call reclaimed %d records", before-records)
			}
			if deadlines != records-1 {
				t.Fatalf("%d deadlines for %d records", deadlines, records-1)
			}
			if records <= want+1 {
				return
			}
			if i == most {
				t.Fatalf("%d records are left after %d writes; want %d", records, i, want+1)
			}
		}
	}
	expect(n * 3 / 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = open(files, "/data", opts); err != nil {
		t.Fatal(err)
	}
	expect(n / 2)
	now = now.Add(time.Hour)
	expect(0)
	now = now.Add(time.Hour) // what the first deadlines have left
	for range n*cleanEvery/cleanMax + 2*cleanEvery {
		if v, err = s.Swap(t.Context(), "other", v, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if due, n := s.due.Load(), s.indexed(t); due != math.MaxInt64 || n != 0 {
		t.Errorf("an index with %d entries is looked at from %d on", n, due)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A deadline that is earlier than all the store has seen, as after a clock that
// was set back, is found all the same.
func TestReclaimsAfterClockWentBack(t *testing.T) {
	t.Parallel()
	now := time.Unix(2_000_000, 0)
	s := openAt(t, &now)
	var v store.Version
	churn := func() {
		for range 2 * cleanEvery {
			var err error
			if v, err = s.Swap(t.Context(), "other", v, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []time.Duration{0, -time.Hour, 30 * time.Minute} {
		now = now.Add(step)
		if _, err := s.Swap(t.Context(), fmt.Sprint(step), 0, nil, time.Second); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		churn()
		if records, deadlines := s.held(t); records != 1 || deadlines != 0 {
			t.Errorf("after %v: %d records, %d deadlines", step, records, deadlines)
		}
	}
}

// A record that is rewritten after the index was read stays.
func TestReclaimSparesTheRewritten(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := openAt(t, &now)
	v, err := s.Swap(t.Context(), "k", 0, nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	due := now.Add(time.Second).UnixMilli()
	if _, err := s.Swap(t.Context(), "k", v, nil, time.Minute); err != nil {
		t.Fatal(err)
	}
	if busy, err := s.reclaim("k", due, nil); busy || err != nil {
		t.Fatal(busy, err)
	}
	if _, err := s.Get(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	// Nor does it wait for a key that is in use, and that one is not forgotten.
	stripe := s.stripe("k")
	stripe.RLock()
	now = now.Add(time.Hour)
	err = s.clean(now.UnixMilli())
	stripe.RUnlock()
	if records, _ := s.held(t); err != nil || records != 1 {
		t.Errorf("%d records, %v", records, err)
	}
	if err := s.clean(now.UnixMilli()); err != nil {
		t.Error(err)
	}
	if records, deadlines := s.held(t); records != 0 || deadlines != 0 {
		t.Errorf("%d records, %d deadlines are left", records, deadlines)
	}
}

// Records that share an entry of the index do so until the last of them is
// reclaimed: one that is in use keeps it.
func TestReclaimSparesTheBusy(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := openAt(t, &now)
	g := group{batch: s.db.NewBatch()}
	for i, key := range []string{"a", "b", "c"} {
		after := header{store.Version(i + 1), now.Add(time.Second).UnixMilli()}
		g.put(&pending{known: &lastHeader{key, after}}, key, header{}, after, nil, 1)
	}
	if err := errors.Join(s.applyGroup(&g), s.syncGroup(&g)); err != nil {
		t.Fatal(err)
	}
	if n := s.indexed(t); n != 1 {
		t.Fatalf("%d entries of the index for records that began together", n)
	}
	now = now.Add(time.Minute)
	s.due.Store(1)
	stripe := s.stripe("b")
	stripe.RLock()
	err := s.clean(now.UnixMilli())
	stripe.RUnlock()
	if records, _ := s.held(t); err != nil || records != 1 {
		t.Errorf("%d records are left, %v", records, err)
	}
	if err := s.clean(now.UnixMilli()); err != nil {
		t.Error(err)
	}
	if records, _ := s.held(t); records != 0 || s.indexed(t) != 0 {
		t.Errorf("%d records and %d entries are left", records, s.indexed(t))
	}
}

// An entry that another version made longer than one walk takes does not stay for
// ever.
func TestReclaimsLongEntries(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := openAt(t, &now)
	if _, err := s.Swap(t.Context(), "short", 0, nil, time.Second); err != nil {
		t.Fatal(err)
	}
	long := dues{at: now.Add(2 * time.Second).UnixMilli(), id: 1}
	b := s.db.NewBatch()
	for i := range 2 * cleanMax {
		long.add(fmt.Sprint("k", i))
	}
	if err := s.commit(b, long.put(b), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	for _, left := range []int{1, 0} {
		if err := s.clean(now.UnixMilli()); err != nil {
			t.Fatal(err)
		}
		if n := s.indexed(t); n != left {
			t.Errorf("%d entries are left, want %d", n, left)
		}
	}
}

// A record that is restored over an expired one takes its place in the index.
func TestRestoreLeavesNoDeadlineBehind(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := openAt(t, &now)
	if _, err := s.Swap(t.Context(), "k", 0, nil, time.Second); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	for _, expires := range []time.Time{now.Add(time.Second), {}} {
		if n, err := s.Restore(t.Context(), []store.Record{{Key: "k", Expires: expires}}); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		want := 1
		if expires.IsZero() {
			want = 0
		}
		if records, deadlines := s.held(t); records != 1 || deadlines != want {
			t.Errorf("%d records and %d deadlines are held, want 1 and %d", records, deadlines, want)
		}
		now = now.Add(time.Minute)
	}
}
