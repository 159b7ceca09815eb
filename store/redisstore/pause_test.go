package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// A server that hangs costs every call its deadline, no more, however many
// there are, here far more than the queues take; and when it goes on, so do they.
func TestPaused(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	s, err := open(t.Context(), r.URL(), Options{}, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Swap(t.Context(), "k", 0, nil, 0); err != nil {
		t.Fatal(err)
	}
	take := func(ctx context.Context) error {
		return s.Take(ctx, &meter.Taking{
			Owner: "o", Demands: []meter.Demand{{Limit: "rate", Cost: 1, Rule: &meter.Rule{Limit: 1_000_000, Per: time.Second}}},
			Outcomes: make([]meter.Outcome, 1),
		})
	}
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	const patience = 50 * time.Millisecond
	for round, callers := range []int{10, 1000, 10} {
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				var err error
				switch i % 5 {
				case 0:
					_, err = s.Get(ctx, "k")
				case 1:
					_, err = s.Swap(ctx, fmt.Sprint(i), 0, nil, 0)
				case 2:
					_, err = s.Scan(ctx, "", "", 10)
				case 3:
					err = take(ctx)
				case 4:
					_, err = s.Now(ctx)
				}
				late, _ := ctx.Deadline()
				if over := time.Since(late); over > time.Second {
					t.Errorf("round %d, call %d: %v over its deadline", round, i, over)
				}
				if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("call %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	}
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, err := s.Get(t.Context(), "k")
		if err = errors.Join(err, take(t.Context())); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the pause: %v", err)
		}
	}
}
