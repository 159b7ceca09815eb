package pebblestore

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/failwell/failwell/store"
)

const (
	// Free space is asked for again after so many written bytes or so long, and
	// for each write while there is too little. Both are far below the smallest
	// reserve that makes sense.
	spaceBytes = 1 << 20
	spaceEvery = 100 * time.Millisecond
)

// space refuses writes before the disk does: a log that cannot be written is
// the end of an engine, a refused write is not.
type space struct {
	files   vfs.FS
	dir     string
	reserve int64
	written atomic.Int64 // bytes since the last look
	looked  atomic.Int64 // instant of the last look that found enough, Unix ns
}

func (s *space) admit(bytes int) error {
	if s.reserve < 0 {
		return nil
	}
	now := time.Now().UnixNano()
	age := now - s.looked.Load()
	if s.written.Add(int64(bytes)) < spaceBytes && age >= 0 && age < int64(spaceEvery) {
		return nil
	}
	usage, err := s.files.GetDiskUsage(s.dir)
	if err != nil {
		return fmt.Errorf("%w: free disk space is not known: %w", store.ErrUnavailable, err)
	}
	if usage.AvailBytes < uint64(s.reserve) {
		s.looked.Store(0)
		return fmt.Errorf("%w: the disk of %s has %d MiB left, writes go on above %d MiB",
			store.ErrUnavailable, s.dir, usage.AvailBytes>>20, s.reserve>>20)
	}
	s.written.Store(0)
	s.looked.Store(now)
	return nil
}
