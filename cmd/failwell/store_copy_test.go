package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

// silent is a progress that shows nothing.
type silent struct{}

func (silent) phase(string, int64) {}
func (silent) add(int, int64)      {}
func (silent) done()               {}

func newCopier(from, to store.Store) *copier {
	return &copier{from: from, to: to, fromName: "the source", progress: silent{}}
}

func fillStore(t *testing.T, s store.Store, n int) {
	t.Helper()
	for i := range n {
		ttl := time.Duration(0)
		if i%2 == 1 {
			ttl = 2*time.Hour + time.Duration(i)*time.Millisecond
		}
		if _, err := s.Swap(t.Context(), fmt.Sprintf("k/%06d\x00\xff", i), 0, bytes.Repeat([]byte{byte(i)}, i%700), ttl); err != nil {
			t.Fatal(err)
		}
	}
}

// contents is everything that must be the same after a copy.
func contents(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for r, err := range store.All(t.Context(), s, "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(r.Key, "probe/") {
			all[r.Key] = fmt.Sprintf("%x until %v", r.Value, r.Expires)
		}
	}
	return all
}

func sameContents(t *testing.T, from, to store.Store) {
	t.Helper()
	want, got := contents(t, from), contents(t, to)
	if !maps.Equal(want, got) {
		t.Errorf("%d records, the source has %d, and they are not the same", len(got), len(want))
	}
}

