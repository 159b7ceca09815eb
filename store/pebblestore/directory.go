package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// markerName is the file that makes a directory a store. It is written first
	// and read before the engine touches anything, so that a mistyped path is
	// never filled with files, and a newer store never opened by halves.
	markerName   = "FAILWELL-STORE"
	markerPrefix = "failwell store, format "
	format       = 1
)

// prepare makes dir a store if it is new or empty, and refuses it if it holds
// something else or a newer store.
func prepare(files vfs.FS, dir string) error {
	if err := makeDir(files, dir); err != nil {
		return systemError(dir, err)
	}
	names, err := files.List(dir)
	if err != nil {
		return systemError(dir, err)
	}
	if slices.Contains(names, markerName) {
		return checkMarker(files, dir)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "lost+found" || name == markerName+".new"
	})
	if len(names) > 0 {
		slices.Sort(names)
		return &OpenError{
			Dir:  dir,
			What: fmt.Sprintf("not a failwell store: it holds %q but no %s", names[0], markerName),
			Hint: "name an empty or new directory with --store pebble:DIR",
			Kind: ErrNotStore,
		}
	}
	if err := writeMarker(files, dir); err != nil {
		return systemError(dir, err)
	}
	return nil
}

// makeDir creates dir for its owner alone, and makes sure that a crash does not
// lose the directory with everything in it.
func makeDir(files vfs.FS, dir string) error {
	info, err := files.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(files, parent); err != nil {
			return err
		}
	}
	if err := files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(files, parent)
}

func syncDir(files vfs.FS, dir string) error {
	d, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeMarker(files vfs.FS, dir string) error {
	name := filepath.Join(dir, markerName)
	f, err := files.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s%d\n", markerPrefix, format)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := files.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(files, dir)
}

func checkMarker(files vfs.FS, dir string) error {
	name := filepath.Join(dir, markerName)
	f, err := files.Open(name)
	if err != nil {
		return systemError(dir, err)
	}
	content, err := io.ReadAll(io.LimitReader(f, 256))
	if err := errors.Join(err, f.Close()); err != nil {
		return systemError(dir, err)
	}
	number, ok := strings.CutPrefix(strings.TrimSuffix(string(content), "\n"), markerPrefix)
	found, err := strconv.Atoi(number)
	switch {
	case !ok || err != nil || found < 1:
		return corruptError(dir, fmt.Errorf("%s does not say which format the store has", name))
	case found > format:
		return &OpenError{
			Dir:  dir,
			What: fmt.Sprintf("written by a newer failwell (format %d, this one knows %d)", found, format),
			Hint: "use that failwell, or name another directory with --store pebble:DIR",
			Kind: ErrNewerFormat,
		}
	}
	return nil
}

// lock takes the directory for this store alone.
func lock(files vfs.FS, dir string) (*pebble.Lock, error) {
	l, err := pebble.LockDirectory(dir, files)
	if err == nil {
		return l, nil
	}
	// A lock that is held shows as a bare errno or text; trouble with the file
	// itself names the file.
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, systemError(dir, err)
	}
	holder := "this process"
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		holder = lockHolder(filepath.Join(dir, "LOCK"))
	}
	return nil, &OpenError{
		Dir:  dir,
		What: "in use by " + holder,
		Hint: "stop the other user of it, or name another directory with --store pebble:DIR",
		Kind: ErrLocked,
		Err:  err,
	}
}

func systemError(dir string, err error) error {
	return &OpenError{
		Dir:  dir,
		What: fmt.Sprintf("cannot be opened: %v", err),
		Hint: "check that the directory can be written and that the disk has space",
		Err:  err,
	}
}

func corruptError(dir string, err error) error {
	return &OpenError{
		Dir:  dir,
		What: fmt.Sprintf("damaged: %v", err),
		Hint: "restore the directory from a backup, or move it away to start empty; do not delete single files",
		Kind: ErrCorrupt,
		Err:  err,
	}
}
