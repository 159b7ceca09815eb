package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func (m *Memory) held() (entries, keys, expiring int) {
	for i := range m.shards {
		s := &m.shards[i]
		entries += len(s.entries)
		expiring += len(s.expiry)
		for _, run := range s.keys.runs {
			keys += len(run)
		}
	}
	return entries, keys, expiring
}

// Expired records nobody asks for again go away within later calls on another
// key, and no call reclaims more than its share.
func TestMemoryReclaims(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	m := &Memory{Clock: func() time.Time { return now }}
	const n = 5000
	for i := range n {
		if _, err := m.Swap(t.Context(), fmt.Sprintf("k%d", i), 0, []byte("v"), time.Second); err != nil {
			t.Fatal(err)
		}
	}
	version, err := m.Swap(t.Context(), "other", 0, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, calls := range []struct {
		name string
		call func() error
		most int // calls until half of the backlog is gone
	}{
		{"Get", func() error { _, err := m.Get(t.Context(), "other"); return err }, 2 * n * sweepEvery / sweepMax},
		{"Swap", func() error { version, err = m.Swap(t.Context(), "other", version, nil, 0); return err }, 2 * n / sweepMax},
		{"Delete", func() error { _ = m.Delete(t.Context(), "other", 0); return nil }, 2 * n / sweepMax},
	} {
		now = now.Add(time.Second)
		before, _, _ := m.held()
		for i := 0; ; i++ {
			was, _, _ := m.held()
			if err := calls.call(); err != nil {
				t.Fatal(err)
			}
			is, keys, expiring := m.held()
			if was-is > 2*sweepMax {
				t.Fatalf("%s reclaimed %d records in one call", calls.name, was-is)
			}
			if keys != is || expiring != is-1 {
				t.Fatalf("%d entries, %d ordered keys, %d in the expiry heap", is, keys, expiring)
			}
			if is <= before/2 {
				break
			}
			if i == calls.most {
				t.Fatalf("%s: %d of %d records are left after %d calls", calls.name, is, before, i)
			}
		}
	}
}

// Rewriting a record leaves nothing behind.
func TestMemoryRewriteDoesNotGrow(t *testing.T) {
	t.Parallel()
	var m Memory
	var version Version
	for range 1000 {
		var err error
		if version, err = m.Swap(t.Context(), "k", version, []byte("v"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if entries, keys, expiring := m.held(); entries != 1 || keys != 1 || expiring != 1 {
		t.Fatalf("%d entries, %d ordered keys, %d in the expiry heap; want one of each", entries, keys, expiring)
	}
}

// The ordered keys keep their order over splits and emptied runs.
func TestOrdered(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var o ordered
	present := make(map[string]*entry)
	for step := range 20_000 {
		key := fmt.Sprintf("%05d", random.IntN(6000))
		if e := present[key]; e != nil && (step > 10_000 || random.IntN(4) == 0) {
			o.remove(e)
			delete(present, key)
		} else if e == nil && step <= 10_000 {
			present[key] = &entry{key: key}
			o.add(present[key])
		}
	}
	var keys []string
	o.from("", func(e *entry) bool { keys = append(keys, e.key); return true })
	if !slices.IsSorted(keys) || len(keys) != len(present) {
		t.Fatalf("%d keys for %d entries, sorted: %v", len(keys), len(present), slices.IsSorted(keys))
	}
	for _, run := range o.runs {
		if len(run) == 0 || len(run) >= runMax {
			t.Fatalf("a run of %d entries", len(run))
		}
	}
	for _, e := range present {
		o.remove(e)
	}
	if len(o.runs) != 0 {
		t.Fatalf("%d runs are left of nothing", len(o.runs))
	}
}

// A shard that holds most of the next keys does not let the others go ahead.
func TestMemoryScanUneven(t *testing.T) {
	t.Parallel()
	var m Memory
	var want []string
	for i, crowded, others := 0, 0, 0; crowded < 300 || others < 300; i++ {
		key := fmt.Sprintf("%05d", i)
		switch {
		case m.shardOf(key) == 0 && crowded < 300:
			crowded++
		case m.shardOf(key) != 0 && others < 300:
			key = "later" + key
			others++
		default:
			continue
		}
		if _, err := m.Swap(t.Context(), key, 0, nil, 0); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
	}
	slices.Sort(want)
	for _, page := range []int{1, 10, 64, 299, 300, 600, 1000} {
		var got []string
		for r, err := range All(t.Context(), &m, "", page) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d keys of %d, in order: %v", page, len(got), len(want), slices.IsSorted(got))
		}
	}
}

// The heap gives up its entries by deadline, whatever was done to them before.
func TestExpiryHeap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var h expiryHeap
	for range 500 {
		h.add(&entry{deadline: random.Int64N(1000)})
		e := h[random.IntN(len(h))]
		if random.IntN(4) == 0 {
			h.remove(e)
			continue
		}
		e.deadline = random.Int64N(1000)
		h.fix(e)
	}
	for last := int64(-1); len(h) > 0; h.remove(h[0]) {
		if h[0].deadline < last {
			t.Fatalf("deadline %d after %d", h[0].deadline, last)
		}
		last = h[0].deadline
	}
}
