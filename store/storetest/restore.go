package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
)

// RunRestore checks a driver against the contract of store.Restorer.
func RunRestore(t *testing.T, open Open) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*fixture, store.Restorer)
	}{
		{"restored as they were", testRestored},
		{"what is there stays", testRestoreBesides},
		{"versions of restored records", testRestoredVersions},
		{"expired ones are left out", testRestoreExpired},
		{"restored records expire", testRestoredExpire},
		{"bounds of a restoration", testRestoreBounds},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, open)
			r, ok := f.Store.(store.Restorer)
			if !ok {
				t.Fatalf("%T is no store.Restorer", f.Store)
			}
			c.test(f, r)
		})
	}
}

func (f *fixture) restore(r store.Restorer, want int, records ...store.Record) {
	f.Helper()
	written, err := r.Restore(f.ctx, records)
	if err != nil || written != want {
		f.Fatalf("restore %d records: %d written, error %v; want %d", len(records), written, err, want)
	}
}

func (f *fixture) instant() time.Time {
	f.Helper()
	now, err := f.Now(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	return now.UTC().Truncate(time.Millisecond)
}

func testRestored(f *fixture, r store.Restorer) {
	now := f.instant()
	records := make([]store.Record, 0, 700)
	for i := range cap(records) {
		record := store.Record{Key: fmt.Sprintf("many/%04d\x00\xff", i), Value: []byte(strings.Repeat("v", i%50))}
		if i%3 != 0 {
			record.Expires = now.Add(time.Hour + time.Duration(i)*7*time.Millisecond)
		}
		records = append(records, record)
	}
	f.restore(r, len(records), records...)
	for _, want := range records {
		got, err := f.Get(f.ctx, want.Key)
		if err != nil || string(got.Value) != string(want.Value) || !got.Expires.Equal(want.Expires) || got.Version == 0 {
			f.Fatalf("%q: got %s, expires %v, error %v; want it to expire %v", want.Key, show(got), got.Expires, err, want.Expires)
		}
	}
	if n := len(f.keys("many/", 100)); n != len(records) {
		f.Errorf("a walk shows %d records, want %d", n, len(records))
	}
	f.restore(r, 0, records...)
	f.restore(r, 0)
}

func testRestoreBesides(f *fixture, r store.Restorer) {
	version := f.swap("mine", 0, "first", 0)
	f.restore(r, 1, store.Record{Key: "mine", Value: []byte("second")}, store.Record{Key: "other", Value: []byte("second")})
	f.holds("mine", "first", version)
}

func testRestoredVersions(f *fixture, r store.Restorer) {
	before := f.swap("k", 0, "first", 0)
	f.delete("k", before)
	f.restore(r, 1, store.Record{Key: "k", Value: []byte("second"), Version: 1})
	record, err := f.Get(f.ctx, "k")
	if err != nil || record.Version <= before {
		f.Fatalf("version %d after version %d, error %v", record.Version, before, err)
	}
	f.swapFails(store.ErrConflict, "k", before)
	if after := f.swap("k", record.Version, "third", 0); after <= record.Version {
		f.Fatalf("version %d after version %d", after, record.Version)
	}
}

func testRestoreExpired(f *fixture, r store.Restorer) {
	now := f.instant()
	f.restore(r, 1,
		store.Record{Key: "past", Expires: now.Add(-time.Hour)},
		store.Record{Key: "now", Expires: now},
		store.Record{Key: "live", Expires: now.Add(time.Hour)})
	f.absent("past")
	f.absent("now")
}

func testRestoredExpire(f *fixture, r store.Restorer) {
	at := f.instant().Add(time.Second)
	f.restore(r, 1, store.Record{Key: "brief", Value: []byte("v"), Expires: at})
	f.clock.Advance(at.Sub(f.instant()) - time.Millisecond)
	if _, err := f.Get(f.ctx, "brief"); err != nil {
		f.Fatalf("1 ms before it expires: %v", err)
	}
	f.clock.Advance(2 * time.Millisecond)
	f.absent("brief")
	// Its place is free again.
	f.restore(r, 1, store.Record{Key: "brief", Value: []byte("again")})
	if record, err := f.Get(f.ctx, "brief"); err != nil || !record.Expires.IsZero() {
		f.Fatalf("restored over an expired record: expires %v, error %v", record.Expires, err)
	}
}

func testRestoreBounds(f *fixture, r store.Restorer) {
	for want, records := range map[error][]store.Record{
		store.ErrInvalid:  {{Key: "fine"}, {Key: ""}},
		store.ErrTooLarge: {{Key: "fine"}, {Key: strings.Repeat("k", store.MaxKey+1)}},
	} {
		if n, err := r.Restore(f.ctx, records); !errors.Is(err, want) || n != 0 {
			f.Errorf("%d written, error %v, want %v", n, err, want)
		}
		f.absent("fine")
	}
}
