package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

const (
	// minRoom is for how many keys a filter is made at least: 2 MiB.
	minRoom = 1 << 20
	// maxFillBytes of tables are read to fill a filter, a million records with
	// answers of 2 KiB; a larger store is looked into.
	maxFillBytes = 2 << 30
	// sparseBytes is what a record takes in a table at least, mostly.
	sparseBytes = 256
	// fillAfter so many looks that found nothing, a filter is worth the reading.
	fillAfter = 16
	// fillStep keys are read at a time, and three times as long as that took others
	// have the machine.
	fillStep = 4096
	fillRest = 3
)

// hash is what stripes and filters know a key by.
func (s *Store) hash(key string) uint64 { return maphash.String(s.seed, key) }

// beginPresence gives a store without records a filter without keys.
func (s *Store) beginPresence() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceRecord}, UpperBound: []byte{spaceRecord + 1}})
	if err != nil {
		return err
	}
	if !it.First() && it.Error() == nil {
		s.present.whole.Store(newFilter(minRoom))
	}
	return it.Close()
}

// addAll is called before a group is committed, between enter and leave.
func (s *Store) addAll(g *group) {
	for _, w := range g.writes {
		if w.known.held.version != 0 {
			s.present.add(s.hash(w.known.key))
		}
	}
}

// fillSometimes has a filter filled, after a look that found nothing or when the
// present one is full. It is called during a call.
func (s *Store) fillSometimes() {
	p := &s.present
	if !p.full() && (p.whole.Load() != nil || p.missed.Add(1) < fillAfter) || !p.busy.CompareAndSwap(false, true) {
		return
	}
	s.filling.Go(func() {
		err := s.fill(minRoom, fillStep)
		switch {
		case err == nil:
			p.busy.Store(false)
		case errors.Is(err, errTooMuch):
			s.opts.Logger.Info("whether a key has a record is looked up on disk", "reason", err)
		case !errors.Is(err, store.ErrClosed):
			s.opts.Logger.Warn("whether a key has a record is looked up on disk", "error", err)
		}
	})
}

var errTooMuch = fmt.Errorf("the store has more than %d GiB, too much to keep its keys in memory", maxFillBytes>>30)

// fill makes a filter of what the engine holds, for room keys at least. Only one
// may be under way, as busy tells. After an error there is none but the one before,
// which stays right.
func (s *Store) fill(room, step int) (err error) {
	defer s.caught(&err)
	size := s.db.Metrics().Total().TablesSize
	if size > maxFillBytes {
		return errTooMuch
	}
	f, p := newFilter(max(room, int(2*size/sparseBytes))), &s.present
	p.nextIs(f)
	if err := s.fillFrom(f, step); err != nil {
		p.nextIs(nil)
		return err
	}
	// Where records are smaller than was thought, it serves as it is.
	f.enough = max(f.enough, 2*f.count.Load())
	p.commits.Lock()
	defer p.commits.Unlock()
	p.whole.Store(f)
	p.filling = nil
	p.missed.Store(0)
	return nil
}

// nextIs has f get all keys that are added from now on.
func (p *presence) nextIs(f *filter) {
	p.commits.Lock()
	defer p.commits.Unlock()
	p.filling = f
}

// fillFrom reads all keys of records, step at a time. Those that are added meanwhile
// may be missed: whoever adds them puts them into the filter.
func (s *Store) fillFrom(f *filter, step int) error {
	next, rest := []byte{spaceRecord}, time.NewTimer(0)
	defer rest.Stop()
	for next != nil {
		select {
		case <-s.closing:
			return store.ErrClosed
		case <-rest.C:
		}
		began := time.Now()
		var err error
		if next, err = s.fillSome(f, next, step); err != nil {
			return err
		}
		rest.Reset(fillRest * time.Since(began))
	}
	return nil
}

// fillSome reads some keys, and returns where to go on, nil at the end.
func (s *Store) fillSome(f *filter, from []byte, step int) (next []byte, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{spaceRecord + 1}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for valid := it.First(); valid; valid = it.Next() {
		if n++; n > step {
			return bytes.Clone(it.Key()), nil
		}
		f.add(maphash.Bytes(s.seed, it.Key()[1:]))
	}
	return nil, it.Error()
}
