package pebblestore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/failwell/failwell/store"
)

// That a key is not there is told by the engine's filters where the store's own has
// nothing to say, on the last level too.
func TestAbsentKeysReadNothing(t *testing.T) {
	t.Parallel()
	s, err := open(vfs.NewMem(), "/data", Options{ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 500 {
		if _, err := s.Swap(t.Context(), fmt.Sprintf("k%d", i), 0, []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	if last := s.db.Metrics().Levels[6].TablesCount; last == 0 {
		t.Fatal("nothing is on the last level")
	}
	s.present.whole.Store(nil)
	s.present.busy.Store(true)
	for i := range 400 {
		if _, err := s.Get(t.Context(), fmt.Sprintf("k%d-", i)); !errors.Is(err, store.ErrAbsent) {
			t.Fatal(err)
		}
	}
	if hits := s.db.Metrics().Filter.Hits; hits < 380 {
		t.Errorf("the filters have told %d of 400", hits)
	}
	for i := range 500 {
		if r, err := s.Get(t.Context(), fmt.Sprintf("k%d", i)); err != nil || string(r.Value) != "v" {
			t.Fatal(r, err)
		}
	}
}

// A record is reclaimed at the first whole second that it does not live to see,
// wherever in a second its life was to end, and however often that was changed.
func TestReclaimsWithinASecond(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000_250)
	s := openAt(t, &now)
	var v store.Version
	for _, ttl := range []time.Duration{1700 * time.Millisecond, 1749 * time.Millisecond, 1750 * time.Millisecond, 200 * time.Millisecond, 1600 * time.Millisecond} {
		var err error
		if v, err = s.Swap(t.Context(), "k", v, nil, ttl); err != nil {
			t.Fatal(err)
		}
		if _, deadlines := s.held(t); deadlines != 1 {
			t.Fatalf("%d deadlines of one record", deadlines)
		}
	}
	for _, step := range []struct {
		to   int64
		held int
	}{{1_000_001_849, 1}, {1_000_001_999, 1}, {1_000_002_000, 0}} {
		now = time.UnixMilli(step.to)
		if err := s.clean(step.to); err != nil {
			t.Fatal(err)
		}
		if records, deadlines := s.held(t); records != step.held || deadlines != step.held {
			t.Errorf("at %d: %d records, %d deadlines", step.to, records, deadlines)
		}
		if _, err := s.Get(t.Context(), "k"); (err == nil) != (step.to < 1_000_001_850) {
			t.Errorf("at %d: %v", step.to, err)
		}
	}
}
