package admission

import (
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/store/meter"
)

// timeline turns instants into nanoseconds since its start and back. It goes by
// the monotonic reading of a clock that has one; when the wall clock is then set
// while the process runs, instants that are told to callers follow it, and
// waits are not touched.
type timeline struct {
	start time.Time
	wall  atomic.Int64 // the start in Unix nanoseconds, as the wall clock has it now
}

// step is how far the wall clock may stray before it counts as set.
const step = int64(time.Second)

func newTimeline(start time.Time) *timeline {
	t := &timeline{start: start}
	t.wall.Store(start.UnixNano())
	return t
}

func (t *timeline) at(now time.Time) int64 {
	ns := int64(now.Sub(t.start))
	wall := now.UnixNano() - ns
	if off := wall - t.wall.Load(); off > step || off < -step {
		t.wall.Store(wall)
	}
	return ns
}

func (t *timeline) instant(ns int64) time.Time {
	return time.Unix(0, t.wall.Load()+ns).UTC()
}

// micros is an instant as limits know it.
func (t *timeline) micros(ns int64) meter.Instant {
	return meter.Instant{Now: meter.Micros(ns / 1000), Past: time.Duration(ns % 1000), Shift: meter.Micros(t.wall.Load() / 1000)}
}
