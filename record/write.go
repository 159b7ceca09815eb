package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/failwell/failwell/store"
)

const (
	// writeTime bounds one write; closeTime all that are left at the end.
	writeTime = 5 * time.Second
	closeTime = 10 * time.Second
	// pauseTime is how long the writer leaves a store alone that did not answer.
	pauseTime = time.Second
	// trimEvery is how often the writer looks at how much there is.
	trimEvery = time.Minute
)

// run is the writer: the only one who writes. It sleeps while nothing comes.
func (l *Log) run() {
	defer close(l.done)
	defer l.follow.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	trimmed, adopted := time.Time{}, false
	told := false
	for last := false; !last; {
		select {
		case <-l.dirty:
			last = l.collect(flushEvery)
		case <-l.full:
		case <-l.closing:
			last = true
		}
		if !adopted && !last { // whoever only reads changes nothing
			adopted = true
			l.adopt(ctx)
		}
		err := l.flush(ctx, last)
		if now := l.now(); err == nil && now.Sub(trimmed) > trimEvery {
			trimmed = now
			err = l.trim(ctx)
		}
		switch {
		case err == nil:
			told = false
			continue
		case !told:
			told = true
			l.logger().Warn("records are not written at present; what cannot wait is dropped", "err", err)
		}
		signal(l.dirty) // once more
		if !last {
			last = l.wait(pauseTime)
		}
	}
}

// collect lets records gather until a block is full; true when the log is to close.
func (l *Log) collect(most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.full:
	case <-l.closing:
		return true
	}
	return false
}

func (l *Log) wait(most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-l.closing:
		return true
	}
}

// flush writes all that there is. After an error it can be repeated.
func (l *Log) flush(ctx context.Context, last bool) error {
	if last {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, closeTime)
		defer cancel()
	}
	l.mu.Lock()
	l.waiting = false
	if l.open != nil && (last || l.now().UnixNano()-l.open.first > int64(maxSpan)) {
		l.seal()
	}
	sealed, open := slices.Clip(l.sealed), l.open
	var now *head
	var terms []uint64
	if open != nil {
		now, terms = open.view(), slices.Clip(open.w.terms)
	}
	l.mu.Unlock()
	for _, b := range sealed {
		h := b.view()
		h.filter = newFilter(b.w.terms)
		if err := l.writeBlock(ctx, b, h); err != nil {
			return err
		}
		l.follow.gone(h)
		l.mu.Lock()
		l.group.add(h, b.w.terms)
		l.sealed = l.sealed[1:]
		l.mu.Unlock()
	}
	if open != nil {
		now.filter = newFilter(terms)
		if err := l.writeBlock(ctx, open, now); err != nil {
			return err
		}
	}
	if err := l.writeTallies(ctx); err != nil {
		return err
	}
	if l.group.due(l.now(), last) {
		return l.index(ctx, &l.group)
	}
	return nil
}

// writeBlock writes a block as it is now: its body first, so that there is none
// without.
func (l *Log) writeBlock(ctx context.Context, b *block, h *head) error {
	l.mu.Lock()
	flushed := b.flushed
	l.mu.Unlock()
	if h.n == flushed {
		return nil
	}
	if err := l.put(ctx, bodyPrefix+b.name, &b.body, h.here); err != nil {
		return err
	}
	encoded := h.encode()
	if err := l.put(ctx, tailPrefix+b.name, &b.head, encoded); err != nil {
		return err
	}
	l.written.Add(uint64(h.n - flushed))
	l.mu.Lock()
	defer l.mu.Unlock()
	if flushed == 0 && l.bucket != nil {
		l.bucket.bytes += int64(2 * len(encoded)) // and as much again in the index
	}
	if l.bucket != nil {
		l.bucket.bytes += int64(len(h.here) * (h.n - flushed) / h.n)
		l.bucket.changed = true
	}
	b.flushed = h.n
	return nil
}

// put writes what is nobody else's to write. The outcome of a write that failed
// is unknown, and found out by the next.
func (l *Log) put(ctx context.Context, key string, version *store.Version, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	for {
		next, err := l.Store.Swap(ctx, key, *version, value, l.keep())
		if err == nil {
			*version = next
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("record: writing: %w", err)
		}
		found, err := l.Store.Get(ctx, key)
		if err != nil && !errors.Is(err, store.ErrAbsent) {
			return fmt.Errorf("record: writing: %w", err)
		}
		*version = found.Version
	}
}

// writeTallies writes the counts that have changed.
func (l *Log) writeTallies(ctx context.Context) error {
	for {
		l.mu.Lock()
		t, present := l.bucket, true
		if len(l.past) > 0 {
			t, present = l.past[0], false
		}
		if t == nil || present && !t.changed {
			l.mu.Unlock()
			return nil
		}
		t.changed = false
		value := t.encode()
		l.mu.Unlock()
		if err := l.put(ctx, l.tallyKey(t), &t.version, value); err != nil {
			l.mu.Lock()
			t.changed = true
			l.mu.Unlock()
			return err
		}
		if present {
			return nil
		}
		l.mu.Lock()
		if len(l.past) > 0 && l.past[0] == t {
			l.past = l.past[1:]
		}
		l.mu.Unlock()
	}
}
