package redisstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Redis reclaims expired records by itself; their keys stay in the index until
// a sweep meets them. Every sweepEvery writes one looks at sweepMax keys, four
// a write. With all records living equally long, an index is then a seventh
// longer than what is live: it is walked through once while it takes a quarter
// of its length in writes, and what expires in between waits for half of that.
const (
	sweepEvery = 16
	sweepMax   = 64
	// sweepTime bounds a sweep on a server that is in trouble.
	sweepTime = time.Second
)

// sweeps is where the cleaning of the indexes stands.
type sweeps struct {
	writes atomic.Uint64
	busy   atomic.Bool
	bucket int    // swept next; these two belong to who made busy true
	after  string // key to go on from
}

// sweepSometimes is called within a call, so that Close waits for the sweep.
func (s *Store) sweepSometimes() {
	w := &s.sweeps
	if w.writes.Add(1)%sweepEvery != 0 || !w.busy.CompareAndSwap(false, true) {
		return
	}
	if !s.calls.TryRLock() {
		w.busy.Store(false)
		return
	}
	go func() {
		defer s.calls.RUnlock()
		defer w.busy.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), sweepTime)
		defer cancel()
		if err := s.sweep(ctx); err != nil {
			s.opts.Logger.Debug("the index of the store was not swept", "error", s.link.failed(err))
		}
	}()
}

// sweep looks at the next keys of one bucket's index, and at the next bucket
// when it has come to the end.
func (s *Store) sweep(ctx context.Context) error {
	w := &s.sweeps
	bucket, index := w.bucket, s.layout.index(w.bucket)
	lower := "-"
	if w.after != "" {
		lower = "(" + w.after
	}
	keys, err := s.link.read(ctx, func(b rueidis.Builder) rueidis.Completed {
		return b.Zrange().Key(index).Min(lower).Max("+").Bylex().Limit(0, sweepMax).Build()
	}).AsStrSlice()
	if err != nil {
		return err
	}
	if len(keys) < sweepMax {
		w.bucket, w.after = (bucket+1)%bucketCount, ""
	} else {
		w.after = keys[len(keys)-1]
	}
	if len(keys) == 0 {
		return nil
	}
	names, args := make([]string, 1, 1+len(keys)), make([]string, 1, 1+len(keys))
	names[0] = index
	if s.opts.Clock != nil {
		args[0] = decimal(s.opts.Clock().UnixMilli())
	}
	for _, key := range keys {
		names = append(names, s.layout.record(bucket, key))
	}
	return s.link.eval(ctx, sweepScript, names, append(args, keys...)).Error()
}
