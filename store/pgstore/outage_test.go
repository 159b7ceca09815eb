//go:build unix

package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
)

// Calls to a server that hangs end at their deadline, and so does closing.
func TestPaused(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	s := mustOpen(t, server.URL(), Options{})
	v, err := s.Swap(t.Context(), "k", 0, []byte("kept"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	// More than there are connections: some wait for one.
	for range 2 * defaultMaxConns {
		wg.Go(func() {
			const patience = 100 * time.Millisecond
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := s.Get(ctx, "k")
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took < patience || took > patience+2*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
	wg.Wait()
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is read again", func() bool {
		r, err := s.Get(t.Context(), "k")
		return err == nil && r.Version == v
	})
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := s.Close(); err != nil || time.Since(began) > goodbye+2*time.Second {
		t.Errorf("closing took %v, %v", time.Since(began), err)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
}

// writers count one key each upwards and note what was confirmed. An ambiguous
// failure is settled by a look, as the interface says.
type writers struct {
	wg        sync.WaitGroup
	stop      chan struct{}
	confirmed [8]atomic.Uint64 // the version of each key that is known to be there
	writes    atomic.Int64
}

func startWriters(t *testing.T, s *Store) *writers {
	t.Helper()
	w := &writers{stop: make(chan struct{})}
	for i := range w.confirmed {
		w.wg.Go(func() {
			for {
				select {
				case <-w.stop:
					return
				default:
				}
				if err := w.write(t.Context(), s, i); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
		})
	}
	return w
}

func (w *writers) write(ctx context.Context, s *Store, i int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	key := fmt.Sprint("writer", i)
	known := store.Version(w.confirmed[i].Load())
	r, err := s.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return nil
	case err != nil && !errors.Is(err, store.ErrAbsent):
		return err
	case r.Version < known:
		return fmt.Errorf("version %d was confirmed, %d is there", known, r.Version)
	}
	w.confirmed[i].Store(uint64(r.Version))
	v, err := s.Swap(ctx, key, r.Version, nil, time.Hour)
	switch {
	case err == nil && v <= r.Version:
		return fmt.Errorf("version %d after %d", v, r.Version)
	case err == nil:
		w.confirmed[i].Store(uint64(v))
		w.writes.Add(1)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
	// A write that was given up may still arrive, if only before the look.
	case !errors.Is(err, store.ErrConflict):
		return err
	}
	return nil
}

func (w *writers) progress(t *testing.T) {
	t.Helper()
	before := w.writes.Load()
	eventually(t, "writes go on", func() bool { return w.writes.Load() > before+50 || t.Failed() })
}

func (w *writers) end() {
	close(w.stop)
	w.wg.Wait()
}

// The server crashes and restarts under load, is told to stop, and cuts off
// sessions: nothing confirmed is lost, and writing goes on by itself.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{})
	s := mustOpen(t, server.URL(), Options{})
	w := startWriters(t, s)
	defer w.end()
	for _, harm := range []func() error{
		func() error { return errors.Join(server.Kill9(), server.Start()) },
		server.Restart,
		func() error {
			_, err := s.pool.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'failwell' AND pid <> pg_backend_pid()")
			return err
		},
	} {
		w.progress(t)
		if err := harm(); err != nil {
			t.Fatal(err)
		}
	}
	w.progress(t)
}

// Connections that a restart has cut fail one call each only if they must:
// after the first, the others are proved before they are used.
func TestRestartFailsOneCall(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	s := mustOpen(t, server.URL(), Options{MaxConns: 8})
	held, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conns := append(s.pool.AcquireAllIdle(t.Context()), held)
	for len(conns) < 8 {
		conn, err := s.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		conn.Release()
	}
	// Immediately after, so that none counts as idle for long.
	if err := errors.Join(server.Kill9(), server.Start()); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for i := range 20 {
		_, err := s.Swap(t.Context(), fmt.Sprint("k", i), 0, nil, 0)
		switch {
		case errors.Is(err, store.ErrUnavailable):
			failures++
		case err != nil:
			t.Fatal(err)
		}
	}
	if failures > 1 {
		t.Fatalf("%d calls failed after one restart", failures)
	}
}

// The primary dies under load and its synchronous standby is promoted: clients
// that know both go on there, and nothing confirmed is lost.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := servers.Postgres(t, servers.PostgresOptions{})
	standby := primary.Standby(t, "second")
	url := servers.PostgresURL([]*servers.PostgresServer{standby, primary}, "target_session_attrs", "read-write")
	if err := primary.Set(map[string]string{"synchronous_standby_names": "second"}); err != nil {
		t.Fatal(err)
	}
	watch := mustOpen(t, primary.URL(), Options{MaxConns: 2})
	eventually(t, "the standby is waited for", func() bool {
		var n int
		err := watch.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&n)
		return err == nil && n == 1
	})
	promises, err := watch.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	broken(t, promises)

	// Opened after the setting: its connections know that they must not cancel.
	s := mustOpen(t, url, Options{})
	w := startWriters(t, s)
	w.progress(t)
	refused(t, standby.URL(), "takes no writes", "name all servers")
	if err := errors.Join(primary.Kill9(), standby.Promote()); err != nil {
		t.Fatal(err)
	}
	w.progress(t)
	w.end()
	only := mustOpen(t, standby.URL(), Options{MaxConns: 2})
	for i := range w.confirmed {
		r, err := only.Get(t.Context(), fmt.Sprint("writer", i))
		if err != nil || uint64(r.Version) < w.confirmed[i].Load() {
			t.Errorf("writer %d: version %d was confirmed; %d is there, %v", i, w.confirmed[i].Load(), r.Version, err)
		}
	}
}

// A call that is given up while the server waits for its standby must not end
// that wait: the record would be read, and could still be lost.
func TestGivenUpWhileReplicating(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	mustOpen(t, server.URL(), Options{MaxConns: 1}) // makes the tables
	if err := server.Set(map[string]string{"synchronous_standby_names": "nobody"}); err != nil {
		t.Fatal(err)
	}
	probe := mustOpen(t, server.URL(), Options{MaxConns: 2})
	eventually(t, "the setting is there", func() bool {
		var names string
		err := probe.pool.QueryRow(t.Context(), "SHOW synchronous_standby_names").Scan(&names)
		return err == nil && names == "nobody"
	})
	s := mustOpen(t, server.URL(), Options{CleanEvery: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Swap(ctx, "k", 0, nil, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a write without its standby: %v", err)
	}
	eventually(t, "the write waits for the standby", func() bool {
		var n int
		err := probe.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").Scan(&n)
		return err == nil && n == 1
	})
	// A cancel request would have arrived before: it goes out when the call ends.
	for range 50 {
		if _, err := probe.Get(t.Context(), "k"); !errors.Is(err, store.ErrAbsent) {
			t.Fatalf("the unconfirmed record is read: %v", err)
		}
	}
	if log := server.Log(); strings.Contains(log, "canceling") {
		t.Fatalf("the server was told to cancel:\n%s", log)
	}
}
