package main

import (
	"fmt"
	"path/filepath"

	"github.com/failwell/failwell/internal/servers"
)

func allStores() []string { return []string{"memory", "pebble", "redis", "postgres"} }

// opened is a store that a gateway can be started on.
type opened struct {
	url   string
	close func() error
}

// openStore makes an empty store. All but memory are as durable as they can be:
// a write is on disk when it is confirmed.
func openStore(name, dir string) (opened, error) {
	nothing := func() error { return nil }
	switch name {
	case "memory":
		return opened{"memory:", nothing}, nil
	case "pebble":
		return opened{"pebble:" + filepath.Join(dir, "store"), nothing}, nil
	case "redis":
		server, err := servers.NewRedis(servers.RedisOptions{AOF: "always"})
		if err != nil {
			return opened{}, err
		}
		return opened{server.URL(), server.Close}, nil
	case "postgres":
		server, err := servers.NewPostgres(servers.PostgresOptions{})
		if err != nil {
			return opened{}, err
		}
		return opened{server.URL(), server.Close}, nil
	}
	return opened{}, fmt.Errorf("no store is called %q", name)
}
