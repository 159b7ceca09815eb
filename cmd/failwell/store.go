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
	"github.com/failwell/failwell/store/pgstore"
	"github.com/failwell/failwell/store/redisstore"
)

type storeCmd struct {
	Check storeCheckCmd `cmd:"" help:"Tell whether a store keeps what failwell promises."`
	Copy  storeCopyCmd  `cmd:"" help:"Copy all records of a store to another, and verify them."`
}

// memoryStore keeps nothing beyond the process.
const memoryStore = "memory:"

// storeForms are the stores that there are, as a hint says them.
const storeForms = "write memory:, pebble:DIR, redis://HOST or postgres://HOST/DATABASE"

// storeVariable marks the name of an environment variable in place of a URL, so
// that a password need not stand on a command line, which all users of the
// machine can read.
const storeVariable = "env:"

// openStore opens the store that a URL names, making it if need be. This binary
// is the only place that knows the drivers.
func openStore(ctx context.Context, place string, logger *slog.Logger) (store.Store, error) {
	return openAnyStore(ctx, place, false, logger)
}

// openAnyStore can insist on a store that is there already.
func openAnyStore(ctx context.Context, place string, existing bool, logger *slog.Logger) (_ store.Store, err error) {
	defer func() { err = hushed(err, place) }()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	scheme, rest, _ := strings.Cut(place, ":")
	switch scheme {
	case "memory":
		if rest == "" {
			return &store.Memory{}, nil
		}
	case "pebble":
		if rest == "" {
			return nil, usage("write pebble:DIR", "the store %q names no directory", place)
		}
		s, err := pebblestore.Open(rest, pebblestore.Options{Logger: logger, Existing: existing}) // it reads files, which nothing interrupts
		if err != nil {
			return nil, storeFault(err)
		}
		return s, nil
	case "redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix":
		s, err := redisstore.Open(ctx, place, redisstore.Options{Logger: logger})
		if err != nil {
			return nil, storeFault(err)
		}
		return s, nil
	case "postgres", "postgresql":
		s, err := pgstore.Open(ctx, place, pgstore.Options{Logger: logger})
		if err != nil {
			return nil, storeFault(err)
		}
		return s, nil
	}
	return nil, usage(storeForms, "there is no store %q", storeName(place))
}

// storeFault takes the hint out of a driver's error.
func storeFault(err error) error {
	if refused, ok := errors.AsType[*pebblestore.OpenError](err); ok {
		return hinted(&storeRefusal{fmt.Sprintf("store %s: %s", refused.Dir, refused.What), err}, refused.Hint)
	}
	if refused, ok := errors.AsType[*redisstore.Error](err); ok {
		return hinted(&storeRefusal{fmt.Sprintf("store redis %s: %s", refused.Host, refused.What), err}, refused.Hint)
	}
	if refused, ok := errors.AsType[*pgstore.Error](err); ok {
		return hinted(&storeRefusal{fmt.Sprintf("store %s: %s", refused.Where, refused.What), err}, refused.Hint)
	}
	return fmt.Errorf("store: %w", err)
}

// storeRefusal words a driver's error, which stays underneath.
type storeRefusal struct {
	text string
	err  error
}

func (e *storeRefusal) Error() string { return e.text }
func (e *storeRefusal) Unwrap() error { return e.err }

// namedStore is the URL that an argument stands for: itself, the value of the
// variable that it names, or without one FAILWELL_STORE or the store that serve
// uses by default.
func namedStore(getenv func(string) string, argument string) (string, error) {
	if name, ok := strings.CutPrefix(argument, storeVariable); ok {
		if place := getenv(name); place != "" {
			return place, nil
		}
		return "", usage("export "+name+"=URL before", "the variable %s, which should name a store, is empty", name)
	}
	if argument != "" {
		return argument, nil
	}
	if place := getenv("FAILWELL_STORE"); place != "" {
		return place, nil
	}
	return defaultStore(getenv)
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
