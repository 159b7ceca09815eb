package redisstore_test

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/redisstore"
)

func promise(t *testing.T, s *redisstore.Store, name string) store.Promise {
	t.Helper()
	promises, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range promises {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("%q is not among %+v", name, promises)
	return store.Promise{}
}

func TestCheckOfAGoodServer(t *testing.T) {
	t.Parallel()
	s := open(t, servers.Redis(t, servers.RedisOptions{AOF: "always"}).URL(), redisstore.Options{})
	promises, err := s.Check(t.Context())
	if err != nil || len(promises) != 7 {
		t.Fatal(promises, err)
	}
	for _, p := range promises {
		if p.Name == "a decision takes milliseconds" {
			continue // whatever else runs on this machine
		}
		if !p.Kept || p.Found == "" || p.Weaker != "" || p.Remedy != "" {
			t.Errorf("%+v", p)
		}
	}
}

func TestCheckOfWeakServers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		opts    servers.RedisOptions
		change  func(t *testing.T, r *servers.RedisServer)
		promise string
		words   []string
	}{
		{"no AOF", servers.RedisOptions{}, nil, "writes survive a crash", []string{"appendonly no", "appendfsync always"}},
		{"everysec", servers.RedisOptions{AOF: "everysec"}, nil, "writes survive a crash", []string{"appendfsync everysec", "sent again"}},
		{
			"no right to CONFIG", servers.RedisOptions{AOF: "always"}, func(t *testing.T, r *servers.RedisServer) {
				do(t, r, "ACL", "SETUSER", "default", "-config")
			}, "writes survive a crash", []string{"not told"},
		},
		{
			"a replica's replica", servers.RedisOptions{}, func(t *testing.T, r *servers.RedisServer) {
				host, port, _ := strings.Cut(shared.Get(t).Addr(), ":")
				do(t, r, "REPLICAOF", host, port)
			}, "a failover loses nothing", []string{"is a replica", "min-replicas"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := servers.Redis(t, c.opts)
			s := open(t, r.URL(), redisstore.Options{})
			if c.change != nil {
				c.change(t, r)
			}
			p := promise(t, s, c.promise)
			text := p.Found + "\n" + p.Weaker + "\n" + p.Remedy
			if p.Kept || p.Weaker == "" || p.Remedy == "" {
				t.Errorf("%+v", p)
			}
			for _, word := range c.words {
				if !strings.Contains(text, word) {
					t.Errorf("%q is missing in %s", word, text)
				}
			}
		})
	}
}

func TestCheckOfACluster(t *testing.T) {
	t.Parallel()
	c := servers.Cluster(t, 3, servers.RedisOptions{AOF: "always"})
	s := open(t, c.URL(), redisstore.Options{})
	if p := promise(t, s, "the cluster is whole"); !p.Kept || !strings.Contains(p.Found, "16384 slots") {
		t.Errorf("%+v", p)
	}
	if p := promise(t, s, "writes survive a crash"); !p.Kept || p.Found != "appendonly yes, appendfsync always" {
		t.Errorf("%+v", p)
	}
	do(t, c.Nodes[1], "CONFIG", "SET", "appendfsync", "no")
	if p := promise(t, s, "writes survive a crash"); p.Kept || !strings.Contains(p.Found, "appendfsync no") {
		t.Errorf("one node of three: %+v", p)
	}
}
