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
	"pgregory.net/rapid"

	"github.com/failwell/failwell/store"
)

func TestFilterForgetsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFilter(rapid.IntRange(0, 300).Draw(t, "room"))
		hashes := rapid.SliceOf(rapid.Uint64()).Draw(t, "hashes")
		for i, h := range hashes {
			f.add(h)
			for _, h := range hashes[:i+1] {
				if !f.has(h) {
					t.Fatalf("%x is forgotten", h)
				}
			}
		}
	})
}

func TestFilterIsRarelyWrong(t *testing.T) {
	t.Parallel()
	const room, asked = 1 << 16, 1 << 20
	f, random := newFilter(room), rand.New(rand.NewPCG(1, 2))
	for range room {
		f.add(random.Uint64())
	}
	wrong := 0
	for range asked {
		if f.has(random.Uint64()) {
			wrong++
		}
	}
	if wrong > asked/500 {
		t.Errorf("wrong for %d of %d", wrong, asked)
	}
	if counted := f.count.Load(); counted < room*99/100 || counted > room {
		t.Errorf("counted %d of %d", counted, room)
	}
}

func openPresent(t *testing.T, files vfs.FS, clock func() time.Time) *Store {
	t.Helper()
	s, err := open(files, "/data", Options{Clock: clock, ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Filters are filled again and again while records come and go in every way there
// is: none is ever said to be absent that was written and not deleted.
func TestNoRecordIsSaidToBeAbsent(t *testing.T) {
	t.Parallel()
	s := openPresent(t, vfs.NewMem(), nil)
	defer s.Close()
	s.present.busy.Store(true) // nobody else fills
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var fills, checks atomic.Int64
	all.Go(func() {
		defer stop()
		for (fills.Load() < 40 || checks.Load() < 4000) && !t.Failed() {
			if err := s.fill(1, 16); err != nil {
				t.Error(err)
				return
			}
			fills.Add(1)
		}
	})
	for writer := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 1))
			for n := 0; ctx.Err() == nil && !t.Failed(); n++ {
				if err := churnPresence(s, fmt.Sprintf("%d-%d", writer, random.IntN(300)), random.IntN(3)); err != nil {
					t.Error(err)
					return
				}
				checks.Add(1)
			}
		})
	}
	all.Wait()
}

// churnPresence writes a key that nobody else writes, and asks the filter alone.
func churnPresence(s *Store, key string, how int) error {
	ctx := context.Background()
	there := func(when string) error {
		if s.present.absent(s.hash(key)) {
			return fmt.Errorf("%s %s it is said to be absent", key, when)
		}
		return nil
	}
	r, err := s.Get(ctx, key)
	switch {
	case err == nil && how == 0:
		return errors.Join(there("when read"), s.Delete(ctx, key, r.Version))
	case err == nil:
		_, err := s.Swap(ctx, key, r.Version, nil, time.Hour)
		return errors.Join(err, there("when written again"))
	case !errors.Is(err, store.ErrAbsent):
		return err
	case how == 1:
		n, err := s.Restore(ctx, []store.Record{{Key: key}})
		if n != 1 {
			err = fmt.Errorf("%d restored: %w", n, err)
		}
		return errors.Join(err, there("when restored"))
	}
	_, err = s.Swap(ctx, key, 0, nil, 0)
	return errors.Join(err, there("when written"))
}

// A store that is opened again knows nothing, then everything: also what was
// added while it read.
func TestPresenceOfAnOpenedStore(t *testing.T) {
	t.Parallel()
	files := vfs.NewMem()
	s := openPresent(t, files, nil)
	key := func(i int) string { return fmt.Sprintf("key-%d", i) }
	const before = 2*fillStep + 10
	records := make([]store.Record, 0, before)
	for i := range before {
		records = append(records, store.Record{Key: key(i)})
	}
	if _, err := s.Restore(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openPresent(t, files, nil)
	if s.present.whole.Load() != nil {
		t.Fatal("it has read nothing, and knows all")
	}
	after := before
	for ; s.present.whole.Load() == nil; after++ {
		if _, err := s.Get(t.Context(), key(after)+"-"); !errors.Is(err, store.ErrAbsent) {
			t.Fatal(err)
		}
		if _, err := s.Swap(t.Context(), key(after), 0, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	for i := range after {
		if s.present.absent(s.hash(key(i))) {
			t.Fatalf("%s of %d is said to be absent", key(i), after)
		}
	}
	absent := 0
	for i := range 1000 {
		if s.knowsAbsent(fmt.Sprintf("other-%d", i)) {
			absent++
		}
	}
	if absent < 950 {
		t.Errorf("of 1000 keys without a record %d are known to have none", absent)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// What has expired is in the engine until it is reclaimed, and counts: the clock may
// go back.
func TestExpiredIsPresent(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	files := vfs.NewMem()
	s := openPresent(t, files, func() time.Time { return now })
	if _, err := s.Swap(t.Context(), "k", 0, nil, time.Second); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if err := s.fill(1, 16); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Hour)
	if _, err := s.Get(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A filter that is full is made anew once, and not because it has become full with
// records that are there.
func TestFullFiltersAreMadeAnew(t *testing.T) {
	t.Parallel()
	s := openPresent(t, vfs.NewMem(), nil)
	defer s.Close()
	first := newFilter(1)
	s.present.whole.Store(first)
	for i := range 1000 {
		if _, err := s.Swap(t.Context(), fmt.Sprint(i), 0, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if !s.present.full() {
		t.Fatal("1000 keys in room for one, and it is not full")
	}
	for i := 0; s.present.whole.Load() == first; i++ {
		if _, err := s.Get(t.Context(), fmt.Sprint("no ", i)); !errors.Is(err, store.ErrAbsent) {
			t.Fatal(err)
		}
	}
	if s.present.full() {
		t.Error("the new one is full as well")
	}
	s.present.busy.Store(true)
	if err := s.fill(1, 16); err != nil {
		t.Fatal(err)
	}
	if s.present.full() {
		t.Error("one that is too small for what is there is full for ever")
	}
}

func BenchmarkAbsent(b *testing.B) {
	s, err := open(vfs.NewMem(), "/data", Options{ReserveBytes: -1, NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range 100_000 {
		if _, err := s.Swap(b.Context(), fmt.Sprint(i), 0, nil, 0); err != nil {
			b.Fatal(err)
		}
	}
	ofAll := s.present.whole.Load()
	keys := make([]string, 1<<14)
	for i := range keys {
		keys[i] = fmt.Sprintf("a key that has none %d", i)
	}
	for name, whole := range map[string]*filter{"engine": nil, "filter": ofAll} {
		b.Run(name, func(b *testing.B) {
			s.present.busy.Store(true)
			s.present.whole.Store(whole)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.Get(b.Context(), keys[i%len(keys)]); !errors.Is(err, store.ErrAbsent) {
					b.Fatal(err)
				}
			}
		})
	}
}
