package record

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// Memory keeps the last records of one process. It is what tests and small
// programs need, and the plain statement of what a [Reader] does. The zero value
// is ready for use.
type Memory struct {
	// Max is how many records are kept: 0 means 10,000.
	Max int

	mu      sync.Mutex
	ring    []Record // the oldest first
	last    time.Time
	buckets map[int64]*Bucket
	news    chan struct{} // closed when something comes
}

var _ Reader = (*Memory)(nil)

// Add keeps a record, which stays the caller's.
func (m *Memory) Add(r *Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := *r
	kept.Limits, kept.Tries = slices.Clone(r.Limits), slices.Clone(r.Tries)
	if !kept.Ended.After(m.last) {
		kept.Ended = m.last.Add(1)
	}
	m.last = kept.Ended
	most := m.Max
	if most == 0 {
		most = 10_000
	}
	if len(m.ring) >= most {
		m.ring = slices.Delete(m.ring, 0, len(m.ring)-most+1)
	}
	m.ring = append(m.ring, kept)
	if m.buckets == nil {
		m.buckets = map[int64]*Bucket{}
	}
	start := kept.Ended.Truncate(Step)
	b := m.buckets[start.UnixNano()]
	if b == nil {
		b = &Bucket{Start: start.UTC()}
		m.buckets[start.UnixNano()] = b
	}
	b.count(&kept)
	if m.news != nil {
		close(m.news)
		m.news = nil
	}
}

// pick returns the records for which yes holds, the newest first.
func (m *Memory) pick(yes func(*Record) bool) []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []Record{}
	for i := range slices.Backward(m.ring) {
		if r := &m.ring[i]; yes(r) {
			out = append(out, *r)
		}
	}
	return out
}

// Find implements Reader.
func (m *Memory) Find(_ context.Context, id string) ([]Record, error) {
	return m.pick(func(r *Record) bool { return r.ID == id }), nil
}

// Siblings implements Reader.
func (m *Memory) Siblings(_ context.Context, r *Record) ([]Record, error) {
	out := m.pick(r.sibling)
	slices.Reverse(out)
	return out[:min(len(out), MaxSiblings)], nil
}

// sibling reports whether o is another request of the same call.
func (r *Record) sibling(o *Record) bool {
	if o.ID == r.ID && o.Ended.Equal(r.Ended) {
		return false
	}
	switch {
	case r.Trace != "" && o.Trace == r.Trace:
		return true
	case r.Idempotency.Hash != "" && o.Idempotency.Hash == r.Idempotency.Hash:
		return true
	}
	return r.Idempotency.Original != "" && o.ID == r.Idempotency.Original || o.Idempotency.Original != "" && o.Idempotency.Original == r.ID
}

// Search implements Reader.
func (m *Memory) Search(_ context.Context, q Query) (Page, error) {
	from := position{}
	if q.Cursor != "" {
		var err error
		if from, err = parsePosition(q.Cursor); err != nil {
			return Page{}, err
		}
	}
	out := m.pick(func(r *Record) bool { return (q.Cursor == "" || positionOf(r).before(from)) && q.Matches(r) })
	page := Page{Records: out}
	if n := q.limit(); len(out) > n {
		page.Records = out[:n]
		last := positionOf(&out[n-1])
		page.Next, page.Until = last.String(), last.time()
	}
	return page, nil
}

// end is the position after all that is kept.
func (m *Memory) end() position {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ring) == 0 {
		return position{}
	}
	return positionOf(&m.ring[len(m.ring)-1])
}

// Follow implements Reader.
func (m *Memory) Follow(ctx context.Context, q Query, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		from := m.end()
		if after != "" {
			var err error
			if from, err = parsePosition(after); err != nil {
				yield(Event{}, err)
				return
			}
		}
		for {
			m.mu.Lock()
			if m.news == nil {
				m.news = make(chan struct{})
			}
			news := m.news
			m.mu.Unlock()
			fresh := m.pick(func(r *Record) bool { return from.before(positionOf(r)) })
			slices.Reverse(fresh)
			for i := range fresh {
				from = positionOf(&fresh[i])
				if q.Matches(&fresh[i]) && !yield(Event{Record: fresh[i], Cursor: from.String()}, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-news:
			}
		}
	}
}

// Series implements Reader.
func (m *Memory) Series(_ context.Context, since, until time.Time, step time.Duration) (Series, error) {
	s, err := newSeries(since, until, step)
	if err != nil {
		return s, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.buckets {
		if to := s.at(b.Start); to != nil {
			to.merge(b)
		}
	}
	return s, nil
}
