//go:build unix

package pgstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

func TestRestore(t *testing.T) {
	t.Parallel()
	url := shared.Get(t).URL()
	storetest.RunRestore(t, func(t *testing.T, clock func() time.Time) store.Store {
		t.Helper()
		return mustOpen(t, url, Options{Clock: clock, Schema: freshSchema(), MaxConns: 4})
	})
}

// The server's own clock, and several at once with their keys in other orders.
func TestRestorationsTakeTurns(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema(), MaxConns: 8})
	const keys = 700
	expires := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	var wg sync.WaitGroup
	var written [4]int
	for worker := range written {
		records := make([]store.Record, keys)
		for i := range records {
			records[i] = store.Record{Key: fmt.Sprint((i*13 + worker*101) % keys), Expires: expires}
		}
		wg.Go(func() {
			n, err := s.Restore(t.Context(), records)
			if err != nil {
				t.Error(err)
			}
			written[worker] = n
		})
	}
	wg.Wait()
	if total := written[0] + written[1] + written[2] + written[3]; total != keys {
		t.Errorf("%d records were written, each of %d should be once", total, keys)
	}
	if r, err := s.Get(t.Context(), "7"); err != nil || !r.Expires.Equal(expires) {
		t.Errorf("it expires %v, error %v; want %v", r.Expires, err, expires)
	}
}
