package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

// memoryStore keeps nothing beyond the process.
const memoryStore = "memory:"

// openStore opens the store that a URL names. This binary is the only place
// that knows the drivers.
func openStore(ctx context.Context, url string, logger *slog.Logger) (store.Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	scheme, place, _ := strings.Cut(url, ":")
	switch {
	case url == memoryStore:
		return &store.Memory{}, nil
	case scheme == "pebble" && place != "":
		s, err := pebblestore.Open(place, pebblestore.Options{Logger: logger}) //nolint:contextcheck // it reads files, which nothing interrupts
		if refused, ok := errors.AsType[*pebblestore.OpenError](err); ok {
			return nil, hinted(fmt.Errorf("store %s: %s", refused.Dir, refused.What), refused.Hint)
		}
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		return s, nil
	case scheme == "pebble":
		return nil, usage("write pebble:DIR", "the store %q names no directory", url)
	}
	return nil, usage("write memory: or pebble:DIR", "there is no store %q", url)
}

// defaultStore is a directory of the user, where state belongs by the XDG Base
// Directory Specification.
func defaultStore(getenv func(string) string) (string, error) {
	dir := getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", hinted(fmt.Errorf("no place for the store: %w", err), "name one with --store pebble:DIR")
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return "pebble:" + filepath.Join(dir, "failwell", "store"), nil
}
