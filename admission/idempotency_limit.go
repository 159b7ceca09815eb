package admission

import (
	"context"
	"sync/atomic"
	"time"
)

// limited is a context that ends after a time and by nothing else. It is used
// again by the next call, where context.WithTimeout makes nine objects each time,
// so it is only for calls that do not keep it: those of a store in this process.
type limited struct {
	until time.Time
	timer *time.Timer
	done  chan struct{}
	over  atomic.Bool
}

// limit returns a context that ends after a time, to be given back with release.
func (r *running) limit(d time.Duration) *limited {
	l, _ := r.limits.Get().(*limited)
	if l != nil {
		l.until = time.Now().Add(d)
		l.timer.Reset(d)
		return l
	}
	l = &limited{until: time.Now().Add(d), done: make(chan struct{})}
	l.timer = time.AfterFunc(d, func() {
		l.over.Store(true)
		close(l.done)
	})
	return l
}

// release takes it back after the call that it was for; one that has ended is not
// used again.
func (r *running) release(l *limited) {
	if l.timer.Stop() {
		r.limits.Put(l)
	}
}

// Deadline implements context.Context.
func (l *limited) Deadline() (time.Time, bool) { return l.until, true }

// Value implements context.Context; there are none.
func (*limited) Value(any) any { return nil }

// Done implements context.Context.
func (l *limited) Done() <-chan struct{} { return l.done }

// Err implements context.Context.
func (l *limited) Err() error {
	if l.over.Load() {
		return context.DeadlineExceeded
	}
	return nil
}
