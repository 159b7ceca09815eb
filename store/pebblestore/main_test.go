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

// childDir, when set, makes the test binary a writer on that directory, which
// the parent kills.
const childDir = "PEBBLESTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
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
