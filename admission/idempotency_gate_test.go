package admission

import (
	"context"
	"sync"
	"time"

	"github.com/failwell/failwell/store"
)

// gate is a store that can be shut, hung, and made to forget what it said.
type gate struct {
	store.Store

	mu    sync.Mutex
	err   error
	hang  chan struct{}
	mute  int // so many writes happen, but are reported as failed
	calls int
}

func (g *gate) Shared() bool { return store.Shared(g.Store) }

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *gate) pass() error {
	g.mu.Lock()
	hang, err := g.hang, g.err
	g.calls++
	g.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return err
}

func (g *gate) Get(ctx context.Context, key string) (store.Record, error) {
	if err := g.pass(); err != nil {
		return store.Record{}, err
	}
	return g.Store.Get(ctx, key)
}

func (g *gate) Now(ctx context.Context) (time.Time, error) {
	if err := g.pass(); err != nil {
		return time.Time{}, err
	}
	return g.Store.Now(ctx)
}

func (g *gate) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if err := g.pass(); err != nil {
		return 0, err
	}
	v, err := g.Store.Swap(ctx, key, old, value, ttl)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mute > 0 {
		g.mute--
		return 0, store.ErrUnavailable
	}
	return v, err
}
