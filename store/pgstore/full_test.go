//go:build linux

package pgstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
)

// The file of large values has no space: the kernel itself says so, by a link to
// /dev/full, since a small disk of one's own takes rights that tests do not
// always have. Small records are served, large ones refused, nothing is lost,
// and with space all is well again without a restart of failwell.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{})
	s := mustOpen(t, server.URL(), Options{})
	swap := func(key string, old store.Version, size int) (store.Version, error) {
		t.Helper()
		return s.Swap(t.Context(), key, old, make([]byte, size), 0)
	}
	v, err := swap("k", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var relation string
	err = s.pool.QueryRow(t.Context(), "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = "+
		literal(quote(s.opts.Schema, "records"))+"::regclass").Scan(&relation)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(server.Data(), relation)
	change := func(f func() error) {
		t.Helper()
		if err := errors.Join(server.Stop(), f(), server.Start()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "connected again", func() bool { _, err := s.Now(t.Context()); return err == nil })
	}
	change(func() error { return errors.Join(os.Rename(file, file+".kept"), os.Symlink("/dev/full", file)) })
	for range 3 {
		_, err := swap("k", v, 100_000)
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "disk is full") {
			t.Fatalf("a large value on a full disk: %v", err)
		}
		r, err := s.Get(t.Context(), "k")
		if err != nil || r.Version != v || len(r.Value) != 100 {
			t.Fatalf("after a refused write: version %d of %d bytes, %v", r.Version, len(r.Value), err)
		}
		if v, err = swap("k", v, 100); err != nil {
			t.Fatalf("a small value: %v", err)
		}
	}
	change(func() error { return os.Rename(file+".kept", file) })
	if _, err := swap("k", v, 100_000); err != nil {
		t.Fatalf("with space again: %v", err)
	}
	if r, err := s.Get(t.Context(), "k"); err != nil || len(r.Value) != 100_000 {
		t.Fatalf("%d bytes, %v", len(r.Value), err)
	}
}
