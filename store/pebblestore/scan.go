package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

// scanCheck is how many records, live or not, pass between two looks at the
// context.
const scanCheck = 256

// Scan implements store.Store. If writes are under way it waits for one sync.
func (s *Store) Scan(ctx context.Context, prefix, after string, limit int) (page []store.Record, err error) {
	if err := s.begin(ctx, store.CheckScan(limit)); err != nil {
		return nil, err
	}
	defer s.leave()
	bounds := &pebble.IterOptions{
		LowerBound: recordKey(max(prefix, after)),
		UpperBound: upperBound(recordKey(prefix)),
	}
	if after >= prefix && after != "" {
		bounds.LowerBound = append(bounds.LowerBound, 0) // the least key above after
	}
	it, err := s.db.NewIter(bounds)
	if err != nil {
		return nil, readFailed(err)
	}
	page, err = s.collect(ctx, it, limit)
	if err := errors.Join(err, it.Close()); err != nil {
		return nil, err
	}
	return page, s.settle()
}

func (s *Store) collect(ctx context.Context, it *pebble.Iterator, limit int) ([]store.Record, error) {
	now := s.opts.Clock().UnixMilli()
	var page []store.Record
	size := 0
	for valid, passed := it.First(), 1; valid; valid, passed = it.Next(), passed+1 {
		if passed%scanCheck == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("store: scan: %w", ctx.Err())
		}
		b, err := it.ValueAndErr()
		if err != nil {
			return nil, readFailed(err)
		}
		h, value, err := splitRecord(b)
		if err != nil {
			return nil, readFailed(err)
		}
		if !h.live(now) {
			continue
		}
		page = append(page, record(string(it.Key()[1:]), h, value))
		if size += len(value); len(page) == limit || size >= store.MaxPage {
			return page, nil
		}
	}
	if err := it.Error(); err != nil {
		return nil, readFailed(err)
	}
	return page, nil
}

// settle returns when all that an iterator may have shown is durable: what was
// visible when it was made is either finished by now or still counted.
func (s *Store) settle() (err error) {
	if s.writing.Load() == 0 {
		return nil
	}
	defer rescue(&err, s.fail)
	if err := s.db.LogData(nil, s.write); err != nil {
		return s.fail(err)
	}
	return nil
}

// Verify reads the whole store back and reports the first damage as an error
// that satisfies errors.Is with ErrCorrupt. It may run while the store is in
// use; it costs one read of all data.
func (s *Store) Verify(ctx context.Context) error {
	if err := s.begin(ctx, nil); err != nil {
		return err
	}
	defer s.leave()
	switch err := s.read(ctx, math.MaxInt); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("store: verify: %w", ctx.Err())
	default:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
}

// read reads keys and values, and with them the checksums of their blocks.
func (s *Store) read(ctx context.Context, most int) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for valid, n := it.First(), 1; valid && n <= most; valid, n = it.Next(), n+1 {
		b, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if it.Key()[0] == spaceRecord && len(b) < headerSize {
			return errShortRecord
		}
		if n%scanCheck == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return it.Error()
}
