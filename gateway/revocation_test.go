package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/pgstore"
	"github.com/failwell/failwell/store/redisstore"
)

// deafStore is a store that nobody hears news from.
type deafStore struct {
	store.Store
	meter.Meter
}

func (deafStore) Shared() bool { return true }

// TestRevocationOnRealStores: another gateway refuses a revoked key within a
// second when the news of it is lost, and within a fraction of it when it is not.
func TestRevocationOnRealStores(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) func() (store.Store, error){
		"redis": func(t *testing.T) func() (store.Store, error) {
			t.Helper()
			url := servers.Redis(t, servers.RedisOptions{}).URL()
			return func() (store.Store, error) { return redisstore.Open(t.Context(), url, redisstore.Options{}) }
		},
		"postgres": func(t *testing.T) func() (store.Store, error) {
			t.Helper()
			url := servers.Postgres(t, servers.PostgresOptions{NoSync: true}).URL()
			return func() (store.Store, error) { return pgstore.Open(t.Context(), url, pgstore.Options{}) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connect := open(t)
			var stores [3]store.Store
			for i := range stores {
				s, err := connect()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				stores[i] = s
			}
			_, c := startOn(t, stores[0])
			told, _ := startOn(t, stores[1])
			behind, ok := stores[2].(meter.Meter)
			if !ok {
				behind = &admission.Ledger{Store: stores[2]}
			}
			deaf, _ := startOn(t, deafStore{stores[2], behind})
			var pushed, polled []time.Duration
			for range 5 {
				secret, key, err := c.CreateKey(t.Context(), admission.NewKey{Account: "acme"})
				if err != nil {
					t.Fatal(err)
				}
				for _, g := range []*running{told, deaf} {
					if resp, body := g.get("/open", "X-Api-Key", secret); resp.StatusCode != http.StatusOK {
						t.Fatalf("%s %s", resp.Status, body)
					}
					g.until(secret, http.StatusOK)
				}
				if _, err := c.RevokeKey(t.Context(), key.ID); err != nil {
					t.Fatal(err)
				}
				pushed = append(pushed, told.until(secret, http.StatusUnauthorized))
				polled = append(polled, deaf.until(secret, http.StatusUnauthorized))
			}
			t.Logf("pushed: %v, lost: %v", pushed, polled)
			// Medians: the machine may stop the clock's processes now and then.
			slices.Sort(polled)
			slices.Sort(pushed)
			if median := polled[len(polled)/2]; median > time.Second {
				t.Errorf("a revocation whose news was lost took %v", median)
			}
			if median := pushed[len(pushed)/2]; median > 200*time.Millisecond {
				t.Errorf("a revocation that was pushed took %v", median)
			}
		})
	}
}

// until asks until the status is the one awaited and returns how long that took.
func (g *running) until(key string, status int) time.Duration {
	g.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(g.t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		r := g.request(http.MethodHead, "/item", nil, "X-Api-Key", key)
		if resp, _ := g.do(r.WithContext(ctx)); resp.StatusCode == status {
			return time.Since(began)
		}
	}
	g.t.Fatalf("the status did not become %d", status)
	return 0
}
