package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/failwell/failwell/store"
)

// tally counts and sums records: the sum of their SHA-256 modulo 2^256, which
// depends on no order.
type tally struct {
	count int64
	sum   [4]uint64
	buf   []byte
}

func (t *tally) add(r *store.Record) {
	t.buf = binary.BigEndian.AppendUint64(t.buf[:0], uint64(len(r.Key)))
	t.buf = append(append(t.buf, r.Key...), r.Value...)
	var at int64
	if !r.Expires.IsZero() {
		at = r.Expires.UnixMilli()
	}
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(at))
	hash := sha256.Sum256(t.buf)
	var carry uint64
	for i := range t.sum {
		t.sum[i], carry = bits.Add64(t.sum[i], binary.LittleEndian.Uint64(hash[8*i:]), carry)
	}
	t.count++
}

func (t *tally) equal(o *tally) bool { return t.count == o.count && t.sum == o.sum }

func (t *tally) String() string {
	var b []byte
	for _, n := range t.sum {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return hex.EncodeToString(b)
}

// walk is a store's records one by one, reading ahead.
type walk struct {
	pages *pageReader
	page  []store.Record
	k     *copier
	// shifted is set for the source, whose instants are moved.
	shifted bool
}

// head is the record that is next, nil at the end.
func (w *walk) head() (*store.Record, error) {
	for len(w.page) == 0 {
		page, err := w.pages.next()
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return nil, nil //nolint:nilnil // the end
		}
		if w.shifted {
			w.page = w.k.moved(page)
			continue
		}
		for i := range page {
			if !w.k.passed(page[i].Key) {
				w.page = append(w.page, page[i])
			}
		}
	}
	return &w.page[0], nil
}

// compare walks both stores in key order and counts what differs. With repair it
// writes that again, unless the target's records are its own.
func (k *copier) compare(ctx context.Context, repair bool) (differ int64, err error) {
	k.progress.phase("verifying", k.copied+k.present)
	k.both, k.kept = tally{}, 0
	var target tally
	source := walk{pages: readAhead(ctx, k.from, ""), k: k, shifted: true}
	defer source.pages.stop()
	copied := walk{pages: readAhead(ctx, k.to, ""), k: k}
	defer copied.pages.stop()
	for {
		s, err := source.head()
		if err != nil {
			return differ, fmt.Errorf("reading the source: %w", err)
		}
		t, err := copied.head()
		if err != nil {
			return differ, fmt.Errorf("reading the target back: %w", err)
		}
		if s == nil && t == nil {
			break
		}
		if s != nil && (t == nil || s.Key <= t.Key) {
			source.page = source.page[1:]
			k.progress.add(1, int64(len(s.Key)+len(s.Value)))
		}
		if t != nil && (s == nil || t.Key <= s.Key) {
			copied.page = copied.page[1:]
		}
		switch {
		case s != nil && t != nil && s.Key == t.Key && alike(s, t):
			k.both.add(s)
			target.add(t)
			continue
		case s != nil && t != nil && s.Key == t.Key:
		case t == nil || s != nil && s.Key < t.Key:
			t = nil
		default:
			s = nil
		}
		changed, err := k.differs(ctx, s, t, repair)
		if err != nil {
			return differ, err
		}
		if changed {
			differ++
		}
	}
	if !k.both.equal(&target) {
		return differ, errors.New("the digests of equal records differ; this is a fault of failwell")
	}
	return differ, nil
}

func alike(a, b *store.Record) bool {
	return string(a.Value) == string(b.Value) && a.Expires.Equal(b.Expires)
}

// differs settles a record that only one side shows (the other is nil) or that
// the sides show differently. The pages may be older than the stores, so both
// are asked again. It reports whether that was a difference that matters.
func (k *copier) differs(ctx context.Context, s, t *store.Record, repair bool) (bool, error) {
	if k.mark.Merge && t != nil {
		if s != nil {
			k.kept++
		}
		return false, nil
	}
	var key string
	if s != nil {
		key = s.Key
	} else {
		key = t.Key
	}
	s, err := k.fresh(ctx, k.from, key, k.mark.shift())
	if err != nil {
		return false, fmt.Errorf("reading the source: %w", err)
	}
	t, err = k.fresh(ctx, k.to, key, 0)
	if err != nil {
		return false, fmt.Errorf("reading the target back: %w", err)
	}
	gone, err := k.expiring(ctx, s, t)
	switch {
	case err != nil:
		return false, err
	case gone:
		k.expired++
		return false, nil
	case s != nil && t != nil && alike(s, t):
		return true, nil // another round counts it
	case !repair:
		return true, nil
	}
	k.again++
	return true, k.replace(ctx, s, t)
}

// expiring tells whether a record that one side at most has expires just now:
// two clocks never agree on when.
func (k *copier) expiring(ctx context.Context, s, t *store.Record) (bool, error) {
	const now = 2 * time.Second
	left := s
	switch {
	case s != nil && t != nil:
		return false, nil
	case s == nil && t == nil:
		return true, nil
	case s == nil:
		left = t
	}
	if left.Expires.IsZero() {
		return false, nil
	}
	clock, err := k.to.Now(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the target's clock: %w", err)
	}
	return left.Expires.Sub(clock) < now, nil
}

// fresh reads a record; nil if it is absent.
func (k *copier) fresh(ctx context.Context, from store.Store, key string, shift time.Duration) (*store.Record, error) {
	record, err := from.Get(ctx, key)
	if errors.Is(err, store.ErrAbsent) {
		return nil, nil //nolint:nilnil // absent
	}
	if err != nil {
		return nil, err
	}
	if !record.Expires.IsZero() {
		record.Expires = record.Expires.Add(shift)
	}
	return &record, nil
}

// replace makes the target's record t the source's s; nil is none.
func (k *copier) replace(ctx context.Context, s, t *store.Record) error {
	if t != nil {
		if err := k.to.Delete(ctx, t.Key, t.Version); err != nil && !errors.Is(err, store.ErrAbsent) {
			return fmt.Errorf("replacing a record of the target: %w", err)
		}
	}
	target, ok := k.to.(store.Restorer)
	if s == nil || !ok {
		return nil
	}
	if _, err := target.Restore(ctx, []store.Record{*s}); err != nil {
		return fmt.Errorf("writing to the target: %w", err)
	}
	return nil
}
