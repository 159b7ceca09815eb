package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// memTableBytes bounds what one flush writes, what a start after a crash
	// replays, and what the log preallocates (1.1 times that). 64 writers of
	// 512-byte records fill it in about 0.2 s.
	memTableBytes = 16 << 20
	// firstLevel flushes lie over each other before they are merged with all that is
	// below, and a block of a table has blockBytes. Records are written once and
	// mostly never read, so both are larger than an engine's usual 4 and 4 KiB:
	// keyed writes of 20 s spend 5.5 % of the time in compactions instead of 16.5.
	firstLevel = 10
	blockBytes = 16 << 10
	// verifyBytes of tables, up to verifyRecords, are read back by an opening
	// store, so that damage in a small store is found at once; it costs some 20 ms
	// at most. A larger one is checked block by block as it is read, and by Verify.
	verifyBytes   = 4 << 20
	verifyRecords = 50_000
)

// Open opens the store in dir, creating both as needed. Errors are of type
// *OpenError and say what to do.
func Open(dir string, opts Options) (*Store, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, systemError(dir, err)
	}
	// One directory has one name, or the lock against a second store of this
	// same process would not work.
	if resolved, err := filepath.EvalSymlinks(full); err == nil {
		full = resolved
	}
	return open(vfs.Default, full, opts)
}

func open(files vfs.FS, dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if opts.Existing {
		if err := exists(files, dir); err != nil {
			return nil, err
		}
	}
	if err := prepare(files, dir); err != nil {
		return nil, err
	}
	held, err := lock(files, dir)
	if err != nil {
		return nil, err
	}
	// The engine takes a reference of its own; this one ends with open.
	s, err := openLocked(files, dir, held, opts)
	if closeErr := held.Close(); closeErr != nil && err == nil {
		return nil, errors.Join(systemError(dir, closeErr), s.Close())
	}
	return s, err
}

func openLocked(files vfs.FS, dir string, held *pebble.Lock, opts Options) (_ *Store, err error) {
	log := engineLog{opts.Logger}
	defer rescue(&err, func(cause error) error { return openFailed(dir, cause) })
	// The engine charges its memory tables to the cache: without room for them
	// as well, there would be no cache as soon as there is traffic.
	cache := pebble.NewCache(opts.CacheBytes + 2*memTableBytes)
	defer cache.Unref()
	spare := &spareLog{FS: files, dir: dir, reserve: opts.ReserveBytes}
	_ = files.Remove(spare.path()) // what a crash left
	config := &pebble.Options{
		FS:                          spare,
		Lock:                        held,
		Cache:                       cache,
		Logger:                      log,
		EventListener:               log.listener(),
		FormatMajorVersion:          pebble.FormatValueSeparation,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       firstLevel,
		L0StopWritesThreshold:       24,
	}
	config.Experimental.FileCacheShards = 2
	for i := range config.Levels {
		// Most insertions ask for a key that is not there: 10 bits each spare
		// 99 % of the reads that would find nothing; see look.
		config.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		config.Levels[i].BlockSize = blockBytes
	}
	db, err := pebble.Open(dir, config)
	if err != nil {
		return nil, openFailed(dir, err)
	}
	s := &Store{
		db:      db,
		opts:    opts,
		seed:    maphash.MakeSeed(),
		spare:   spare,
		closing: make(chan struct{}),
		write:   pebble.Sync,
		space:   space{files: files, dir: dir, reserve: opts.ReserveBytes},
	}
	if opts.NoSync {
		s.write = pebble.NoSync
	}
	s.sequence.persist = func(ceiling uint64) error {
		return db.Set(ceilingKey(), binary.BigEndian.AppendUint64(nil, ceiling), s.write)
	}
	s.due.Store(1)
	if err := s.recover(); err != nil {
		return nil, errors.Join(openFailed(dir, err), db.Close())
	}
	s.committer.wake, s.committer.ended = make(chan struct{}, 1), make(chan struct{})
	s.committer.applied = make(chan *group, maxApplied)
	go s.commitGroups()
	go s.syncGroups()
	return s, nil
}

// recover reads what an opened store goes on from.
func (s *Store) recover() error {
	if err := s.sequence.load(s.db); err != nil {
		return err
	}
	if err := s.beginPresence(); err != nil {
		return err
	}
	if total := s.db.Metrics().Total(); total.TablesSize > verifyBytes {
		return nil
	}
	return s.read(context.Background(), verifyRecords)
}

// openFailed sorts the engine's errors: what the system refuses is not damage,
// all else is. An interrupted creation is finished by the engine itself.
func openFailed(dir string, err error) error {
	missing := errors.Is(err, fs.ErrNotExist)
	if _, ok := errors.AsType[syscall.Errno](err); ok && !missing && !pebble.IsCorruptionError(err) {
		return systemError(dir, err)
	}
	return corruptError(dir, err)
}

// rescue turns the panic of a fatal engine error into an error.
func rescue(err *error, wrap func(error) error) {
	switch cause := recover().(type) {
	case nil:
	case fatalError:
		*err = wrap(cause)
	default:
		panic(cause)
	}
}

// caught turns any panic into an error and the end of the store: nobody knows what
// an engine that panicked holds. It is for goroutines that have no caller.
func (s *Store) caught(err *error) {
	switch cause := recover().(type) {
	case nil:
	case fatalError:
		*err = s.fail(cause)
	default:
		*err = s.fail(fmt.Errorf("the engine panicked: %v", cause))
	}
}
