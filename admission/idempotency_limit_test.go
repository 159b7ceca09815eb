package admission

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/store"
)

// TestLimited: a context that is used again ends when the present call's time is
// over, and not before; one that has ended is not used again.
func TestLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r running
		for i := range 5 {
			l := r.limit(time.Second)
			if at, ok := l.Deadline(); !ok || time.Until(at) != time.Second {
				t.Fatalf("use %d: it ends in %v", i, time.Until(at))
			}
			time.Sleep(900 * time.Millisecond)
			if err := l.Err(); err != nil {
				t.Fatalf("use %d: %v", i, err)
			}
			r.release(l)
		}
		late := r.limit(time.Second)
		<-late.Done()
		if err := late.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in the end: %v", err)
		}
		r.release(late)
		if l := r.limit(time.Second); l == late || l.Err() != nil {
			t.Errorf("one that has ended is used again: %v", l.Err())
		}
	})
}

// stuck is a store that ends its calls with their contexts, and nothing else.
type stuck struct{ store.Store }

func (stuck) Prompt() bool { return true }

func (stuck) Get(ctx context.Context, _ string) (store.Record, error) {
	<-ctx.Done()
	return store.Record{}, errors.Join(store.ErrUnavailable, ctx.Err())
}

func (stuck) Swap(ctx context.Context, _ string, _ store.Version, _ []byte, _ time.Duration) (store.Version, error) {
	<-ctx.Done()
	return 0, errors.Join(store.ErrUnavailable, ctx.Err())
}

// TestStuckStore: a store that is trusted to end with its context is waited for no
// longer than any other.
func TestStuckStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &Controller{Store: stuck{&store.Memory{}}, state: &state{}}
		for what, call := range map[string]func() error{
			"get":  func() error { _, err := c.get(t.Context(), "k", 20*time.Millisecond); return err },
			"swap": func() error { _, err := c.swap(t.Context(), "k", 0, nil, 0, 20*time.Millisecond); return err },
		} {
			began := time.Now()
			if err := call(); !errors.Is(err, store.ErrUnavailable) || time.Since(began) != 20*time.Millisecond {
				t.Errorf("%s: %v after %v", what, err, time.Since(began))
			}
		}
	})
}
