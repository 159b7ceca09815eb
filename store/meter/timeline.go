package meter

import (
	"sync/atomic"
	"time"
)

// timeline turns readings of a clock into instants. It begins as Unix time and
// goes on by the monotonic reading of a clock that has one; when the wall clock
// is then set while the process runs, calendars and the instants that callers
// are told follow it, and waits are not touched.
type timeline struct {
	start  time.Time
	origin int64        // the start in Unix nanoseconds
	shift  atomic.Int64 // what the wall clock has been set by since, in nanoseconds
	looked atomic.Int64 // when the wall clock was last looked at, in nanoseconds since the start
}

// stray is how far the wall clock may drift before it counts as set.
const stray = int64(time.Second)

// look is how late a wall clock that was set may be noticed. The system tells the
// monotonic time alone in half the time that it takes to tell both.
const look = int64(100 * time.Millisecond)

func newTimeline(start time.Time) *timeline {
	return &timeline{start: start, origin: start.UnixNano()}
}

// now is the present by the system's clock.
func (t *timeline) now() Instant {
	passed := int64(time.Since(t.start))
	if passed-t.looked.Load() >= look {
		t.looked.Store(passed)
		return t.at(time.Now())
	}
	return instant(t.origin+passed, t.shift.Load())
}

func (t *timeline) at(now time.Time) Instant {
	ns := t.origin + int64(now.Sub(t.start))
	shift, off := t.shift.Load(), now.UnixNano()-ns
	if off-shift > stray || shift-off > stray {
		t.shift.Store(off)
		shift = off
	}
	return instant(ns, shift)
}
