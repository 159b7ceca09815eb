package stand

import (
	"sync"
	"time"
)

// Clock tells the time of a world. It can be set forward, never back, so that
// a month passes in a moment. The zero value tells the real time.
type Clock struct {
	// Base is Optional: nil means time.Now.
	Base func() time.Time

	mu    sync.Mutex
	ahead time.Duration
	moved chan struct{}
}

// Now is the present of the world.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base().Add(c.ahead)
}

func (c *Clock) base() time.Time {
	if c.Base == nil {
		return time.Now()
	}
	return c.Base()
}

// Ahead is by how much the world is ahead of its base.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}

// Advance sets the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += max(d, 0)
	if c.moved != nil {
		close(c.moved)
		c.moved = nil
	}
}

// Moved returns a channel that is closed when the clock is next set.
func (c *Clock) Moved() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved == nil {
		c.moved = make(chan struct{})
	}
	return c.moved
}
