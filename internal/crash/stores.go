//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/failwell/failwell/internal/servers"
)

// keeper is the store of a campaign. Stores that are kept inside of the gateway
// have no server: they are killed with it.
type keeper struct {
	url  string
	kill func() error
	// start it again; close it for good.
	start, close func() error
	// pause makes it hang until resume.
	pause, resume func() error
}

func (k *keeper) remote() bool { return k.kill != nil }

func openKeeper(kind, dir string) (*keeper, error) {
	switch kind {
	case "pebble":
		dir = filepath.Join(dir, "store")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		return &keeper{url: "pebble:" + dir}, nil
	case "memory":
		return &keeper{url: "memory:"}, nil
	case "redis":
		s, err := servers.NewRedis(servers.RedisOptions{AOF: "always"})
		if err != nil {
			return nil, err
		}
		return &keeper{url: s.URL(), kill: s.Kill9, start: s.Start, close: s.Close, pause: s.Pause, resume: s.Resume}, nil
	case "postgres":
		s, err := servers.NewPostgres(servers.PostgresOptions{})
		if err != nil {
			return nil, err
		}
		return &keeper{url: s.URL(), kill: s.Kill9, start: s.Start, close: s.Close, pause: s.Pause, resume: s.Resume}, nil
	}
	return nil, fmt.Errorf("there is no store %q, choose pebble, redis, postgres or memory", kind)
}
