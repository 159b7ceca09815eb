package pebblestore

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/failwell/failwell/store"
)

func openDisk(t *testing.T, opts Options) (*Store, *diskFS) {
	t.Helper()
	disk := &diskFS{FS: vfs.NewMem()}
	disk.free.Store(1 << 40)
	s, err := open(disk, "/data", opts)
	if err != nil {
		t.Fatal(err)
	}
	return s, disk
}

// 64 writers that wait for one sync are all done after the next.
func TestWritersShareSyncs(t *testing.T) {
	t.Parallel()
	s, disk := openDisk(t, Options{})
	logged := func() uint64 { return s.db.Metrics().WAL.BytesIn }
	if _, err := s.Swap(t.Context(), "reserve versions", 0, nil, 0); err != nil {
		t.Fatal(err)
	}
	const writers, size = 64, 512
	one := logged()
	if _, err := s.Swap(t.Context(), "99", 0, make([]byte, size), 0); err != nil {
		t.Fatal(err)
	}
	disk.gate.Lock()
	before, syncs := logged(), disk.syncs.Load()
	one = before - one
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if _, err := s.Swap(t.Context(), fmt.Sprintf("%02d", i), 0, make([]byte, size), 0); err != nil {
				t.Error(err)
			}
		})
	}
	// Writers whose keys share a lock take turns: a few may still be waiting.
	start := time.Now()
	for logged() < before+(writers-6)*one && time.Since(start) < 10*time.Second {
		runtime.Gosched()
	}
	disk.gate.Unlock()
	wg.Wait()
	if shared := disk.syncs.Load() - syncs; shared > 12 {
		t.Errorf("%d writers needed %d syncs", writers, shared)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A full disk refuses writes and serves reads, and when there is space again
// the same store goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, disk := openDisk(t, Options{})
	v, err := s.Swap(t.Context(), "k", 0, []byte("kept"), 0)
	if err != nil {
		t.Fatal(err)
	}
	disk.free.Store(defaultReserveBytes - 1)
	for i := 0; ; i++ { // at the latest when the next MiB is written
		next, err := s.Swap(t.Context(), "k", v, make([]byte, 64<<10), 0)
		if errors.Is(err, store.ErrUnavailable) {
			break
		}
		if err != nil || i == spaceBytes>>16 {
			t.Fatalf("write %d on a full disk: %v", i, err)
		}
		v = next
	}
	if err := s.Delete(t.Context(), "k", v); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("delete: %v", err)
	}
	if r, err := s.Get(t.Context(), "k"); err != nil || r.Version != v {
		t.Errorf("get: version %d, %v; want %d", r.Version, err, v)
	}
	disk.free.Store(defaultReserveBytes)
	if _, err := s.Swap(t.Context(), "k", v, nil, 0); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A log that cannot be written makes the store unavailable, for all its
// callers, without ending the process or hanging one of them.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	s, disk := openDisk(t, Options{})
	kept, err := s.Swap(t.Context(), "kept", 0, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	disk.fail.Store(true)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			v, err := s.Swap(t.Context(), fmt.Sprint(i), 0, make([]byte, 100), 0)
			if v != 0 || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("swap on a failed disk: version %d, %v", v, err)
			}
		})
	}
	wg.Wait()
	disk.fail.Store(false)
	_, get := s.Get(t.Context(), "kept")
	_, scan := s.Scan(t.Context(), "", "", 1)
	for what, err := range map[string]error{"get": get, "scan": scan, "delete": s.Delete(t.Context(), "kept", kept)} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after the failure: %v", what, err)
		}
	}
	if err := s.Close(); err == nil {
		t.Error("close does not tell that writes were lost")
	}
	if s, err = open(disk, "/data", Options{}); err != nil {
		t.Fatalf("restart: %v", err)
	}
	if r, err := s.Get(t.Context(), "kept"); err != nil || r.Version != kept {
		t.Errorf("after the restart: version %d, %v; want %d", r.Version, err, kept)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
