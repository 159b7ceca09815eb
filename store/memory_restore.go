package store

import (
	"bytes"
	"context"
)

var _ interface {
	Restorer
	Checker
} = (*Memory)(nil)

// Restore implements Restorer.
func (m *Memory) Restore(ctx context.Context, records []Record) (int, error) {
	if err := m.check(ctx, CheckRestore(records)); err != nil {
		return 0, err
	}
	written := 0
	for i := range records {
		r := &records[i]
		place := m.shardOf(r.Key)
		done, err := m.restore(&m.shards[place], r)
		if err != nil {
			return written, err
		}
		if done {
			written++
			m.sweep(place)
			m.sweep(written)
		}
	}
	return written, nil
}

func (m *Memory) restore(s *shard, r *Record) (bool, error) {
	deadline, live := RestoredDeadline(r.Expires, m.now())
	if !live {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return false, ErrClosed
	}
	if e := s.entries[r.Key]; e != nil && e.live(m.nowFor(e.deadline)) {
		return false, nil
	}
	m.put(s, r.Key, bytes.Clone(r.Value), deadline)
	return true, nil
}

// Check implements Checker.
func (m *Memory) Check(ctx context.Context) ([]Promise, error) {
	if err := m.check(ctx, nil); err != nil {
		return nil, err
	}
	return []Promise{{
		Name:   "writes survive a crash",
		Found:  "the memory of one process",
		Weaker: "All keys, counts and answers are gone when the process ends, and a repeated call is executed again.",
		Remedy: "use pebble:DIR, redis:// or postgres://",
	}}, nil
}
