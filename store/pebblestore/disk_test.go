package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
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
	for _, key := range []string{"reserve versions", "99"} {
		if _, err := s.Swap(t.Context(), key, 0, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	const writers = 64
	disk.gate.Lock()
	syncs := disk.syncs.Load()
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if _, err := s.Swap(t.Context(), fmt.Sprintf("%02d", i), 0, make([]byte, 512), 0); err != nil {
				t.Error(err)
			}
		})
	}
	waiting := func() int {
		s.committer.mu.Lock()
		defer s.committer.mu.Unlock()
		return s.committer.queued / 512
	}
	// Writers whose keys share a lock take turns: a few may still be waiting.
	start := time.Now()
	for waiting() < writers-6 && time.Since(start) < 10*time.Second {
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

// Whoever waits for a disk that hangs stops when its context ends. What was begun
// happens all the same, also if the store is closed meanwhile.
func TestHangingDisk(t *testing.T) {
	t.Parallel()
	s, disk := openDisk(t, Options{})
	first, err := s.Swap(t.Context(), "k", 0, []byte("first"), 0)
	if err != nil {
		t.Fatal(err)
	}
	brief := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	disk.gate.Lock()
	for _, call := range []struct {
		what string
		err  func() error
	}{
		{"a write", func() error { _, err := s.Swap(brief(), "k", first, []byte("second"), 0); return err }},
		{"a write after it", func() error { _, err := s.Swap(brief(), "k", first, []byte("third"), 0); return err }},
		{"a read after it", func() error { _, err := s.Get(brief(), "k"); return err }},
		{"a removal after it", func() error { return s.Delete(brief(), "k", first) }},
		{"a write of an unknown key", func() error { _, err := s.Swap(brief(), "other", 0, nil, 0); return err }},
	} {
		began := time.Now()
		err := call.err()
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", call.what, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", call.what, took)
		}
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	disk.gate.Unlock()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if s, err = open(disk, "/data", Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "k")
	if err != nil || string(r.Value) != "second" || r.Version == first {
		t.Errorf("%q, version %d, %v", r.Value, r.Version, err)
	}
	if _, err := s.Get(t.Context(), "other"); err != nil {
		t.Errorf("the other key: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A disk that does not keep up refuses writes before they fill the memory.
func TestDiskFallsBehind(t *testing.T) {
	t.Parallel()
	s, disk := openDisk(t, Options{ReserveBytes: -1})
	if _, err := s.Swap(t.Context(), "k", 0, nil, 0); err != nil {
		t.Fatal(err)
	}
	disk.gate.Lock()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var wg sync.WaitGroup
	var refused atomic.Bool
	value := make([]byte, store.MaxValue)
	for i := range 2 * maxQueued / store.MaxValue {
		wg.Go(func() {
			_, err := s.Swap(ctx, fmt.Sprint(i), 0, value, 0)
			if errors.Is(err, errBehind) && refused.CompareAndSwap(false, true) {
				stop()
			}
		})
	}
	wg.Wait()
	if !refused.Load() {
		t.Error("all of it is kept in memory")
	}
	disk.gate.Unlock()
	if _, err := s.Swap(t.Context(), "again", 0, nil, 0); err != nil {
		t.Errorf("when the disk is back: %v", err)
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