func openPebble(t *testing.T) store.Store {
	t.Helper()
	s, err := pebblestore.Open(t.TempDir(), pebblestore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestCopyIsExact(t *testing.T) {
	t.Parallel()
	from, to := &store.Memory{}, openPebble(t)
	fillStore(t, from, 3500)
	k := newCopier(from, to)
	if err := k.run(t.Context(), false, false); err != nil {
		t.Fatal(err)
	}
	if k.copied != 3500 || k.both.count != 3500 || k.again != 0 || k.present != 0 {
		t.Errorf("%+v", k)
	}
	sameContents(t, from, to)
	if _, err := to.Get(t.Context(), copyMarkKey); !errors.Is(err, store.ErrAbsent) {
		t.Errorf("the mark of a finished copy is still there: %v", err)
	}
	// The digest does not depend on how the records came there.
	back := newCopier(to, &store.Memory{})
	if err := back.run(t.Context(), false, false); err != nil || back.both.String() != k.both.String() {
		t.Errorf("digest %s, and back %s, error %v", &k.both, &back.both, err)
	}
}

func TestDigestSeesEverything(t *testing.T) {
	t.Parallel()
	sum := func(records ...store.Record) string {
		var x tally
		for i := range records {
			x.add(&records[i])
		}
		return x.String()
	}
	a := store.Record{Key: "a", Value: []byte("bc"), Expires: time.UnixMilli(5)}
	b := store.Record{Key: "b", Value: []byte("c")}
	if sum(a, b) != sum(b, a) {
		t.Error("the digest depends on the order")
	}
	for name, other := range map[string]store.Record{
		"key":      {Key: "x", Value: a.Value, Expires: a.Expires},
		"value":    {Key: "a", Value: []byte("bd"), Expires: a.Expires},
		"expiry":   {Key: "a", Value: a.Value, Expires: time.UnixMilli(6)},
		"for ever": {Key: "a", Value: a.Value},
		"shifted":  {Key: "ab", Value: []byte("c"), Expires: a.Expires},
	} {
		if sum(a, b) == sum(other, b) {
			t.Errorf("the digest does not see another %s", name)
		}
	}
	if sum(a, a) == sum(b, b) || sum(a) == sum() {
		t.Error("equal records cancel out")
	}
}

// meddled lets a test come in between.
type meddled struct {
	store.Store
	scanned  func(page int)
	restored func(page int) error
	scans    int
	restores int
}

func (m *meddled) Scan(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	page, err := m.Store.Scan(ctx, prefix, after, limit)
	if m.scans++; m.scanned != nil {
		m.scanned(m.scans)
	}
	return page, err
}

func (m *meddled) Restore(ctx context.Context, records []store.Record) (int, error) {
	if m.restores++; m.restored != nil {
		if err := m.restored(m.restores); err != nil {
			return 0, err
		}
	}
	return m.Store.(store.Restorer).Restore(ctx, records)
}

func TestInterruptedCopyGoesOn(t *testing.T) {
	t.Parallel()
	from, held := &store.Memory{}, openPebble(t)
	fillStore(t, from, 5000)
	ctx, cancel := context.WithCancel(t.Context())
	to := &meddled{Store: held, restored: func(page int) error {
		if page == 3 {
			cancel() // Ctrl-C
			return ctx.Err()
		}
		return nil
	}}
	k := newCopier(from, to)
	if err := k.run(ctx, false, false); !errors.Is(err, context.Canceled) || k.copied != 2000 {
		t.Fatalf("%d copied, error %v", k.copied, err)
	}
	if err := refuseHalfCopy(t.Context(), held); err == nil || !strings.Contains(err.Error(), "unfinished copy of the source") {
		t.Errorf("a gateway would start on half a copy: %v", err)
	}
	if err := newCopier(from, held).run(t.Context(), false, false); err == nil || !strings.Contains(err.Error(), "unfinished") {
		t.Errorf("begun again without being asked to: %v", err)
	}
	other := newCopier(&store.Memory{}, held)
	other.fromName = "another source"
	if err := other.run(t.Context(), true, false); err == nil || !strings.Contains(err.Error(), "unfinished copy of the source") {
		t.Errorf("went on with another source: %v", err)
	}
	k = newCopier(from, held)
	if err := k.run(t.Context(), true, false); err != nil || k.copied != 3000 || k.both.count != 5000 {
		t.Errorf("%d copied, %d verified, error %v", k.copied, k.both.count, err)
	}
	sameContents(t, from, held)
	if err := refuseHalfCopy(t.Context(), held); err != nil {
		t.Errorf("a finished copy is refused: %v", err)
	}
}

// change does one of each that can happen to records, in a part of the store
// that has been copied by then.
func change(t *testing.T, s store.Store, n int) {
	t.Helper()
	ctx := t.Context()
	if _, err := s.Swap(ctx, fmt.Sprint("a/new/", n), 0, []byte("new"), time.Hour); err != nil {
		t.Error(err)
	}
	page, err := s.Scan(ctx, "k/", "", 3)
	if err != nil || len(page) != 3 {
		t.Error(page, err)
		return
	}
	if _, err := s.Swap(ctx, page[0].Key, page[0].Version, fmt.Append(nil, "changed", n), 0); err != nil {
		t.Error(err)
	}
	if err := s.Delete(ctx, page[1].Key, page[1].Version); err != nil {
		t.Error(err)
	}
	if _, err := s.Swap(ctx, page[2].Key, page[2].Version, page[2].Value, time.Duration(n)*time.Hour); err != nil {
		t.Error(err)
	}
}

func TestCopyNoticesAChangingSource(t *testing.T) {
	t.Parallel()
	held, to := &store.Memory{}, &store.Memory{}
	fillStore(t, held, 4000)
	from := &meddled{Store: held, scanned: func(page int) {
		if page == 3 {
			change(t, held, 1)
		}
	}}
	k := newCopier(from, to)
	if err := k.run(t.Context(), false, false); err != nil || k.again != 4 {
		t.Errorf("%d written again, want 4; error %v", k.again, err)
	}
	sameContents(t, held, to)
}

func TestCopyOfABusySourceFails(t *testing.T) {
	t.Parallel()
	held, to := &store.Memory{}, openPebble(t)
	fillStore(t, held, 3000)
	from := &meddled{Store: held, scanned: func(page int) { change(t, held, page) }}
	err := newCopier(from, to).run(t.Context(), false, false)
	var h *hintError
	if err == nil || !strings.Contains(err.Error(), "being written to") || !errors.As(err, &h) || !strings.Contains(h.hint, "--resume") {
		t.Fatalf("got %v", err)
	}
	if err := refuseHalfCopy(t.Context(), to); err == nil {
		t.Error("a gateway would start on a copy that is not verified")
	}
	// Writers stopped: the rest is made up for.
	k := newCopier(held, to)
	if err := k.run(t.Context(), true, false); err != nil {
		t.Fatal(err)
	}
	sameContents(t, held, to)
}

func TestCopyTouchesNoRecordsOfOthers(t *testing.T) {
	t.Parallel()
	from, to := &store.Memory{}, openPebble(t)
	fillStore(t, from, 100)
	page, err := from.Scan(t.Context(), "k/", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"own", page[0].Key} {
		if _, err := to.Swap(t.Context(), key, 0, []byte("the target's"), 0); err != nil {
			t.Fatal(err)
		}
	}
	before := contents(t, to)
	for _, resume := range []bool{false, true} {
		if err := newCopier(from, to).run(t.Context(), resume, false); err == nil || !strings.Contains(err.Error(), "the target has records") {
			t.Errorf("resume %v: %v", resume, err)
		}
	}
	if !maps.Equal(before, contents(t, to)) {
		t.Error("a target that was refused has changed")
	}
	k := newCopier(from, to)
	if err := k.run(t.Context(), false, true); err != nil || k.copied != 99 || k.kept != 1 || k.both.count != 99 {
		t.Errorf("%+v, %v", k, err)
	}
	after := contents(t, to)
	for key, value := range before {
		if after[key] != value {
			t.Errorf("%q was %s and is %s", key, value, after[key])
		}
	}
	if len(after) != 101 {
		t.Errorf("%d records, want 101", len(after))
	}
}

// What is left of a record's time is what counts, so a store whose clock is off
// gets instants that are off as much.
func TestCopyKeepsWhatIsLeftOfTheTime(t *testing.T) {
	t.Parallel()
	const ahead = 90 * time.Minute
	from := &store.Memory{}
	to := &store.Memory{Clock: func() time.Time { return time.Now().Add(ahead) }}
	fillStore(t, from, 10)
	k := newCopier(from, to)
	if err := k.run(t.Context(), false, false); err != nil || k.mark.shift().Round(time.Second) != ahead {
		t.Fatalf("shifted by %v, error %v", k.mark.shift(), err)
	}
	for r, err := range store.All(t.Context(), from, "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		copied, err := to.Get(t.Context(), r.Key)
		if err != nil || !r.Expires.IsZero() && copied.Expires.Sub(r.Expires) != k.mark.shift() {
			t.Errorf("%q: until %v, in the copy until %v, error %v", r.Key, r.Expires, copied.Expires, err)
		}
	}
}

func TestExpiringRecordsAreNoDifference(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	held, to := &store.Memory{Clock: clock}, &store.Memory{Clock: clock}
	for i := range 50 {
		if _, err := held.Swap(t.Context(), fmt.Sprint("brief/", i), 0, nil, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	fillStore(t, held, 50)
	// The first two scans copy. The third shows records that are gone when the
	// target is looked at, or the other way round.
	from := &meddled{Store: held, scanned: func(page int) {
		if page == 3 {
			later.Store(int64(time.Hour))
		}
	}}
	k := newCopier(from, to)
	if err := k.run(t.Context(), false, false); err != nil || k.again != 0 {
		t.Errorf("%d written again, error %v", k.again, err)
	}
	sameContents(t, held, to)
}

func TestProgressLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &progressLines{to: &out, now: func() time.Time { return now }}
	p.phase("copying", 0)
	for range 12 {
		now = now.Add(time.Second)
		p.add(1000, 50_000)
	}
	p.phase("verifying", 20_000)
	now = now.Add(10 * time.Second)
	p.add(5000, 10)
	p.done()
	want := "copying: 5000 records, 250 kB, 1000 records/s\ncopying: 10000 records, 500 kB, 1000 records/s\n" +
		"verifying: 5000 of 20000 records, 10 bytes, 500 records/s\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

// Two clocks never agree to the millisecond, so what is about to expire may be
// there on one side only.
func TestAlmostExpiredIsNoDifference(t *testing.T) {
	t.Parallel()
	now := time.Now()
	k := newCopier(&store.Memory{}, &store.Memory{Clock: func() time.Time { return now }})
	for left, want := range map[time.Duration]bool{time.Second: true, -time.Second: true, time.Hour: false, 0: false} {
		r := &store.Record{Key: "k"}
		if left != 0 {
			r.Expires = now.Add(left)
		}
		for _, sides := range [][2]*store.Record{{r, nil}, {nil, r}} {
			if got, err := k.expiring(t.Context(), sides[0], sides[1]); err != nil || got != want {
				t.Errorf("with %v left: %v, error %v; want %v", left, got, err, want)
			}
		}
	}
}
