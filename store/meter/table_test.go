package meter

import (
	"testing"

	"pgregory.net/rapid"
)

// TestTableAgainstMap: whatever is put, swept and moved, a cell that still says
// something is found again, and one that does not goes.
func TestTableAgainstMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var tab table
		model := map[uint64]cell{}
		now := Micros(0)
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			// Few homes, so that probing chains are long and wrap around.
			id := uint64(rapid.IntRange(13, 18).Draw(t, "home"))<<32 | uint64(rapid.IntRange(1, 60).Draw(t, "id"))
			tab.sweep(4, now)
			tab.reserve(1, 1<<20)
			c := cell{full: now + Micros(rapid.Int64Range(1, 100).Draw(t, "for")), used: int64(id)}
			tab.put(tab.find(id), id, c)
			model[id] = c
			now += Micros(rapid.Int64Range(0, 10).Draw(t, "pause"))
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
