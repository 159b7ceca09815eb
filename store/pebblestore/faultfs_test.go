package pebblestore

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// stepFS calls step before each change of a directory.
type stepFS struct {
	vfs.FS
	step func()
}

func (f *stepFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.step()
	return f.FS.Create(name, c)
}

func (f *stepFS) Rename(from, to string) error {
	f.step()
	return f.FS.Rename(from, to)
}

func (f *stepFS) MkdirAll(dir string, perm os.FileMode) error {
	f.step()
	return f.FS.MkdirAll(dir, perm)
}

func (f *stepFS) OpenDir(name string) (vfs.File, error) {
	f.step()
	return f.FS.OpenDir(name)
}

// diskFS has a log whose syncs can be held up, counted and made to fail, and a
// size of its own.
type diskFS struct {
	vfs.FS
	gate  sync.RWMutex // held for writing: syncs of the log wait
	syncs atomic.Int64
	fail  atomic.Bool
	free  atomic.Int64
}

func (f *diskFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(f.FS.Create(name, c))
}

func (f *diskFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(f.FS.ReuseForWrite(from, to, c))
}

func (f *diskFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: uint64(f.free.Load())}, nil
}

func (f *diskFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{File: file, disk: f}, nil
}

type diskFile struct {
	vfs.File
	disk *diskFS
}

func (f *diskFile) log() bool {
	info, err := f.Stat()
	return err == nil && strings.HasSuffix(info.Name(), ".log")
}

func (f *diskFile) Write(b []byte) (int, error) {
	if f.disk.fail.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(b)
}

func (f *diskFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *diskFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *diskFile) sync(next func() error) error {
	if f.log() {
		f.disk.gate.RLock()
		defer f.disk.gate.RUnlock()
		f.disk.syncs.Add(1)
	}
	return next()
}
