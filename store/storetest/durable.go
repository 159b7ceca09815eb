package storetest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/store"
)

// Reopen gives a test a place for one store, at first empty. Every call of the
// result opens the store that is there; the suite closes it before it calls
// again.
type Reopen func(t *testing.T, clock func() time.Time) func() store.Store

// RunDurable checks what a store that outlives its process promises beyond Run.
func RunDurable(t *testing.T, reopen Reopen) {
	t.Helper()
	t.Run("records survive", func(t *testing.T) { testSurvive(t, reopen) })
	t.Run("versions survive", func(t *testing.T) { testVersionsSurvive(t, reopen) })
	t.Run("model", func(t *testing.T) { testDurableModel(t, reopen) })
}

func testSurvive(t *testing.T, reopen Reopen) {
	f := &fixture{T: t, clock: NewClock(), ctx: t.Context()}
	open := reopen(t, f.clock.Now)
	f.use(open())
	kept := f.swap("kept", 0, "a", 0)
	brief := f.swap("brief", 0, "b", time.Minute)
	deleted := f.swap("deleted", 0, "c", 0)
	f.delete("deleted", deleted)
	for range 3 {
		if err := f.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		f.use(open())
		f.holds("kept", "a", kept)
		f.holds("brief", "b", brief)
		f.absent("deleted")
	}
	f.clock.Advance(time.Minute + time.Millisecond)
	f.absent("brief")
	if err := f.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	f.use(open())
	f.absent("brief")
	f.churn(200)
	f.absent("brief")
	f.holds("kept", "a", kept)
}

// testVersionsSurvive deletes the record that had the highest version and opens
// again: nothing in the data tells that version any more.
func testVersionsSurvive(t *testing.T, reopen Reopen) {
	f := &fixture{T: t, clock: NewClock(), ctx: t.Context()}
	open := reopen(t, f.clock.Now)
	var last store.Version
	for range 5 {
		f.use(open())
		for range 3 {
			v := f.swap("k", 0, "v", 0)
			if v <= last {
				t.Fatalf("version %d after %d", v, last)
			}
			last = v
			f.delete("k", v)
		}
		if err := f.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
}

func testDurableModel(t *testing.T, reopen Reopen) {
	f := &fixture{T: t, ctx: t.Context()}
	rapid.Check(t, func(t *rapid.T) {
		clock := NewClock()
		open := reopen(f.T, clock.Now)
		s := open()
		shut := func() {
			if err := s.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
		}
		defer func() { shut() }()
		walk(t, f, clock, func() store.Store { return s }, func() {
			shut()
			s = open()
		})
	})
}
