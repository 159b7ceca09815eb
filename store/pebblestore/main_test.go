package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/failwell/failwell/store"
)

// The test binary run with one of these set to a directory is a second process:
// a writer that its parent kills, or one that tries to open and tells.
const (
	childDir = "PEBBLESTORE_TEST_CHILD"
	probeDir = "PEBBLESTORE_TEST_PROBE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	if dir := os.Getenv(probeDir); dir != "" {
		_, err := Open(dir, Options{})
		fmt.Fprintln(os.Stdout, err)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// writeUntilKilled has writers that each own their keys. What each reports, one
// write to the pipe per line, is true at that moment.
func writeUntilKilled(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for writer := range 16 {
		go func() {
			for i := 0; ; i++ {
				if err := churnKey(s, fmt.Sprintf("%d-%d", writer, i%97), i); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// churnKey inserts, rewrites or deletes one key and reports it: "set" and
// "deleted" when that is durable, "deleting" before it begins.
func churnKey(s store.Store, key string, i int) error {
	ctx := context.Background()
	r, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, store.ErrAbsent) {
		return err
	}
	say := func(what string, v store.Version) error {
		_, err := fmt.Fprintln(os.Stdout, what, key, v)
		return err
	}
	if err == nil && i%5 == 0 {
		return errors.Join(
			say("deleting", r.Version), s.Delete(ctx, key, r.Version), say("deleted", r.Version))
	}
	v, err := s.Swap(ctx, key, r.Version, make([]byte, i%3000), 0)
	return errors.Join(err, say("set", v))
}
