package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

// sequenceBlock is how many versions one durable write reserves. A restart
// skips what was left of the block: 2^64 versions allow 2^44 restarts.
const sequenceBlock = 1 << 20

// sequence hands out versions that are never handed out again, also after a
// crash: each is at most the ceiling, which is on disk before, and an opened
// store goes on above the ceiling it finds. The records cannot tell the highest
// version, since the one that had it may be gone.
type sequence struct {
	last    atomic.Uint64
	ceiling atomic.Uint64
	mu      sync.Mutex
	persist func(ceiling uint64) error // durable when it returns
}

func (s *sequence) next() (store.Version, error) {
	v := s.last.Add(1)
	if v > s.ceiling.Load() {
		if err := s.reserve(v); err != nil {
			return 0, err
		}
	}
	return store.Version(v), nil
}

// ready reports whether the next versions, up to as many as callers may ask for at
// once, can be handed out without a write.
func (s *sequence) ready() bool { return s.last.Load()+sequenceBlock/64 <= s.ceiling.Load() }

func (s *sequence) reserve(v uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v <= s.ceiling.Load() {
		return nil
	}
	ceiling := v + sequenceBlock
	if err := s.persist(ceiling); err != nil {
		return err
	}
	s.ceiling.Store(ceiling)
	return nil
}

func (s *sequence) load(db *pebble.DB) error {
	b, closer, err := db.Get(ceilingKey())
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	size := len(b)
	if size == 8 {
		ceiling := binary.BigEndian.Uint64(b)
		s.last.Store(ceiling)
		s.ceiling.Store(ceiling)
	}
	if err := closer.Close(); err != nil {
		return err
	}
	if size != 8 {
		return fmt.Errorf("the version counter has %d bytes, 8 are expected", size)
	}
	return nil
}
