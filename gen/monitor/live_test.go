package monitor_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store"
)

var (
	series  = regexp.MustCompile(`(?m)^((?:failwell|process)_[a-z_]+)(?:\{(.*)\})? `)
	label   = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
	used    = regexp.MustCompile(`\b((?:failwell|process)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`([a-z_]+)(=|!=|=~|!~)"((?:[^"\\]|\\.)*)"`)
)

// exposed are the labels and values of each metric that a gateway under hebbrix's
// contract shows after calls of each kind.
func exposed(t *testing.T) map[string]map[string][]string {
	t.Helper()
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/usage" {
			panic(http.ErrAbortHandler) // an upstream that breaks off
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(behind.Close)
	s := gateway.Settings{Contract: "hebbrix", Upstreams: []string{behind.URL}, Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"}
	g, err := gateway.New(gateway.Config{
		Settings: s, LoadContract: builtin.Get, Store: &store.Memory{}, Logger: slog.New(slog.DiscardHandler),
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
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(method, url, body string, header ...string) string {
		r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	call("GET", "http://"+g.AdminAddr()+"/healthz", "")
	admin, err := gateway.OpenAdmin("http://" + g.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := admin.CreateKey(ctx, admission.NewKey{Account: "a", Permissions: []string{"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	mine := []string{"Authorization", "Bearer " + key}
	call("GET", g.URL()+"/v1/collections", "", mine...)
	call("GET", g.URL()+"/v1/usage", "", mine...)
	call("GET", g.URL()+"/v1/collections", "", "Authorization", "Bearer nobody")
	for range 2 {
		call("POST", g.URL()+"/v1/collections", `{"name":"n"}`, append(mine, "Idempotency-Key", "k-1", "Content-Type", "application/json")...)
	}
	out := map[string]map[string][]string{}
	for _, m := range series.FindAllStringSubmatch(call("GET", "http://"+g.AdminAddr()+"/metrics", ""), -1) {
		if out[m[1]] == nil {
			out[m[1]] = map[string][]string{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			out[m[1]][l[1]] = append(out[m[1]][l[1]], l[2])
		}
	}
	return out
}

// Every metric, label and value that rules and dashboard ask for is one that a
// gateway shows.
func TestMetricsAreTheGateways(t *testing.T) {
	t.Parallel()
	live := exposed(t)
	for _, name := range []string{"failwell_requests_total", "failwell_decisions_total", "failwell_replays_total"} {
		if live[name] == nil {
			t.Fatalf("%s is not there: %v", name, slices.Sorted(maps.Keys(live)))
		}
	}
	c := get(t, "hebbrix")
	d := dashboardOf(t, c)
	expressions := d.expressions()
	_, parsed := rulesOf(t, c)
	recorded := map[string]bool{}
	for _, g := range parsed.Groups {
		for _, r := range g.Rules {
			expressions = append(expressions, r.Expr)
			recorded[r.Record] = true
		}
	}
	found := 0
	for _, expr := range expressions {
		for _, m := range used.FindAllStringSubmatch(expr, -1) {
			found++
			labels := live[m[1]]
			if labels == nil {
				t.Errorf("no gateway has %s, in %s", m[1], expr)
				continue
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				checkLabel(t, c, labels, expr, l)
			}
		}
		for _, name := range regexp.MustCompile(`failwell:[a-z_0-9:]+`).FindAllString(expr, -1) {
			if !recorded[name] {
				t.Errorf("nothing records %s", name)
			}
		}
		if m := regexp.MustCompile(`by \(([a-z, ]+)\)`).FindStringSubmatch(expr); m != nil {
			for by := range strings.SplitSeq(m[1], ", ") {
				known := false
				for _, x := range used.FindAllStringSubmatch(expr, -1) {
					known = known || live[x[1]][by] != nil
				}
				if !known && by != "condition" {
					t.Errorf("nothing in %s has a label %s", expr, by)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d metrics were found in the expressions", found)
	}
}

// checkLabel looks a matcher up: equal ones need a value that gateways show or
// a code of the contract.
func checkLabel(t *testing.T, c *contract.Contract, labels map[string][]string, expr string, l []string) {
	t.Helper()
	name, op, value := l[1], l[2], l[3]
	if name == "instance" { // Prometheus adds it
		return
	}
	if labels[name] == nil {
		t.Errorf("there is no label %s, in %s", name, expr)
		return
	}
	_, code := c.Code(value)
	closed := name == "status" && slices.Contains([]string{"gone", "1xx", "2xx", "3xx", "4xx", "5xx"}, value)
	known := closed || name == "code" && code || slices.Contains(labels[name], value)
	if op == "=" && !known {
		t.Errorf("%s is never %q, in %s", name, value, expr)
	}
}
