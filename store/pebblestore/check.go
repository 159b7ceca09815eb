package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/failwell/failwell/store"
)

// roomy is the free space from which nobody has to think of it: 16 times what
// is kept in reserve, and minutes of writing at full speed.
const roomy = 1 << 30

var _ store.Checker = (*Store)(nil)

// Check implements store.Checker.
func (s *Store) Check(ctx context.Context) ([]store.Promise, error) {
	if err := s.begin(ctx, nil); err != nil {
		return nil, err
	}
	defer s.leave()
	promises, err := inspect(s.space.files, s.space.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if s.opts.NoSync {
		promises[0] = store.Promise{
			Name: promises[0].Name, Found: "writes do not wait for the disk",
			Weaker: "A crash loses the last writes.", Remedy: "open the store without NoSync",
		}
	}
	return promises, nil
}

// Inspect looks at a directory in which there is a store, without opening it:
// somebody else may have it open.
func Inspect(dir string) ([]store.Promise, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, systemError(dir, err)
	}
	if err := exists(vfs.Default, full); err != nil {
		return nil, err
	}
	promises, err := inspect(vfs.Default, full)
	if err != nil {
		return nil, systemError(dir, err)
	}
	return promises, nil
}

// exists tells whether there is a store in dir.
func exists(files vfs.FS, dir string) error {
	_, err := files.Stat(filepath.Join(dir, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return &OpenError{
			Dir:  dir,
			What: "there is no store here",
			Hint: "check the path; failwell serve --store pebble:DIR makes a new store",
			Kind: ErrNotStore,
			Err:  err,
		}
	}
	if err != nil {
		return systemError(dir, err)
	}
	return nil
}

func inspect(files vfs.FS, dir string) ([]store.Promise, error) {
	usage, err := files.GetDiskUsage(dir)
	if err != nil {
		return nil, err
	}
	disk, err := fileSystem(dir)
	if err != nil {
		return nil, err
	}
	survive := store.Promise{Name: "writes survive a crash", Kept: true, Found: "each write is synced to " + disk.name}
	switch disk.sort {
	case volatile:
		survive.Kept = false
		survive.Found = disk.name + ", which is memory"
		survive.Weaker = "A crash of the process loses nothing, a restart of the machine everything."
		survive.Remedy = "put the directory on a disk"
	case remote:
		survive.Kept = false
		survive.Found = disk.name + ", which is not a disk of this machine"
		survive.Weaker = "Syncs and locks are as good as the file system's server; with weak locks two gateways damage the store."
		survive.Remedy = "put the directory on a disk of this machine, or use redis:// or postgres:// for several gateways"
	case local:
	}
	room := store.Promise{
		Name: "there is room to write", Kept: usage.AvailBytes >= roomy,
		Found: fmt.Sprintf("%d MiB free of %d MiB", usage.AvailBytes>>20, usage.TotalBytes>>20),
	}
	if !room.Kept {
		room.Weaker = fmt.Sprintf("Writes are refused below %d MiB, until there is space again.", defaultReserveBytes>>20)
		room.Remedy = "free space on the disk, or move the directory to a larger one"
	}
	return []store.Promise{survive, room}, nil
}

// disk is what a directory lies on.
type disk struct {
	name string
	sort diskSort
}

type diskSort int

const (
	local diskSort = iota
	volatile
	remote
)
