package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
)

// Law 9: sandbox, gateway and library emit the same bytes for the same error.
// All three share a store and a clock here, and each gets the same requests
// under the same request id.
func TestSameBytesEverywhere(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return at }
	quiet := slog.New(slog.DiscardHandler)
	kept := &store.Memory{Clock: clock}
	stand, err := sandbox.New(t.Context(), sandbox.Options{API: "heppu", Store: kept, Clock: clock, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	c := stand.Contract()
	guard := &failwell.Guard{
		Contract: c, Clock: clock, Logger: quiet,
		Admission: &admission.Controller{Contract: c, Store: kept, Clock: clock, StoreTimeout: time.Minute},
	}
	behind := httptest.NewServer(http.NotFoundHandler())
	defer behind.Close()
	g, err := gateway.New(gateway.Config{
		Settings:     gateway.Settings{Contract: "heppu", Upstreams: []string{behind.URL}, Listen: "127.0.0.1:0", Admin: "off"},
		LoadContract: builtin.Get, Store: kept, Clock: clock, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := g.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := stand.Close(); err != nil {
			t.Error(err)
		}
	}()
	library := httptest.NewServer(guard.Wrap(http.NotFoundHandler()))
	defer library.Close()
	box := httptest.NewServer(stand.Handler())
	defer box.Close()
	// Each stands for itself: the limits of the three count apart.
	servers := map[string]string{"library": library.URL, "sandbox": box.URL, "gateway": g.URL()}

	for _, x := range []struct{ name, key, method, path, body string }{
		{"no key", "", "GET", "/agents", ""},
		{"no such key", "nonsense", "GET", "/agents", ""},
		{"mistyped", stand.Keys()["malformed"], "GET", "/agents", ""},
		{"expired", stand.Keys()["expired"], "GET", "/agents", ""},
		{"revoked", stand.Keys()["revoked"], "GET", "/agents", ""},
		{"suspended", stand.Keys()["suspended"], "GET", "/agents", ""},
		{"unpaid", stand.Keys()["unpaid"], "GET", "/agents", ""},
		{"no permission", stand.Keys()["read_only"], "POST", "/agents", `{"name":"x"}`},
		{"no route", stand.Keys()["valid"], "GET", "/nothing", ""},
		{"no such method", stand.Keys()["valid"], "PUT", "/agents", ""},
		{"invalid body", stand.Keys()["valid"], "POST", "/agents", `{"name":7,"temperature":9,"type":"fax"}`},
		{"not JSON", stand.Keys()["valid"], "POST", "/agents", `{"name":`},
		{"invalid query", stand.Keys()["valid"], "GET", "/agents?limit=0", ""},
		{"too large", stand.Keys()["valid"], "POST", "/agents", `{"name":"` + strings.Repeat("x", 2<<20) + `"}`},
	} {
		t.Run(x.name, func(t *testing.T) {
			answers := map[string]string{}
			for name, url := range servers {
				answers[name] = answer(t, c, url+stand.BasePath()+x.path, x.method, x.key, x.body)
			}
			if answers["library"] != answers["gateway"] || answers["library"] != answers["sandbox"] {
				t.Errorf("library:\n%s\ngateway:\n%s\nsandbox:\n%s", answers["library"], answers["gateway"], answers["sandbox"])
			}
		})
	}
}

// answer is all of a response that the contract speaks about.
func answer(t *testing.T, c *contract.Contract, url, method, key, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", "req_the-same")
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: data}, time.Now()); !ok {
		t.Errorf("not an error of the contract: %d %s", resp.StatusCode, data)
	}
	lines := []string{resp.Status}
	for name, values := range resp.Header {
		if name != "Date" && name != "Connection" { // a server closes after a body that it did not read
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines[1:])
	return strings.Join(lines, "\n") + "\n\n" + string(data)
}
