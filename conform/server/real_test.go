package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/openapi"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/storetest"
)

// clean fails where a check found something else than what is known, or that no more.
func clean(t *testing.T, config Config, but ...string) *conform.Report {
	t.Helper()
	report, err := Check(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		if known := slices.Contains(but, c.ID); (c.State() == "broken") != known {
			t.Errorf("%s is %s", c.ID, c.State())
			show(t, &c)
		}
	}
	return report
}

// A gateway keeps each contract in front of the API that it is of.
func TestGatewayBeforeSandboxes(t *testing.T) {
	t.Parallel()
	for _, api := range sandbox.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := &shop{clock: storetest.ClockAt(time.Now())}
			records := &store.Memory{Clock: s.clock.Now}
			behind := sandbox.Start(t, api, sandbox.Options{Store: records, Open: true, Clock: s.clock.Now, Logger: slog.New(slog.DiscardHandler)})
			s.contract, s.keys = behind.Contract(), behind.Keys()
			report := clean(t, s.config(startGateway(t, s.contract, records, s.clock, gateway.Settings{Upstreams: []string{behind.Origin}})+behind.BasePath()))
			t.Logf("%d rules checked, %d requests", report.Checked(), report.Requests)
		})
	}
}

// In front of a service of another framework that does not know it, whatever
// contract it has.
func TestGatewayBeforeFastAPI(t *testing.T) {
	t.Parallel()
	service := servers.FastAPI(t, "shop:app")
	operations := described(t, service)
	for _, api := range builtin.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			c, err := builtin.Get(api)
			if err != nil {
				t.Fatal(err)
			}
			if c, err = c.WithOperations(operations); err != nil {
				t.Fatal(err)
			}
			s := &shop{contract: c, clock: storetest.ClockAt(time.Now())}
			records := &store.Memory{Clock: s.clock.Now}
			s.keys = seed(t, c, records, s.clock)
			config := s.config(startGateway(t, c, records, s.clock, gateway.Settings{Upstreams: []string{service}, Foreign: "translate"}))
			config.MaxRequests = 1000
			config.Limits = api != "problem"   // whose 600 calls are the same as others' 60
			report := clean(t, config, "head") // FastAPI does not answer it
			t.Logf("%d rules checked, %d requests", report.Checked(), report.Requests)
		})
	}
}

// Services that nobody made for a contract do not keep one, and what they do
// instead is told.
func TestPlainServices(t *testing.T) {
	t.Parallel()
	problem, err := builtin.Get("problem")
	if err != nil {
		t.Fatal(err)
	}
	python := servers.FastAPI(t, "shop:app")
	spec, err := problem.WithOperations(described(t, python))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url  string
		want []string
	}{
		"FastAPI": {python, []string{"envelope", "request-id", "key-missing", "key-unknown", "replay"}},
		"Express": {express(t), []string{"envelope", "request-id", "key-missing", "nothing-private", "field-invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := Check(t.Context(), Config{Contract: spec, URL: c.url, Keys: map[string]string{"valid": "any-key-will-do"}, Writes: true, Pause: -1})
			if err != nil {
				t.Fatal(err)
			}
			got := broken(report)
			for _, id := range c.want {
				if !slices.Contains(got, id) {
					t.Errorf("%s is not broken", id)
				}
			}
			for _, c := range report.Broken() {
				if t.Failed() {
					show(t, &c)
				}
			}
		})
	}
}

func described(t *testing.T, service string) []*contract.Operation {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, service+"/openapi.json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	operations, err := openapi.Import("openapi.json", text)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range operations {
		o.Public = false // the gateway asks for keys, not the service
	}
	return operations
}

// run starts a program that ends with the test.
func run(t *testing.T, cmd *exec.Cmd, cancel context.CancelFunc) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatalf("is it installed? run make test once: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		if err := cmd.Wait(); err != nil {
			if _, ended := errors.AsType[*exec.ExitError](err); !ended {
				t.Error(err)
			}
		}
	})
}

// express is the service of shop.py in JavaScript.
func express(t *testing.T) (url string) {
	t.Helper()
	modules, err := filepath.Abs("../../.tools/node")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "node", "testdata/shop.mjs", modules+"/")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run(t, cmd, cancel)
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}
