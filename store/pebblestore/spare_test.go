package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// reuseFS counts the logs that are made of spares.
type reuseFS struct {
	vfs.FS
	spares atomic.Int64
}

func (f *reuseFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(from, spareName) {
		f.spares.Add(1)
	}
	return f.FS.ReuseForWrite(from, to, c)
}

// fill writes so many bytes, by several writers.
func fill(t *testing.T, s *Store, name string, bytes int) {
	t.Helper()
	const writers, size = 8, 32 << 10
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(i)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := 0; n < bytes/writers; n += size {
				if _, err := s.Swap(t.Context(), fmt.Sprint(name, w, "-", n), 0, value, 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (l *spareLog) settled() spareState {
	l.making.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// The second log of a store is a spare one, of zeros until it is written; power is
// cut, and all that was written is there. Nothing is left of a spare after an end,
// nor after a cut at which there was one.
func TestSpareLog(t *testing.T) {
	t.Parallel()
	const first = spareAfter + 1<<20
	files := vfs.NewCrashableMem()
	disk := &reuseFS{FS: files}
	s, err := open(disk, "/data", Options{ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Swap(t.Context(), "little", 0, nil, 0); err != nil {
		t.Fatal(err)
	}
	if state := s.spare.settled(); state != spareWanted {
		t.Fatalf("the first write makes a spare: state %d", state)
	}
	fill(t, s, "a", first)
	if state := s.spare.settled(); state != spareReady {
		t.Fatalf("after 9 MiB the spare's state is %d", state)
	}
	f, err := files.Open(filepath.Join("/data", spareName))
	if err != nil {
		t.Fatal(err)
	}
	zeros, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil || len(zeros) != spareBytes || strings.Trim(string(zeros), "\x00") != "" {
		t.Errorf("a spare of %d bytes, %v", len(zeros), err)
	}
	cut := crashDisk(files, 0)
	fill(t, s, "b", memTableBytes)
	if disk.spares.Load() == 0 {
		t.Error("no log was made of a spare")
	}
	last := crashDisk(files, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]*vfs.MemFS{"closed": files, "cut beside a spare": cut, "cut in a spare": last} {
		s, err := open(files, "/data", Options{ReserveBytes: -1})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := files.Stat(filepath.Join("/data", spareName)); err == nil {
			t.Errorf("%s: a spare is left", name)
		}
		want := map[string]int{"a": first / (32 << 10), "b": memTableBytes / (32 << 10)}
		if files == cut {
			want["b"] = 0
		}
		for prefix, n := range want {
			if there := count(t, s, prefix); there != n {
				t.Errorf("%s: %d records of %d begin with %s", name, there, n, prefix)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func count(t *testing.T, s *Store, prefix string) (n int) {
	t.Helper()
	for after := ""; ; {
		page, err := s.Scan(t.Context(), prefix, after, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return n
		}
		n += len(page)
		after = page[len(page)-1].Key
	}
}

// A spare is not made where it would take the space that writes need, and one that
// fails leaves nothing and harms nobody.
func TestSpareLogFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		free int64
		fail bool
	}{{"a full disk", defaultReserveBytes + 2*spareBytes, false}, {"a file that cannot be made", 1 << 40, true}} {
		disk := &diskFS{FS: vfs.NewMem()}
		disk.free.Store(c.free)
		s, err := open(&noSpareFS{disk, c.fail}, "/data", Options{})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s, "a", 2*spareAfter)
		if state := s.spare.settled(); state != spareWanted {
			t.Errorf("%s: the spare's state is %d", c.name, state)
		}
		if _, err := disk.Stat(filepath.Join("/data", spareName)); err == nil {
			t.Errorf("%s: a spare is there", c.name)
		}
		fill(t, s, "b", 2*spareAfter)
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

type noSpareFS struct {
	vfs.FS
	fail bool
}

func (f *noSpareFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f.fail && strings.HasSuffix(name, spareName) {
		return nil, vfs.ErrUnsupported
	}
	return f.FS.Create(name, c)
}
