package pebblestore

import (
	"context"
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// cleanEvery writes, one of them reclaims up to cleanMax expired records:
	// four for each that can be added, so that a backlog shrinks under load, in
	// about as much time as a sync takes.
	cleanEvery = 16
	cleanMax   = 64
)

// cleanSometimes reclaims expired records when it is this call's turn. What goes
// wrong here is not the caller's business: the record that stays is still
// expired, and an engine that failed is found out by the next call. It goes on by
// itself when ctx ends.
func (s *Store) cleanSometimes(ctx context.Context) {
	if s.writes.Add(1)%cleanEvery != 0 {
		return
	}
	now := s.opts.Clock().UnixMilli()
	if s.due.Load() > now || !s.cleaning.TryLock() {
		return
	}
	done := make(chan struct{})
	s.hands.lend(func() {
		defer close(done)
		defer s.cleaning.Unlock()
		if err := s.clean(now); err != nil {
			s.opts.Logger.Warn("expired records were not reclaimed", "error", err)
		}
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// clean reclaims what the index shows from due on. due is raised out of the way
// before the index is read: a deadline added meanwhile lowers it again, so that
// none is lost between the two.
func (s *Store) clean(now int64) (err error) {
	defer rescue(&err, s.fail)
	c := cleaner{Store: s, now: now, left: cleanMax, next: math.MaxInt64}
	c.from = s.due.Swap(math.MaxInt64)
	next := c.from // as long as the index was not read
	defer func() { s.lowerDue(next) }()
	if err := errors.Join(c.walk(spaceDues, c.together), c.walk(spaceExpiry, c.single)); err != nil {
		return err
	}
	next = c.next
	return nil
}

// cleaner is one bounded walk over the index.
type cleaner struct {
	*Store
	// from is where the index begins, now what is due.
	from, now int64
	// left is how many records may still be reclaimed.
	left int
	// next is the earliest instant that is left.
	next int64
}

// walk calls reclaim with what is due in one space of the index, until that says
// that it has to stay for want of time.
func (c *cleaner) walk(space byte, reclaim func(key, value []byte, at int64) (stays bool, err error)) (err error) {
	it, err := c.db.NewIter(&pebble.IterOptions{LowerBound: appendDue(nil, space, c.from), UpperBound: []byte{space + 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for valid := it.First(); valid; valid = it.Next() {
		at, ok := splitDue(it.Key())
		if !ok {
			return errShortRecord
		}
		if at > c.now || c.left <= 0 {
			c.next = min(c.next, at)
			return nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		stays, err := reclaim(it.Key(), value, at)
		if err != nil {
			return err
		}
		if stays {
			c.next = min(c.next, at)
		}
	}
	return it.Error()
}

// single reclaims the record of an entry.
func (c *cleaner) single(key, _ []byte, at int64) (stays bool, err error) {
	c.left--
	return c.reclaim(string(key[dueSize:]), at, key)
}

// together reclaims the records of an entry, which goes when none of them needs it
// any more. It is not begun with less left than it takes, unless that is all there
// ever is.
func (c *cleaner) together(key, value []byte, at int64) (stays bool, err error) {
	keys, err := dueKeys(value)
	if err != nil {
		return false, err
	}
	whole := c.left == cleanMax
	if c.left -= len(keys); c.left < 0 && !whole {
		return true, nil
	}
	for _, k := range keys {
		busy, err := c.reclaim(k, at, nil)
		if err != nil {
			return false, err
		}
		stays = stays || busy
	}
	if stays {
		return true, nil
	}
	b := c.db.NewBatch()
	return false, c.commit(b, b.Delete(key, nil), pebble.NoSync)
}

// reclaim removes one record that the index says is due, and the entry that says
// so if it is its own, unless the key is in use, which is not worth a wait. It
// needs no sync: after a crash the record is there again and as expired as before.
func (s *Store) reclaim(key string, at int64, entry []byte) (busy bool, err error) {
	stripe := s.stripe(key)
	if !stripe.TryLock() {
		return true, nil
	}
	defer stripe.Unlock()
	h, err := s.header(stripe, key)
	if err != nil {
		return false, err
	}
	gone := h.version == 0 || due(h.deadline) != at // or rewritten since the index was read
	if gone && entry == nil {
		return false, nil
	}
	b := s.db.NewBatch()
	if entry != nil {
		err = b.Delete(entry, nil)
	}
	if !gone {
		stripe.forget()
		err = errors.Join(err, b.Delete(recordKey(key), nil))
	}
	return false, s.commit(b, err, pebble.NoSync)
}

func (s *Store) lowerDue(to int64) {
	for {
		from := s.due.Load()
		if from <= to || s.due.CompareAndSwap(from, to) {
			return
		}
	}
}
