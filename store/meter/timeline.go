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
}

// stray is how far the wall clock may drift before it counts as set.
const stray = int64(time.Second)

func newTimeline(start time.Time) *timeline {
	return &timeline{start: start, origin: start.UnixNano()}
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
