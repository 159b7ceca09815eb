//go:build unix

package pgstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
)

// ear collects what a subscription is told.
type ear struct {
	mu    sync.Mutex
	heard []string
	lost  int
}

func listenTo(ctx context.Context, t *testing.T, s *Store, topic string) *ear {
	t.Helper()
	e := &ear{}
	err := s.Subscribe(ctx, topic, func(message string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, message)
	}, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.lost++
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *ear) losses() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost
}

func (e *ear) has(messages ...string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Equal(e.heard, messages)
}

func TestNews(t *testing.T) {
	t.Parallel()
	url, schema := shared.Get(t).URL(), freshSchema()
	here, there := mustOpen(t, url, Options{Schema: schema}), mustOpen(t, url, Options{Schema: schema})
	elsewhere := mustOpen(t, url, Options{Schema: freshSchema()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	mine, theirs := listenTo(ctx, t, here, "keys"), listenTo(ctx, t, there, "keys")
	other, stranger := listenTo(ctx, t, there, "other"), listenTo(ctx, t, elsewhere, "keys")
	for _, e := range []*ear{mine, theirs, other, stranger} {
		eventually(t, "connected", func() bool { return e.losses() == 1 })
	}
	second := listenTo(ctx, t, there, "keys")
	eventually(t, "a later subscription is told at once", func() bool { return second.losses() == 1 })

	want := []string{"one", "", "\x00\xff 'quoted'", strings.Repeat("x", 1020)}
	for _, message := range want {
		if err := here.Notify(t.Context(), "keys", message); err != nil {
			t.Fatal(err)
		}
	}
	if err := here.Notify(t.Context(), "other", "end"); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*ear{"own": mine, "other process": theirs, "second": second} {
		eventually(t, name+" hears all in order", func() bool { return e.has(want...) })
	}
	eventually(t, "the other topic", func() bool { return other.has("end") })
	if !stranger.has() {
		t.Fatalf("another schema heard %q", stranger.heard)
	}
	if err := here.Notify(t.Context(), "keys", strings.Repeat("x", 1021)); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("too long: %v", err)
	}
	cancel()
	eventually(t, "subscriptions end", func() bool {
		there.news.mu.Lock()
		defer there.news.mu.Unlock()
		return len(there.news.listeners) == 0
	})
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	if err := there.Subscribe(t.Context(), "keys", func(string) {}, func() {}); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
}

// After each connection the listener learns that it may have missed something.
func TestNewsReconnect(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	s := mustOpen(t, server.URL(), Options{})
	e := listenTo(t.Context(), t, s, "keys")
	for i := range 3 {
		eventually(t, "connected", func() bool { return e.losses() == i+1 })
		if i == 2 {
			break
		}
		if err := errors.Join(server.Kill9(), server.Start()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a message after the restarts", func() bool {
		return s.Notify(t.Context(), "keys", "again") == nil
	})
	eventually(t, "heard", func() bool { return !e.has() })
}

// A listener that does not keep up loses messages, is told so, and holds up
// neither the others nor memory.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	l := &listener{wake: make(chan struct{}, 1)}
	for range newsQueue + 5 {
		l.tell("m", false)
	}
	heard, lost := 0, 0
	ctx, cancel := context.WithCancel(t.Context())
	l.run(ctx, t.Context(), func(string) {
		if heard++; heard == 5 {
			cancel()
		}
	}, func() { lost++ })
	if heard != 5 || lost != 1 {
		t.Fatalf("heard %d, lost %d times; want 5 and 1", heard, lost)
	}
}
