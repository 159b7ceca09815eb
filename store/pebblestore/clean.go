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
	from := s.due.Swap(math.MaxInt64)
	next := from // as long as the index was not read
	defer func() { s.lowerDue(next) }()
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: expiryKey(from, ""),
		UpperBound: []byte{spaceExpiry + 1},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	skipped := int64(math.MaxInt64)
	done := 0
	for valid := it.First(); valid; valid = it.Next() {
		at, key, ok := splitExpiryKey(it.Key())
		if !ok {
			return errShortRecord
		}
		if at > now || done == cleanMax {
			next = min(skipped, at)
			return nil
		}
		done++
		busy, err := s.reclaim(key, at)
		if err != nil {
			return err
		}
		if busy {
			skipped = min(skipped, at)
		}
	}
	if err := it.Error(); err != nil {
		return err
	}
	next = skipped
	return nil
}

// reclaim removes one record that the index says is due, unless its key is in
// use, which is not worth a wait. It needs no sync: after a crash the record is
// there again and as expired as before.
func (s *Store) reclaim(key string, at int64) (busy bool, err error) {
	stripe := s.stripe(key)
	if !stripe.TryLock() {
		return true, nil
	}
	defer stripe.Unlock()
	h, err := s.header(stripe, key)
	if err != nil {
		return false, err
	}
	if h.version == 0 || due(h.deadline) != at {
		return false, nil // rewritten since the index was read
	}
	stripe.forget()
	return false, s.erase(key, h.deadline, pebble.NoSync)
}

func (s *Store) lowerDue(to int64) {
	for {
		from := s.due.Load()
		if from <= to || s.due.CompareAndSwap(from, to) {
			return
		}
	}
}
