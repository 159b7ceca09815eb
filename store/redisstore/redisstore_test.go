package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/redisstore"
	"github.com/failwell/failwell/store/storetest"
)

var namespaces atomic.Int64

// namespace adds a prefix that no other test has to a URL.
func namespace(url string) string {
	return fmt.Sprintf("%s?prefix=t%d:", url, namespaces.Add(1))
}

func open(t testing.TB, url string, opts redisstore.Options) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	url := shared.Get(t).URL()
	storetest.Run(t, func(t *testing.T, clock func() time.Time) store.Store {
		return open(t, namespace(url), redisstore.Options{Clock: clock})
	})
}

func TestConformanceCluster(t *testing.T) {
	t.Parallel()
	c := sharedCluster.Get(t)
	storetest.Run(t, func(t *testing.T, clock func() time.Time) store.Store {
		return open(t, namespace(c.URL()), redisstore.Options{Clock: clock})
	})
}

func TestRestore(t *testing.T) {
	t.Parallel()
	url := shared.Get(t).URL()
	storetest.RunRestore(t, func(t *testing.T, clock func() time.Time) store.Store {
		return open(t, namespace(url), redisstore.Options{Clock: clock})
	})
}

// The server is killed between one store and the next, except where a random
// walk opens one thousands of times.
func TestConformanceDurable(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{AOF: "always"})
	storetest.RunDurable(t, func(t *testing.T, clock func() time.Time) func() store.Store {
		url, used := namespace(r.URL()), false
		return func() store.Store {
			if used && !strings.HasSuffix(t.Name(), "model") {
				if err := errors.Join(r.Kill9(), r.Start()); err != nil {
					t.Fatal(err)
				}
			}
			used = true
			return open(t, url, redisstore.Options{Clock: clock})
		}
	})
}
