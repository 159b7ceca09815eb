//go:build linux

package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store/pebblestore"
)

// TestClockJumpsBack: an hour that comes twice gives nobody a second limit, and
// no key a second life. Of a process only the wall clock jumps, which is what a
// store on disk goes by; limits go by the monotonic clock, which nobody can set.
func TestClockJumpsBack(t *testing.T) {
	t.Parallel()
	var shift atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	store, err := pebblestore.Open(t.TempDir(), pebblestore.Options{Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	text, err := os.ReadFile("testdata/many.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := contract.Parse("many.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	var worked atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		worked.Add(1)
		w.WriteHeader(http.StatusCreated)
	}))
	defer service.Close()
	secret, _, err := (&admission.Controller{Contract: spec, Store: store}).Keys().Create(t.Context(), admission.NewKey{Account: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{
		Settings: gateway.Settings{Contract: "many", Upstreams: []string{service.URL}, Listen: "127.0.0.1:0", Admin: "off"},
		Store:    store, Logger: slog.New(slog.DiscardHandler),
		LoadContract: func(string) (*contract.Contract, error) { return spec, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	call := func(path string, header ...string) int {
		t.Helper()
		return must(t, "POST", g.URL()+path, secret, "{}", append(header, "Content-Type", "application/json")...).status
	}
	paths := []string{"/gcra", "/window", "/quota"}
	for _, path := range paths {
		for range limit {
			if status := call(path); status != http.StatusCreated {
				t.Fatalf("%s: %d", path, status)
			}
		}
	}
	if status := call("/free", "Idempotency-Key", "k"); status != http.StatusCreated {
		t.Fatalf("keyed: %d", status)
	}
	done := worked.Load()
	for _, jump := range []time.Duration{-time.Hour, -30 * time.Minute, 0} {
		shift.Store(int64(jump))
		for _, path := range paths {
			if status := call(path); status != http.StatusTooManyRequests {
				t.Errorf("%s with the clock at %v: %d", path, jump, status)
			}
		}
		if status := call("/free", "Idempotency-Key", "k"); status != http.StatusCreated {
			t.Errorf("a replay with the clock at %v: %d", jump, status)
		}
	}
	if worked.Load() != done {
		t.Errorf("%d calls more were worked on", worked.Load()-done)
	}
}
