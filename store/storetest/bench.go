package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
)

// benchValue is the size of a record in the benchmarks: an idempotency record
// with a small answer.
const benchValue = 512

// Bench measures a driver: the rows are the same for each, so that they compare.
// open gives an empty store on the real clock; Bench closes it.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	b.Helper()
	b.Run("get", func(b *testing.B) { benchGet(b, open(b), 1) })
	b.Run("get/64", func(b *testing.B) { benchGet(b, open(b), crowd) })
	b.Run("insert/1", func(b *testing.B) { benchInsert(b, open(b), 1) })
	b.Run("insert/64", func(b *testing.B) { benchInsert(b, open(b), crowd) })
	b.Run("rewrite/64", func(b *testing.B) { benchRewrite(b, open(b), crowd) })
	b.Run("scan/100", func(b *testing.B) { benchScan(b, open(b)) })
}

// spread runs do b.N times from some goroutines.
func spread(b *testing.B, s store.Store, goroutines int, do func(worker, n int) error) {
	b.Helper()
	var wg sync.WaitGroup
	var taken atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	for worker := range goroutines {
		wg.Go(func() {
			for {
				n := int(taken.Add(1)) - 1
				if n >= b.N {
					return
				}
				if err := do(worker, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func fill(b *testing.B, s store.Store, n int) []store.Version {
	b.Helper()
	versions := make([]store.Version, n)
	var wg sync.WaitGroup
	for worker := range crowd {
		wg.Go(func() {
			for i := worker; i < n; i += crowd {
				v, err := s.Swap(b.Context(), benchKey(i), 0, make([]byte, benchValue), 24*time.Hour)
				if err != nil {
					b.Error(err)
					return
				}
				versions[i] = v
			}
		})
	}
	wg.Wait()
	return versions
}

func benchKey(i int) string { return fmt.Sprintf("idempotency/account/%012d", i) }

func benchGet(b *testing.B, s store.Store, goroutines int) {
	const records = 10_000
	fill(b, s, records)
	spread(b, s, goroutines, func(_, n int) error {
		_, err := s.Get(b.Context(), benchKey(n*7919%records))
		return err
	})
}

func benchInsert(b *testing.B, s store.Store, goroutines int) {
	value := make([]byte, benchValue)
	spread(b, s, goroutines, func(_, n int) error {
		_, err := s.Swap(b.Context(), benchKey(n), 0, value, 24*time.Hour)
		return err
	})
}

func benchRewrite(b *testing.B, s store.Store, goroutines int) {
	versions := fill(b, s, goroutines)
	value := make([]byte, benchValue)
	spread(b, s, goroutines, func(worker, _ int) error {
		v, err := s.Swap(b.Context(), benchKey(worker), versions[worker], value, 24*time.Hour)
		versions[worker] = v
		return err
	})
}

func benchScan(b *testing.B, s store.Store) {
	const records = 10_000
	fill(b, s, records)
	spread(b, s, 1, func(_, n int) error {
		page, err := s.Scan(b.Context(), "idempotency/", benchKey(n*7919%(records-200)), 100)
		if err == nil && len(page) != 100 {
			return errors.New("a short page")
		}
		return err
	})
}
