package pebblestore

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

var _ store.Restorer = (*Store)(nil)

// Restore implements store.Restorer with one sync for all records.
func (s *Store) Restore(ctx context.Context, records []store.Record) (int, error) {
	if err := s.begin(ctx, store.CheckRestore(records)); err != nil {
		return 0, err
	}
	defer s.leave()
	size := 0
	for i := range records {
		size += len(records[i].Key) + len(records[i].Value)
	}
	if err := s.space.admit(size); err != nil {
		return 0, err
	}
	written, err := s.restore(records)
	if written > 0 {
		s.cleanSometimes(ctx)
	}
	return written, err
}

func (s *Store) restore(records []store.Record) (written int, err error) {
	defer rescue(&err, s.fail)
	unlock := s.lockAll(records)
	defer unlock()
	s.present.enter()
	defer s.present.leave()
	b := s.db.NewBatch()
	now := s.opts.Clock()
	first := int64(0)
	for i := range records {
		r := &records[i]
		deadline, live := store.RestoredDeadline(r.Expires, now)
		if !live {
			continue
		}
		before, err := s.header(s.stripe(r.Key), r.Key)
		if err != nil {
			return 0, errors.Join(err, b.Close())
		}
		if before.live(now.UnixMilli()) {
			continue
		}
		if err := s.putRestored(b, r, before.deadline, deadline); err != nil {
			return 0, errors.Join(s.fail(err), b.Close())
		}
		if deadline != 0 && (first == 0 || deadline < first) {
			first = deadline
		}
		written++
	}
	if err := s.commit(b, nil, s.write); err != nil {
		return 0, err
	}
	if first != 0 {
		s.lowerDue(due(first))
	}
	return written, nil
}

func (s *Store) putRestored(b *pebble.Batch, r *store.Record, before, deadline int64) error {
	version, err := s.sequence.next()
	if err != nil {
		return err
	}
	s.present.add(s.hash(r.Key))
	op := b.SetDeferred(1+len(r.Key), headerSize+len(r.Value))
	op.Key[0] = spaceRecord
	copy(op.Key[1:], r.Key)
	putHeader(op.Value, header{version, deadline})
	copy(op.Value[headerSize:], r.Value)
	return errors.Join(op.Finish(), moveDeadline(b, r.Key, before, deadline))
}

// lockAll takes the stripes of all keys, in one order so that two of these
// cannot wait for each other, and returns what frees them.
func (s *Store) lockAll(records []store.Record) (unlock func()) {
	places := make([]int, len(records))
	for i := range records {
		places[i] = int(s.hash(records[i].Key) % stripeCount)
	}
	slices.Sort(places)
	places = slices.Compact(places)
	for _, p := range places {
		s.stripes[p].Lock()
		s.stripes[p].forget()
	}
	return func() {
		for _, p := range places {
			s.stripes[p].Unlock()
		}
	}
}
