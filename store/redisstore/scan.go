package redisstore

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store"
)

// firstValues is how many records a page reads before it knows how large they
// are: as many as pass store.MaxPage by no more than its own size if each is
// as large as can be.
const firstValues = 8

// Scan implements store.Store. It merges the indexes of all buckets, each read
// a few keys ahead, and then reads the records themselves. A page thus costs
// about three round trips whatever the number of records, and work in every
// bucket: it is for operators and for those who catch up, not for requests.
func (s *Store) Scan(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	if err := s.begin(ctx, store.CheckScan(limit)); err != nil {
		return nil, err
	}
	defer s.leave()
	if len(prefix) > store.MaxKey {
		return nil, nil
	}
	m := s.newMerge(prefix, after, limit)
	var page []store.Record
	bytes, records := 0, firstValues
	for len(page) < limit && bytes < store.MaxPage {
		keys, err := m.next(ctx, min(records, limit-len(page)))
		if err != nil {
			return nil, s.link.failed(err)
		}
		if len(keys) == 0 {
			break
		}
		found, err := s.fetch(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if bytes >= store.MaxPage {
				return page, nil
			}
			bytes += len(r.Value)
			page = append(page, r)
		}
		// As many as the bound has room for, going by those seen so far, but no
		// leap: the next ones may be larger.
		records = min(8*records, max(firstValues, (store.MaxPage-bytes)/max(1, bytes/max(1, len(page)))))
	}
	return page, nil
}

// fetch reads records; those that have expired since are left out, and out of
// the index.
func (s *Store) fetch(ctx context.Context, keys []string) ([]store.Record, error) {
	answers := s.link.readAll(ctx, func(b rueidis.Builder) []rueidis.Completed {
		gets := make([]rueidis.Completed, len(keys))
		for i, key := range keys {
			gets[i] = b.Get().Key(s.layout.record(s.layout.bucket(key), key)).Build()
		}
		return gets
	})
	records := make([]store.Record, 0, len(keys))
	for i, key := range keys {
		b, err := answers[i].AsBytes()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err != nil {
			return nil, s.link.failed(err)
		}
		r, err := parseRecord(key, b)
		if err != nil {
			return nil, s.link.foreign(s.layout.record(s.layout.bucket(key), key))
		}
		if !s.expired(r) {
			records = append(records, r)
		}
	}
	return records, nil
}

// merge walks the keys of all buckets in order.
type merge struct {
	s     *Store
	upper string
	parts [bucketCount]part
}

// part is what has been read of one bucket's index.
type part struct {
	keys  []string
	lower string // where the index goes on after keys
	more  bool
	chunk int
}

func (s *Store) newMerge(prefix, after string, limit int) *merge {
	m := &merge{s: s, upper: endOf(prefix)}
	lower := "[" + prefix
	if after >= prefix && after != "" {
		lower = "(" + after
	}
	for i := range m.parts {
		// Twice the share of an even spread, and some: hardly any bucket has to be
		// asked again for the page.
		m.parts[i] = part{lower: lower, more: true, chunk: min(limit, 2*limit/bucketCount+4)}
	}
	return m
}

// endOf is the upper bound of the keys with a prefix, as ZRANGE takes it.
func endOf(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return "(" + prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return "+"
}

// next returns the next keys in order, at most n.
func (m *merge) next(ctx context.Context, n int) ([]string, error) {
	var keys []string
	for len(keys) < n {
		if err := m.fill(ctx); err != nil {
			return nil, err
		}
		least := -1
		for i := range m.parts {
			if p := &m.parts[i]; len(p.keys) > 0 && (least < 0 || p.keys[0] < m.parts[least].keys[0]) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		p := &m.parts[least]
		keys = append(keys, p.keys[0])
		p.keys = p.keys[1:]
	}
	return keys, nil
}

// fill reads on where nothing is left to compare.
func (m *merge) fill(ctx context.Context) error {
	var empty []int
	for i := range m.parts {
		if p := &m.parts[i]; len(p.keys) == 0 && p.more {
			empty = append(empty, i)
		}
	}
	if len(empty) == 0 {
		return nil
	}
	answers := m.s.link.readAll(ctx, func(b rueidis.Builder) []rueidis.Completed {
		ranges := make([]rueidis.Completed, len(empty))
		for i, bucket := range empty {
			p := &m.parts[bucket]
			ranges[i] = b.Zrange().Key(m.s.layout.index(bucket)).Min(p.lower).Max(m.upper).Bylex().Limit(0, int64(p.chunk)).Build()
		}
		return ranges
	})
	for i, bucket := range empty {
		keys, err := answers[i].AsStrSlice()
		if err != nil {
			return err
		}
		p := &m.parts[bucket]
		p.keys, p.more = keys, len(keys) == p.chunk
		if p.more {
			p.lower = "(" + keys[len(keys)-1]
			p.chunk *= 2
		}
	}
	return nil
}
