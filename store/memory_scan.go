package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Scan implements Store. A page costs what it returns, not what the store
// holds: every shard gives its next few records, and of those all that no
// shard can still undercut go on the page.
func (m *Memory) Scan(ctx context.Context, prefix, after string, limit int) ([]Record, error) {
	if err := m.check(ctx, CheckScan(limit)); err != nil {
		return nil, err
	}
	now := m.now().UnixMilli()
	each := min(limit/shardCount, 1<<10) + 16
	var page []Record
	for size := 0; len(page) < limit && size < MaxPage; {
		found, end, more := m.gather(prefix, after, each, now)
		for i := range found {
			e := &found[i]
			if len(page) == limit || size >= MaxPage || (more && e.key > end) {
				break
			}
			page = append(page, record(e.key, e))
			size += len(e.value)
		}
		if !more {
			break
		}
		after = end
		if err := m.check(ctx, nil); err != nil {
			return nil, err
		}
	}
	if m.closed.Load() {
		return nil, ErrClosed
	}
	return page, nil
}

// gather takes up to each records from every shard, sorted. If some shard has
// more, end is up to where the records are complete.
func (m *Memory) gather(prefix, after string, each int, now int64) (found []entry, end string, more bool) {
	lower := max(prefix, after)
	for i := range m.shards {
		s := &m.shards[i]
		taken := 0
		s.mu.RLock()
		s.keys.from(lower, func(e *entry) bool {
			if e.key == after {
				return true
			}
			if !strings.HasPrefix(e.key, prefix) {
				return false
			}
			if taken == each {
				last := found[len(found)-1].key
				if !more || last < end {
					end, more = last, true
				}
				return false
			}
			if e.live(now) {
				found = append(found, *e)
				taken++
			}
			return true
		})
		s.mu.RUnlock()
	}
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return found, end, more
}
