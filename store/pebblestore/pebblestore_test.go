package pebblestore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
	"github.com/failwell/failwell/store/storetest"
)

func mustOpen(t testing.TB, dir string, opts pebblestore.Options) *pebblestore.Store {
	t.Helper()
	s, err := pebblestore.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, clock func() time.Time) store.Store {
		t.Helper()
		return mustOpen(t, t.TempDir(), pebblestore.Options{Clock: clock})
	})
}

func BenchmarkPebble(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store {
		b.Helper()
		return mustOpen(b, b.TempDir(), pebblestore.Options{})
	})
}

// BenchmarkBare is the engine alone, doing what cannot be spared: the floor
// under BenchmarkPebble's insertions.
func BenchmarkBare(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("set/%d", writers), func(b *testing.B) {
			quiet := &pebble.Options{Logger: silent{}, MemTableSize: 16 << 20, MemTableStopWritesThreshold: 4}
			db, err := pebble.Open(b.TempDir(), quiet)
			if err != nil {
				b.Fatal(err)
			}
			value := make([]byte, 512)
			var taken atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for {
						n := taken.Add(1) - 1
						if n >= int64(b.N) {
							return
						}
						if err := db.Set(fmt.Appendf(nil, "idempotency/account/%012d", n), value, pebble.Sync); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) { panic("the engine failed") }
