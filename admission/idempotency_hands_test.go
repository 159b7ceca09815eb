package admission

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestHands: while a call of the store is under way, those after it share one
// goroutine; after the last there is none.
func TestHands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s running
		idle := func() int {
			synctest.Wait()
			s.hands.mu.Lock()
			defer s.hands.mu.Unlock()
			return len(s.hands.idle)
		}
		release := make(chan struct{})
		go within(t.Context(), &s, time.Minute, func(context.Context) (int, error) {
			<-release
			return 0, nil
		})
		synctest.Wait()
		for i := range 5 {
			if n, err := within(t.Context(), &s, time.Minute, func(context.Context) (int, error) { return i, nil }); n != i || err != nil {
				t.Fatal(n, err)
			}
			if n := idle(); n != 1 {
				t.Errorf("after %d calls %d goroutines are idle", i+1, n)
			}
		}
		close(release)
		if n := idle(); n != 0 {
			t.Errorf("in the end %d goroutines are idle", n)
		}
	})
}
