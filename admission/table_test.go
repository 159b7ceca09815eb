package admission

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract"
)

// TestTableAgainstMap: whatever is put, swept and moved, a cell that still says
// something is found again, and one that does not goes.
func TestTableAgainstMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var tab table
		model := map[uint64]cell{}
		now := int64(0)
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			// Few homes, so that probing chains are long and wrap around.
			id := uint64(rapid.IntRange(13, 18).Draw(t, "home"))<<32 | uint64(rapid.IntRange(1, 60).Draw(t, "id"))
			tab.sweep(4, now)
			tab.reserve(1, 1<<20)
			c := cell{full: now + rapid.Int64Range(1, 100).Draw(t, "for"), used: int64(id)}
			tab.put(tab.find(id), id, c)
			model[id] = c
			now += rapid.Int64Range(0, 10).Draw(t, "pause")
		}
		for id, c := range model {
			if c.full <= now {
				continue
			}
			if got := tab.slots[tab.find(id)]; got.id != id || got.cell != c {
				t.Fatalf("%x: %+v, want %+v", id, got, c)
			}
		}
		now += 1000
		for range 2 * len(tab.slots) {
			tab.sweep(4, now)
		}
		if tab.live != 0 || len(tab.slots) != smallest {
			t.Fatalf("%d cells in %d slots after all were idle", tab.live, len(tab.slots))
		}
	})
}

// TestLimiterStaysBounded: a crowd of a million passes, and nothing is left of
// it once its limits are free, although only one caller goes on.
func TestLimiterStaysBounded(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	l := &LocalLimiter{Clock: clock.Now, Slots: 1 << 16}
	rate := &contract.Rate{Limit: 60, Per: time.Minute, Burst: 1}
	demand, outcome := []Demand{{Limit: "a", Rate: rate, Cost: 1}}, make([]Outcome, 1)
	take := func(subject string) bool {
		demand[0].Subject = subject
		admitted, err := l.Take(t.Context(), subject, demand, outcome)
		if err != nil {
			t.Fatal(err)
		}
		return admitted
	}
	slots := func() (n int) {
		for i := range l.shards {
			n += len(l.shards[i].table.slots)
		}
		return n
	}
	for i := range 1_000_000 {
		if !take(fmt.Sprint("key_", i)) {
			t.Fatalf("caller %d was refused its first call", i)
		}
	}
	if n := slots(); n > 1<<16 {
		t.Errorf("%d slots, the bound is %d", n, 1<<16)
	}
	for range 1 << 17 {
		clock.Advance(time.Second)
		if !take("alone") {
			t.Fatal("a caller who keeps to the rate was refused")
		}
	}
	if n := slots(); n > 2*smallest*limiterShards {
		t.Errorf("%d slots are left after all are idle", n)
	}
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
	for _, algorithm := range bothAlgorithms {
		for _, limits := range []int{1, 3} {
			b.Run(fmt.Sprintf("%s/limits=%d", algorithm, limits), func(b *testing.B) {
				l := &LocalLimiter{}
				rate := &contract.Rate{Limit: 1000, Per: time.Minute, Algorithm: algorithm}
				demands, outcomes := make([]Demand, limits), make([]Outcome, limits)
				take := func(i int) {
					for j := range demands {
						demands[j] = Demand{Limit: "plan/pro/per 1m0s"[:10+j], Subject: keys[i%len(keys)], Rate: rate, Cost: 1}
					}
					if _, err := l.Take(b.Context(), keys[i%len(keys)], demands, outcomes); err != nil {
						b.Fatal(err)
					}
				}
				for i := range keys {
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

// BenchmarkTakeParallel is the same from all processors at once.
func BenchmarkTakeParallel(b *testing.B) {
	keys := benchmarkKeys(100_000)
	l := &LocalLimiter{}
	rate := &contract.Rate{Limit: 1000, Per: time.Minute}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		demands, outcomes := make([]Demand, 1), make([]Outcome, 1)
		for i := 0; pb.Next(); i += 31 {
			key := keys[i%len(keys)]
			demands[0] = Demand{Limit: "plan/pro/per 1m0s", Subject: key, Rate: rate, Cost: 1}
			if _, err := l.Take(b.Context(), key, demands, outcomes); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMemory is what a million busy limits take, each.
func BenchmarkMemory(b *testing.B) {
	keys := benchmarkKeys(1_000_000)
	rate := &contract.Rate{Limit: 1000, Per: time.Hour}
	var each float64
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l := &LocalLimiter{}
		demands, outcomes := []Demand{{Limit: "a", Rate: rate, Cost: 1}}, make([]Outcome, 1)
		for _, key := range keys {
			demands[0].Subject = key
			if _, err := l.Take(b.Context(), key, demands, outcomes); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each = float64(after.HeapAlloc-before.HeapAlloc) / float64(len(keys))
		runtime.KeepAlive(l)
	}
	b.ReportMetric(each, "B/key")
}
