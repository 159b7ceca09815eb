package gateway_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store"
)

// sharedStore is a store in memory that brings news, as one over a network does.
type sharedStore struct {
	store.Memory
	mu    sync.Mutex
	heard []func(string)
}

func (s *sharedStore) Notify(_ context.Context, _, message string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tell := range s.heard {
		tell(message)
	}
	return nil
}

func (s *sharedStore) Subscribe(_ context.Context, _ string, heard func(string), lost func()) error {
	lost()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, heard)
	return nil
}

// TestRevocationReachesTheOtherGateway: with the very next request.
func TestRevocationReachesTheOtherGateway(t *testing.T) {
	t.Parallel()
	s := &sharedStore{}
	one, c := startOn(t, s)
	other, _ := startOn(t, s)
	secret, key, err := c.CreateKey(t.Context(), admission.NewKey{Account: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if resp, body := other.get("/item", "X-Api-Key", secret); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", resp.Status, body)
		}
	}
	if _, err := c.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*running{other, one} {
		resp, body := g.get("/item", "X-Api-Key", secret)
		wantFault(t, resp, body, http.StatusUnauthorized, "unauthorized")
	}
}

// startOn runs a gateway with an admin listener on a store.
func startOn(t *testing.T, s store.Store) (*running, *gateway.AdminClient) {
	t.Helper()
	g := &running{t: t, logs: &syncBuffer{}, store: s, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	var err error
	g.Gateway, err = gateway.New(gateway.Config{
		Settings:     gateway.Settings{Contract: keyed, Upstreams: []string{upstream(t, mirror)}, Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"},
		LoadContract: load, Store: s, Logger: slog.New(slog.NewTextHandler(g.logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := g.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	g.url = g.URL()
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	g.waitReady()
	c, err := gateway.OpenAdmin("http://" + g.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}
