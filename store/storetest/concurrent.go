package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/store"
)

// crowd is how many goroutines the concurrent checks use.
const crowd = 64

func (f *fixture) together(do func(i int) error) {
	f.Helper()
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			if err := do(i); err != nil {
				f.Error(err)
			}
		})
	}
	wg.Wait()
	if f.Failed() {
		f.FailNow()
	}
}

// testOneWinner counts with compare-and-swap: a lost update would show in the
// sum, and two winners of one version in the list of replaced versions.
func testOneWinner(f *fixture) {
	const each = 4
	f.swap("counter", 0, "0", 0)
	var mu sync.Mutex
	var replaced []store.Version
	f.together(func(int) error {
		for done := 0; done < each; {
			r, err := f.Get(f.ctx, "counter")
			if err != nil {
				return fmt.Errorf("get: %w", err)
			}
			n, err := strconv.Atoi(string(r.Value))
			if err != nil {
				return fmt.Errorf("value: %w", err)
			}
			v, err := f.Swap(f.ctx, "counter", r.Version, []byte(strconv.Itoa(n+1)), time.Hour)
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			if err != nil || v <= r.Version {
				return fmt.Errorf("swap from %d: version %d, %w", r.Version, v, err)
			}
			done++
			mu.Lock()
			replaced = append(replaced, r.Version)
			mu.Unlock()
		}
		return nil
	})
	r, err := f.Get(f.ctx, "counter")
	if err != nil || string(r.Value) != strconv.Itoa(crowd*each) {
		f.Fatalf("counted to %q, %v; want %d", r.Value, err, crowd*each)
	}
	slices.Sort(replaced)
	if len(slices.Compact(replaced)) != crowd*each {
		f.Fatal("a version was replaced twice")
	}
}

// testOneInsertion has a crowd fight over absent keys, and over their removal.
func testOneInsertion(f *fixture) {
	for round := range 10 {
		key := fmt.Sprintf("prize%d", round%3)
		var won, removed atomic.Int32
		var version atomic.Uint64
		f.together(func(i int) error {
			v, err := f.Swap(f.ctx, key, 0, []byte(strconv.Itoa(i)), time.Minute)
			if errors.Is(err, store.ErrConflict) {
				return nil
			}
			won.Add(1)
			version.Store(uint64(v))
			return err
		})
		if won.Load() != 1 {
			f.Fatalf("%d goroutines inserted one key", won.Load())
		}
		f.together(func(int) error {
			err := f.Delete(f.ctx, key, store.Version(version.Load()))
			if errors.Is(err, store.ErrAbsent) {
				return nil
			}
			removed.Add(1)
			return err
		})
		if removed.Load() != 1 {
			f.Fatalf("%d goroutines removed one record", removed.Load())
		}
	}
}

// testReaders writes values of one repeated byte: a torn value has two, and a
// version that goes back is a stale read.
func testReaders(f *fixture) {
	const keys, writes = 4, 40
	write := func(i int) error {
		key := fmt.Sprintf("k%d", i)
		var v store.Version
		for n := range writes {
			var err error
			if v, err = f.Swap(f.ctx, key, v, slices.Repeat([]byte{byte(n)}, 100+n), 0); err != nil {
				return fmt.Errorf("swap: %w", err)
			}
		}
		return nil
	}
	read := func(i int) error {
		var last [keys]store.Version
		for range writes {
			var page []store.Record
			var err error
			if i%2 == 0 {
				page, err = f.Scan(f.ctx, "k", "", keys)
			} else {
				var r store.Record
				r, err = f.Get(f.ctx, fmt.Sprintf("k%d", i%keys))
				page = []store.Record{r}
			}
			if errors.Is(err, store.ErrAbsent) {
				continue
			}
			if err != nil {
				return err
			}
			for _, r := range page {
				at := r.Key[1] - '0'
				if len(r.Value) == 0 || len(r.Value) != 100+int(r.Value[0]) || len(slices.Compact(r.Value)) != 1 {
					return fmt.Errorf("torn value %v", r.Value)
				}
				if r.Version < last[at] {
					return fmt.Errorf("%s went from version %d back to %d", r.Key, last[at], r.Version)
				}
				last[at] = r.Version
			}
		}
		return nil
	}
	f.together(func(i int) error {
		if i < keys {
			return write(i)
		}
		return read(i)
	})
}
