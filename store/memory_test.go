package store_test

import (
	"testing"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(_ *testing.T, clock func() time.Time) store.Store {
		return &store.Memory{Clock: clock}
	})
}

func TestMemoryRestore(t *testing.T) {
	t.Parallel()
	storetest.RunRestore(t, func(_ *testing.T, clock func() time.Time) store.Store {
		return &store.Memory{Clock: clock}
	})
}

func TestMemoryKeepsNothing(t *testing.T) {
	t.Parallel()
	promises, err := (&store.Memory{}).Check(t.Context())
	if err != nil || len(promises) != 1 || promises[0].Kept || promises[0].Remedy == "" {
		t.Errorf("got %+v, %v", promises, err)
	}
}

func BenchmarkMemory(b *testing.B) {
	storetest.Bench(b, func(*testing.B) store.Store { return &store.Memory{} })
}
