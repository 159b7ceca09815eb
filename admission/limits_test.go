package admission

import (
	"sync/atomic"
	"testing"
	"time"
)

// fakeClock is a clock without a monotonic reading that tests set.
type fakeClock struct{ ns atomic.Int64 }

func newFakeClock() *fakeClock {
	c := &fakeClock{}
	c.ns.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *fakeClock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *fakeClock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

// TestWallClockThatIsSet: waits go on by the monotonic reading, and the
// instants that callers are told follow the wall.
func TestWallClockThatIsSet(t *testing.T) {
	t.Parallel()
	start := time.Now()
	line := newTimeline(start)
	ns := line.at(start.Add(10 * time.Second))
	if got := line.instant(ns); !got.Equal(start.Add(10 * time.Second)) {
		t.Errorf("instant %v", got)
	}
	line.wall.Add(-int64(time.Hour)) // as if the wall had been set an hour on since
	if again := line.at(start.Add(10 * time.Second)); again != ns {
		t.Errorf("the set wall moved the line by %d ns", again-ns)
	}
	if got := line.instant(ns); !got.Equal(start.Add(10 * time.Second)) {
		t.Errorf("told %v after the wall was set", got)
	}
}
