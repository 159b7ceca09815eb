//go:build unix

package pgstore

import (
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	url := shared.Get(t).URL()
	storetest.Run(t, func(t *testing.T, clock func() time.Time) store.Store {
		t.Helper()
		return mustOpen(t, url, Options{Clock: clock, Schema: emptied(t, url), MaxConns: 8})
	})
}

func BenchmarkPostgres(b *testing.B) {
	server := servers.Postgres(b, servers.PostgresOptions{})
	storetest.Bench(b, func(b *testing.B) store.Store {
		b.Helper()
		return mustOpen(b, server.URL(), Options{Schema: freshSchema()})
	})
}
