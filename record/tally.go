package record

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
)

// tally is the counts of one step as this log has them, and what was written in
// it.
type tally struct {
	Bucket

	bytes   int64 // written to the store within the step
	version store.Version
	changed bool
}

// count counts one request.
func (t *tally) count(r *Record) {
	t.changed = true
	t.Bucket.count(r)
}

// step is the tally of an instant that is not before the one that was asked for
// last. The caller holds l.mu.
func (l *Log) step(at int64) *tally {
	start := time.Unix(0, at-at%int64(Step)).UTC()
	if l.bucket == nil || l.bucket.Start.Before(start) {
		if l.bucket != nil {
			l.past = append(l.past, l.bucket)
			if over := len(l.past) - maxPast; over > 0 { // the store has been away for long
				l.past = append(l.past[:0], l.past[over:]...)
			}
		}
		l.bucket = &tally{Bucket: Bucket{Start: start}}
	}
	return l.bucket
}

// maxPast bounds the steps that wait for the store: an hour.
const maxPast = 360

const tallyVersion = 1

func (t *tally) encode() []byte {
	b := []byte{tallyVersion}
	for _, n := range [...]int64{t.bytes, t.Requests, t.Refused, t.Replayed, t.Dropped} {
		b = binary.AppendVarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(t.Latency)))
	for _, n := range t.Latency {
		b = binary.AppendVarint(b, n)
	}
	w := writer{b: b, words: map[string]word{}}
	w.uint(uint64(len(t.Counts)))
	for i := range t.Counts {
		c := &t.Counts[i]
		w.word(c.Operation, noTerm)
		w.word(c.Code, noTerm)
		w.uint(uint64(c.Class))
		w.int(c.N)
	}
	return w.b
}

func decodeTally(b []byte) (t tally, ok bool) {
	r := reader{b: b}
	if r.byte() != tallyVersion {
		return t, false
	}
	for _, n := range [...]*int64{&t.bytes, &t.Requests, &t.Refused, &t.Replayed, &t.Dropped} {
		*n = r.int()
	}
	if r.uint() != uint64(len(t.Latency)) {
		return t, false
	}
	for i := range t.Latency {
		t.Latency[i] = r.int()
	}
	for range r.count(uint64(len(r.b))) {
		t.Counts = append(t.Counts, Count{r.word(), r.word(), int(r.uint()), r.int()})
		if r.bad {
			return t, false
		}
	}
	return t, !r.bad
}

func (l *Log) tallyKey(t *tally) string {
	return countPrefix + turned(t.Start.UnixNano()) + "/" + l.node
}

// Series implements Reader. A week of steps takes some 20 MB of reading.
func (l *Log) Series(ctx context.Context, since, until time.Time, step time.Duration) (Series, error) {
	l.start() // the writer outlives who wakes it
	s, err := newSeries(since, until, step)
	if err != nil {
		return s, err
	}
	mine := map[string]bool{}
	l.mu.Lock()
	for _, t := range append(slices.Clip(l.past), l.bucket) {
		if t == nil {
			continue
		}
		mine[l.tallyKey(t)] = true
		if to := s.at(t.Start); to != nil {
			to.merge(&t.Bucket)
		}
	}
	l.mu.Unlock()
	first := s.Buckets[0].Start.UnixNano()
	end := s.Buckets[len(s.Buckets)-1].Start.Add(s.Step).UnixNano()
	err = l.walkTallies(ctx, end, func(key string, at int64, t *tally) bool {
		if to := s.at(time.Unix(0, at)); to != nil && !mine[key] {
			to.merge(&t.Bucket)
		}
		return at >= first
	})
	return s, err
}

// walkTallies visits the counts of steps that begin before an instant, from the
// newest on, as long as visit returns true.
func (l *Log) walkTallies(ctx context.Context, before int64, visit func(key string, at int64, t *tally) bool) error {
	for after := countPrefix + turned(before); ; {
		page, err := l.Store.Scan(ctx, countPrefix, after, 1024)
		if err != nil {
			return fmt.Errorf("record: counts: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			after = page[i].Key
			at, ok := turnedBack(strings.TrimPrefix(after, countPrefix))
			if !ok {
				continue
			}
			if t, ok := decodeTally(page[i].Value); ok && !visit(after, at, &t) {
				return nil
			}
		}
	}
}
