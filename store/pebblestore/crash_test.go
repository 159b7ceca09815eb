package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

func TestConformanceDurable(t *testing.T) {
	t.Parallel()
	storetest.RunDurable(t, func(t *testing.T, clock func() time.Time) func() store.Store {
		t.Helper()
		files := vfs.NewMem()
		return func() store.Store {
			s, err := open(files, "/data", Options{Clock: clock, ReserveBytes: -1})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

// crashDisk loses power while a store writes: the clone has what was synced at
// that instant and a random part of what was not.
func crashDisk(files *vfs.MemFS, unsynced int) *vfs.MemFS {
	return files.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: unsynced,
		RNG:                 rand.New(rand.NewPCG(rand.Uint64(), 1)),
	})
}

// Power is cut while writers write and readers read: every write that returned
// and every record that was read must be on the disk.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for round := range 30 {
		files := vfs.NewCrashableMem()
		s, err := open(files, "/a/b/data", Options{ReserveBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		const keys = 8
		var seen [keys]atomic.Uint64 // greatest version anybody knows of
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() { writeOn(ctx, t, s, i, &seen[i]) })
			wg.Go(func() { readOn(ctx, t, s, seen[:], i%2 == 0) })
		}
		for seen[round%keys].Load() < uint64(20+rand.IntN(200)) {
			if _, err := s.Get(t.Context(), "pace"); !errors.Is(err, store.ErrAbsent) {
				t.Fatal(err)
			}
		}
		var known [keys]uint64
		for i := range known {
			known[i] = seen[i].Load()
		}
		clone := crashDisk(files, round%3*40)
		cancel()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		checkClone(t, clone, known[:])
	}
}

func powerKey(i int) string { return fmt.Sprintf("k%d", i) }

func raise(seen *atomic.Uint64, v store.Version) {
	for {
		known := seen.Load()
		if known >= uint64(v) || seen.CompareAndSwap(known, uint64(v)) {
			return
		}
	}
}

func writeOn(ctx context.Context, t *testing.T, s store.Store, i int, seen *atomic.Uint64) {
	var v store.Version
	for {
		next, err := s.Swap(ctx, powerKey(i), v, make([]byte, 100*i), 0)
		if errors.Is(err, context.Canceled) {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		raise(seen, next)
		v = next
	}
}

func readOn(ctx context.Context, t *testing.T, s store.Store, seen []atomic.Uint64, scan bool) {
	for n := 0; ; n++ {
		var page []store.Record
		var err error
		if i := n % len(seen); scan {
			page, err = s.Scan(ctx, "k", "", len(seen))
		} else {
			page = make([]store.Record, 1)
			page[0], err = s.Get(ctx, powerKey(i))
		}
		switch {
		case errors.Is(err, context.Canceled):
			return
		case errors.Is(err, store.ErrAbsent):
			continue
		case err != nil:
			t.Error(err)
			return
		}
		for _, r := range page {
			raise(&seen[r.Key[1]-'0'], r.Version)
		}
	}
}

func checkClone(t *testing.T, files *vfs.MemFS, known []uint64) {
	t.Helper()
	s, err := open(files, "/a/b/data", Options{ReserveBytes: -1})
	if err != nil {
		t.Fatalf("after a power cut: %v", err)
	}
	for i, version := range known {
		r, err := s.Get(t.Context(), powerKey(i))
		if errors.Is(err, store.ErrAbsent) && version == 0 {
			continue
		}
		if err != nil || uint64(r.Version) < version {
			t.Errorf("%s: version %d was known, %d is there, %v", powerKey(i), version, r.Version, err)
		}
	}
	v, err := s.Swap(t.Context(), "fresh", 0, nil, 0)
	if err != nil || uint64(v) <= known[0] {
		t.Errorf("after a power cut: version %d, %v", v, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Power is cut at every step of the creation: the directory opens all the same.
func TestPowerCutAtCreation(t *testing.T) {
	t.Parallel()
	cuts := 0
	for ops := range 60 {
		files := vfs.NewCrashableMem()
		var cut *vfs.MemFS
		left := ops
		first, err := open(&stepFS{FS: files, step: func() {
			if left--; left == 0 {
				cut = crashDisk(files, 50)
			}
		}}, "/a/b/data", Options{ReserveBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		if cut == nil {
			continue
		}
		cuts++
		s, err := open(cut, "/a/b/data", Options{ReserveBytes: -1})
		if err != nil {
			t.Fatalf("cut at operation %d: %v", ops, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if cuts < 10 {
		t.Fatalf("the creation had %d steps only", cuts)
	}
}
