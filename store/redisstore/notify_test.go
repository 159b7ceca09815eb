package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/redisstore"
)

// news subscribes and gives what is heard; "lost" stands for a new connection.
func news(ctx context.Context, t *testing.T, s *redisstore.Store, topic string) <-chan string {
	t.Helper()
	heard := make(chan string, 1000)
	if err := s.Subscribe(ctx, topic, func(m string) { heard <- "heard " + m }, func() { heard <- "lost" }); err != nil {
		t.Fatal(err)
	}
	return heard
}

func next(t *testing.T, heard <-chan string, want string) {
	t.Helper()
	select {
	case got := <-heard:
		if got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing, want %q", want)
	}
}

func testNews(t *testing.T, a, b *redisstore.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first, second, other := news(ctx, t, a, "keys"), news(ctx, t, b, "keys"), news(ctx, t, b, "else")
	for _, heard := range []<-chan string{first, second, other} {
		next(t, heard, "lost")
	}
	binary := "\x00\xff\r\n{x}"
	for _, message := range []string{"one", "", binary} {
		if err := a.Notify(ctx, "keys", message); err != nil {
			t.Fatal(err)
		}
		next(t, first, "heard "+message)
		next(t, second, "heard "+message)
	}
	if len(other) > 0 {
		t.Error(<-other)
	}
	if err := a.Notify(ctx, "keys", strings.Repeat("x", 1025)); !errors.Is(err, store.ErrTooLarge) {
		t.Error(err)
	}
}

func TestNews(t *testing.T) {
	t.Parallel()
	url := namespace(shared.Get(t).URL())
	testNews(t, open(t, url, redisstore.Options{}), open(t, url, redisstore.Options{}))
}

func TestNewsInACluster(t *testing.T) {
	t.Parallel()
	url := namespace(sharedCluster.Get(t).URL())
	testNews(t, open(t, url, redisstore.Options{}), open(t, url, redisstore.Options{}))
}

// A subscription outlives the server, and says that it may have missed news.
func TestNewsAfterARestart(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	s := open(t, r.URL(), redisstore.Options{})
	heard := news(t.Context(), t, s, "keys")
	next(t, heard, "lost")
	for range 2 {
		if err := errors.Join(r.Kill9(), r.Start()); err != nil {
			t.Fatal(err)
		}
		next(t, heard, "lost")
		eventually(t, "to notify", func() error { return s.Notify(t.Context(), "keys", "again") })
		next(t, heard, "heard again")
	}
}

// Who takes in the news may call the store, and be slow about it.
func TestNewsWhileCalling(t *testing.T) {
	t.Parallel()
	s := open(t, namespace(shared.Get(t).URL()), redisstore.Options{})
	swap(t, s, "k", 0, "v", 0)
	heard, done := make(chan string, 1), make(chan error, 200)
	err := s.Subscribe(t.Context(), "keys", func(string) {
		_, err := s.Scan(t.Context(), "k", "", 1) // asks on every connection
		done <- err
	}, func() { heard <- "lost" })
	if err != nil {
		t.Fatal(err)
	}
	next(t, heard, "lost")
	for range cap(done) {
		if err := s.Notify(t.Context(), "keys", "x"); err != nil {
			t.Fatal(err)
		}
	}
	late := time.After(20 * time.Second)
	for range cap(done) {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-late:
			t.Fatal("who hears the news cannot call the store")
		}
	}
}
