package record

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"strings"
)

// The work behind one page is bounded; then it ends early, with a cursor.
const (
	maxHeads  = 20_000
	maxBlocks = 256
)

// Search implements Reader.
func (l *Log) Search(ctx context.Context, q Query) (Page, error) {
	l.start() // the writer outlives who wakes it
	from := position{at: math.MaxInt64}
	if !q.Until.IsZero() {
		from = position{at: q.Until.UnixNano()}
	}
	if q.Cursor != "" {
		p, err := parsePosition(q.Cursor)
		if err != nil {
			return Page{}, err
		}
		if p.before(from) {
			from = p
		}
	}
	recent, err := l.recent(ctx)
	if err != nil {
		return Page{}, err
	}
	s := search{log: l, q: &q, from: from, recent: recent, after: headPrefix + turned(from.at)}
	return s.page(ctx)
}

// search looks for the newest records first. Blocks are met in the order in
// which they begin, and none is open for longer than maxSpan: what has not been
// met cannot hold anything newer than the last beginning and that.
type search struct {
	log    *Log
	q      *Query
	from   position
	recent []*head
	met    string // the name of the last block from either source

	after string  // the last key that was scanned
	store []*head // scanned ahead
	end   bool

	heads, blocks int
	waiting       byLast   // blocks that may match and were not opened
	found         byNewest // records that match and are not on the page
}

type byLast []*head

func (h byLast) Len() int           { return len(h) }
func (h byLast) Less(i, j int) bool { return h[i].last > h[j].last }
func (h byLast) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *byLast) Push(x any) { *h = append(*h, x.(*head)) } //nolint:forcetypeassert,errcheck // nothing else is pushed

// Pop implements heap.Interface.
func (h *byLast) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

type byNewest []*Record

func (h byNewest) Len() int           { return len(h) }
func (h byNewest) Less(i, j int) bool { return positionOf(h[j]).before(positionOf(h[i])) }
func (h byNewest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *byNewest) Push(x any) { *h = append(*h, x.(*Record)) } //nolint:forcetypeassert,errcheck // nothing else is pushed

// Pop implements heap.Interface.
func (h *byNewest) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

func (s *search) page(ctx context.Context) (Page, error) {
	page := Page{Records: []Record{}}
	limit := s.q.limit()
	unmet := int64(math.MaxInt64) // nothing that was not met is newer
	for {
		newest, opened := s.nearest()
		switch {
		case newest > opened && newest > unmet:
			r, _ := heap.Pop(&s.found).(*Record)
			page.Records = append(page.Records, *r)
			if len(page.Records) == limit {
				return page.until(positionOf(r)), nil
			}
		case opened > unmet:
			if s.blocks++; s.blocks > maxBlocks {
				return page.until(position{opened, lastID}), nil
			}
			h, _ := heap.Pop(&s.waiting).(*head)
			if err := s.open(ctx, h); err != nil {
				return page, err
			}
		case unmet == math.MinInt64:
			return page, nil
		default:
			if s.heads++; s.heads > maxHeads {
				return page.until(position{unmet, lastID}), nil
			}
			var err error
			if unmet, err = s.meet(ctx); err != nil {
				return page, err
			}
		}
	}
}

// nearest returns the ends of the newest record that was found and of the newest
// block that waits; math.MinInt64 where there is none.
func (s *search) nearest() (newest, opened int64) {
	newest, opened = math.MinInt64, math.MinInt64
	if len(s.found) > 0 {
		newest = s.found[0].Ended.UnixNano()
	}
	if len(s.waiting) > 0 {
		opened = s.waiting[0].last
	}
	return newest, opened
}

// meet takes one block more into account, and returns what is above all that
// were not met.
func (s *search) meet(ctx context.Context) (unmet int64, err error) {
	h, err := s.next(ctx)
	if h == nil || err != nil {
		return math.MinInt64, err
	}
	if h.here != nil || h.filter.mayMatch(s.q) {
		heap.Push(&s.waiting, h)
	}
	return h.first + int64(maxSpan), nil
}

// lastID sorts after all ids.
const lastID = "\xff"

func (p Page) until(at position) Page {
	p.Next, p.Until = at.String(), at.time()
	return p
}

func (s *search) open(ctx context.Context, h *head) error {
	return s.log.visit(ctx, h, func(r *Record) {
		if positionOf(r).before(s.from) && s.q.Matches(r) {
			heap.Push(&s.found, r)
		}
	})
}

// next is the block that begins last of those that were not met; nil when there
// is none that can hold what is meant.
func (s *search) next(ctx context.Context) (*head, error) {
	for {
		if len(s.store) == 0 && !s.end {
			if err := s.scan(ctx); err != nil {
				return nil, err
			}
		}
		var h *head
		switch {
		case len(s.recent) > 0 && (len(s.store) == 0 || s.recent[0].name <= s.store[0].name):
			h, s.recent = s.recent[0], s.recent[1:]
		case len(s.store) > 0:
			h, s.store = s.store[0], s.store[1:]
		default:
			return nil, nil //nolint:nilnil // that is the end
		}
		if h.name == s.met || h.first > s.from.at {
			continue // from both sources, or too new
		}
		s.met = h.name
		if !s.q.Since.IsZero() && h.first+int64(maxSpan) < s.q.Since.UnixNano() {
			s.recent, s.store, s.end = nil, nil, true
			return nil, nil //nolint:nilnil // what comes is older still
		}
		return h, nil
	}
}

func (s *search) scan(ctx context.Context) error {
	page, err := s.log.Store.Scan(ctx, headPrefix, s.after, 128)
	if err != nil {
		return fmt.Errorf("record: search: %w", err)
	}
	s.end = len(page) == 0
	for i := range page {
		s.after = page[i].Key
		if h, ok := decodeHead(strings.TrimPrefix(s.after, headPrefix), page[i].Value); ok {
			s.store = append(s.store, h)
		}
	}
	return nil
}
