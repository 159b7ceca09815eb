package meter

// slot is a cell under the hash of its name. 0 is no name: the slot is free.
type slot struct {
	cell

	id uint64
}

// table holds cells by open addressing with linear probing: 24 bytes a slot,
// nothing for the garbage collector to follow, and a few slots can be looked
// over at a time. It is not safe for concurrent use.
type table struct {
	slots  []slot // a power of two
	live   int
	cursor int
	// unswept is how many slots the sweep is behind.
	unswept int
}

const (
	smallest = 16
	// sample is how many cells are compared when one must be forgotten.
	sample = 8
	// sweptForNew is how many slots are looked over for each cell that comes: all
	// of them, before a quarter of them can be new.
	sweptForNew = 4
)

// find returns the place of id: where it is, or the free slot where it would be.
func (t *table) find(id uint64) int {
	mask := len(t.slots) - 1
	i := int(id>>32) & mask
	for t.slots[i].id != id && t.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	return i
}

// put writes a cell at a place that find returned, unless other cells were put
// there since.
func (t *table) put(place int, id uint64, c cell) {
	if held := t.slots[place].id; held != id && held != 0 {
		place = t.find(id)
	}
	if t.slots[place].id == 0 {
		t.live++
		t.unswept += sweptForNew
	}
	t.slots[place] = slot{id: id, cell: c}
}

// reserve makes room for n more cells: it grows to at most bound slots, and
// beyond that forgets those that are nearest to being free.
func (t *table) reserve(n, bound int) {
	for t.live+n > len(t.slots)/4*3 {
		if len(t.slots) < bound {
			t.resize(max(2*len(t.slots), smallest))
			continue
		}
		t.forget()
	}
}

func (t *table) resize(size int) {
	old := t.slots
	t.slots, t.live, t.cursor = make([]slot, size), 0, 0
	for i := range old {
		if old[i].id != 0 {
			t.put(t.find(old[i].id), old[i].id, old[i].cell)
		}
	}
}

// sweep looks over the next n slots and drops cells that say nothing any more.
// A table that has become nearly empty gives its memory back.
func (t *table) sweep(n int, now Micros) {
	if len(t.slots) == 0 {
		return
	}
	mask := len(t.slots) - 1
	for range n {
		at := t.cursor & mask
		if s := &t.slots[at]; s.id != 0 && s.full <= now {
			t.remove(at) // another cell may have moved here: look again
			continue
		}
		t.cursor = at + 1
	}
	if len(t.slots) > smallest && t.live < len(t.slots)/8 {
		t.resize(max(len(t.slots)/4, smallest))
	}
}

// forget drops, of the next few cells, the one that is free soonest.
func (t *table) forget() {
	mask := len(t.slots) - 1
	victim := -1
	for seen := 0; seen < sample; t.cursor++ {
		at := t.cursor & mask
		if t.slots[at].id == 0 {
			continue
		}
		if seen++; victim < 0 || t.slots[at].full < t.slots[victim].full {
			victim = at
		}
	}
	t.remove(victim)
}

// remove closes the gap, so that probing needs no tombstones (Knuth, volume 3,
// 6.4, algorithm R).
func (t *table) remove(gap int) {
	mask := len(t.slots) - 1
	t.live--
	for i := (gap + 1) & mask; t.slots[i].id != 0; i = (i + 1) & mask {
		home := int(t.slots[i].id>>32) & mask
		if (i-home)&mask >= (i-gap)&mask {
			t.slots[gap] = t.slots[i]
			gap = i
		}
	}
	t.slots[gap] = slot{}
}
