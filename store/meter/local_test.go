package meter

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// TestLocalStaysBounded: a crowd of 200,000 passes, and nothing is left of
// it once its limits are free, although only one caller goes on.
func TestLocalStaysBounded(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	l := &Local{Clock: clock.Now, Slots: 1 << 14}
	rule := &Rule{Limit: 60, Per: time.Minute, Burst: 1}
	x := Taking{Demands: []Demand{{Limit: "a", Rule: rule, Cost: 1}}, Outcomes: make([]Outcome, 1)}
	take := func(subject string) bool {
		x.Owner, x.Demands[0].Subject = subject, subject
		if err := l.Take(t.Context(), &x); err != nil {
			t.Fatal(err)
		}
		return x.Admitted
	}
	slots := func() (n, queues int) {
		for i := range l.shards {
			n += len(l.shards[i].table.slots)
			queues += len(l.shards[i].queues)
		}
		return n, queues
	}
	for i := range 200_000 {
		subject := fmt.Sprint("key_", i)
		if !take(subject) {
			t.Fatalf("caller %d was refused its first call", i)
		}
		take(subject) // is refused, and gets an appointment
	}
	if n, queues := slots(); n > 1<<14 || queues > max(1<<14/queuesPerSlot, smallest*shards) || queues < shards {
		t.Errorf("%d slots and %d queues, the bound is %d", n, queues, 1<<14)
	}
	for range 1 << 16 {
		clock.Advance(time.Second)
		if !take("alone") {
			t.Fatal("a caller who keeps to the rate was refused")
		}
	}
	if n, queues := slots(); n > 2*smallest*shards || queues > 0 {
		t.Errorf("%d slots and %d queues are left after all are idle", n, queues)
	}
}

// TestLocalFollowsCallersWhoPass: new callers come all the time and are free again
// a second later, and the tables are not longer than those of one second need.
func TestLocalFollowsCallersWhoPass(t *testing.T) {
	t.Parallel()
	const each, limits = 100 * time.Microsecond, 8
	clock := newFakeClock()
	l := &Local{Clock: clock.Now}
	rule := &Rule{Limit: 1, Per: time.Second}
	x := Taking{Demands: make([]Demand, limits), Outcomes: make([]Outcome, limits)}
	for i := range 100_000 {
		x.Owner = fmt.Sprint("key_", i)
		for j := range x.Demands {
			x.Demands[j] = Demand{Limit: string(rune('a' + j)), Subject: x.Owner, Rule: rule, Cost: 1}
		}
		if err := l.Take(t.Context(), &x); err != nil || !x.Admitted {
			t.Fatal(err, x.Outcomes)
		}
		clock.Advance(each)
	}
	n := 0
	for i := range l.shards {
		n += len(l.shards[i].table.slots)
	}
	if busy := int(limits * time.Second / each); n > 4*busy {
		t.Errorf("%d slots for %d busy limits", n, busy)
	}
}

// TestWallClockThatIsSet: waits go on by the monotonic reading, and the
// instants that callers are told follow the wall.
func TestWallClockThatIsSet(t *testing.T) {
	t.Parallel()
	start := time.Now()
	line := newTimeline(start)
	later := start.Add(10 * time.Second)
	at := line.at(later)
	if got := at.tell(at.Now); !got.Equal(later.Truncate(time.Microsecond)) {
		t.Errorf("instant %v, want %v", got, later)
	}
	line.origin -= int64(time.Hour) // as if the wall had been set an hour on since
	again := line.at(later)
	if got := at.Now - again.Now; got != Micros(time.Hour.Microseconds()) {
		t.Errorf("the line moved by %d µs", got)
	}
	if got := again.tell(again.Now); !got.Equal(later.Truncate(time.Microsecond)) {
		t.Errorf("told %v after the wall was set", got)
	}
	if again.wall() != Micros(later.UnixMicro()) {
		t.Errorf("the calendar is at %d", again.wall())
	}
}

