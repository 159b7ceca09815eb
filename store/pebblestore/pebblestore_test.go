package pebblestore_test

import (
	"testing"
	"time"

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