// TestWallClockIsLookedAtNowAndThen: decisions go by the monotonic time alone, and
// a wall clock that was set is noticed all the same.
func TestWallClockIsLookedAtNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := newTimeline(time.Now())
		line.origin -= int64(time.Hour) // as if the wall had been set an hour on since
		time.Sleep(time.Duration(look) - time.Millisecond)
		if at := line.now(); at.Shift != 0 {
			t.Errorf("the wall clock was looked at before its time: %v", at.Shift)
		}
		time.Sleep(time.Millisecond)
		for range 2 {
			if at := line.now(); at.wall() != Micros(time.Now().UnixMicro()) {
				t.Errorf("the calendar is at %d, the wall clock at %d", at.wall(), time.Now().UnixMicro())
			}
			time.Sleep(time.Microsecond)
		}
	})
}

func benchmarkKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key_%012x", i*7919%n)
	}
	return keys
}

// BenchmarkTake is one decision on one of 100,000 keys.
func BenchmarkTake(b *testing.B) {
	keys := benchmarkKeys(100_000)
	for _, kind := range []Kind{Rate, Window} {
		for _, limits := range []int{1, 3} {
			for _, limit := range []int64{1, 1000} {
				b.Run(fmt.Sprintf("kind=%d/limits=%d/limit=%d", kind, limits, limit), func(b *testing.B) {
					l := &Local{}
					rule := &Rule{Limit: limit, Per: time.Minute, Kind: kind}
					x := Taking{Demands: make([]Demand, limits), Outcomes: make([]Outcome, limits)}
					take := func(i int) {
						x.Owner = keys[i%len(keys)]
						for j := range x.Demands {
							x.Demands[j] = Demand{Limit: "plan/pro/per 1m0s"[:10+j], Subject: x.Owner, Rule: rule, Cost: 1}
						}
						if err := l.Take(b.Context(), &x); err != nil {
							b.Fatal(err)
						}
					}
					for i := range 2 * len(keys) {
						take(i)
					}
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						take(i)
						i++
					}
				})
			}
		}
	}
}

// BenchmarkTakeAtRandom is one decision on one of 100,000 keys, which are in no
// cache that is near.
func BenchmarkTakeAtRandom(b *testing.B) {
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("key_%024x", uint64(i)*0x9e3779b97f4a7c15)
	}
	l := &Local{}
	rule := &Rule{Limit: 1 << 31, Per: time.Hour}
	x := Taking{Demands: make([]Demand, 1), Outcomes: make([]Outcome, 1)}
	take := func(key string) {
		x.Owner = key
		x.Demands[0] = Demand{Limit: "plan/pro/rate", Subject: key, Rule: rule, Cost: 1}
		if err := l.Take(b.Context(), &x); err != nil || !x.Admitted {
			b.Fatal(err, x.Outcomes[0])
		}
	}
	for _, key := range keys {
		take(key)
	}
	random := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		take(keys[random.IntN(len(keys))])
	}
}

// BenchmarkTakeParallel is the same from all processors at once.
func BenchmarkTakeParallel(b *testing.B) {
	keys := benchmarkKeys(100_000)
	l := &Local{}
	rule := &Rule{Limit: 1000, Per: time.Minute}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		x := Taking{Demands: make([]Demand, 1), Outcomes: make([]Outcome, 1)}
		for i := 0; pb.Next(); i += 31 {
			x.Owner = keys[i%len(keys)]
			x.Demands[0] = Demand{Limit: "plan/pro/per 1m0s", Subject: x.Owner, Rule: rule, Cost: 1}
			if err := l.Take(b.Context(), &x); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMemory is what a million busy limits take, each.
func BenchmarkMemory(b *testing.B) {
	keys := benchmarkKeys(1_000_000)
	rule := &Rule{Limit: 1000, Per: time.Hour}
	var each, taken float64
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l := &Local{}
		x := Taking{Demands: []Demand{{Limit: "a", Rule: rule, Cost: 1}}, Outcomes: make([]Outcome, 1)}
		for _, key := range keys {
			x.Owner, x.Demands[0].Subject = key, key
			if err := l.Take(b.Context(), &x); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each = float64(after.HeapAlloc-before.HeapAlloc) / float64(len(keys))
		taken = float64(after.HeapSys-before.HeapSys) / float64(len(keys))
		runtime.KeepAlive(l)
	}
	b.ReportMetric(each, "B/key")
	b.ReportMetric(taken, "taken-B/key") // of the system, what is outgrown included
}
