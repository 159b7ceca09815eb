package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/gateway"
)

// scrape reads the metrics as Prometheus does: by series, each with its value.
func scrape(t *testing.T, g *running) map[string]float64 {
	t.Helper()
	resp, err := g.client.Get("http://" + g.AdminAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v %s", resp.Status, err, text)
	}
	series := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if ok {
			name += "}"
		} else {
			name, value, ok = strings.Cut(strings.TrimSpace(line), " ")
		}
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if series[name], err = strconv.ParseFloat(value, 64); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	return series
}

const metered = counted + `
idempotency: {header: Idempotency-Key}
`

func TestMetrics(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{Contract: metered})
	key := g.newKey(c, admission.NewKey{Account: "acme"})
	for range 10 {
		g.send(http.MethodPost, "/scan", key, "")
	}
	g.send(http.MethodPost, "/scan", key, "")             // the quota is used up
	g.send(http.MethodPost, "/print", key, "")            // no funds
	g.send(http.MethodPost, "/print", "l_"+key, "")       // not a key
	g.send(http.MethodDelete, "/nowhere/at/all", key, "") // not an operation
	g.raw("GET / HTTP/9.9\r\n\r\n")
	for range 2 {
		r := g.request(http.MethodPut, "/file", strings.NewReader("x"), "X-Api-Key", key, "Idempotency-Key", "one")
		g.do(r)
	}
	got := scrape(t, g)
	for series, want := range map[string]float64{
		`failwell_requests_total{code="",operation="POST /scan",status="2xx"}`:              10,
		`failwell_requests_total{code="slow_down",operation="POST /scan",status="4xx"}`:     1,
		`failwell_requests_total{code="unpaid",operation="POST /print",status="4xx"}`:       1,
		`failwell_requests_total{code="unauthorized",operation="POST /print",status="4xx"}`: 1,
		`failwell_requests_total{code="no_route",operation="none",status="4xx"}`:            1,
		`failwell_requests_total{code="",operation="none",status="5xx"}`:                    1,
		`failwell_decisions_total{condition="quota_exhausted"}`:                             1,
		`failwell_decisions_total{condition="balance_insufficient"}`:                        1,
		`failwell_decision_seconds_count`:                                                   15,
		`failwell_replays_total`:                                                            1,
		`failwell_idempotent_requests_total{state="worked"}`:                                1,
		`failwell_idempotent_requests_total{state="replayed"}`:                              1,
		`failwell_records_total{result="dropped"}`:                                          0,
		`failwell_degraded{part="keys"}`:                                                    0,
		`failwell_degraded{part="limits"}`:                                                  0,
		`failwell_upstreams{state="healthy"}`:                                               1,
		`failwell_requests_in_flight`:                                                       0,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (%t), want %v", series, v, ok, want)
		}
	}
	if got[`failwell_limit_decisions_total{mode="exact"}`] == 0 || got["failwell_store_seconds_count"] == 0 || got[`failwell_lookups_total{of="key",result="hit"}`] == 0 {
		t.Errorf("%v", got)
	}
	if t.Failed() {
		for series, v := range got {
			if strings.HasPrefix(series, "failwell_") {
				t.Log(series, v)
			}
		}
	}
}

// TestMetricsHoldNothingPrivate is law 8, and that no caller makes series: every
// label is a word of the contract or of a closed list.
func TestMetricsHoldNothingPrivate(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{Contract: metered})
	secret, key, err := c.CreateKey(t.Context(), admission.NewKey{Account: "acme-the-customer", Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	calls := func(n int) {
		for i := range n {
			path := fmt.Sprintf("/%d/%s", i, secret)
			g.send(http.MethodGet, path, secret, "")
			g.send(fmt.Sprintf("M%d", i), "/scan", fmt.Sprintf("guess-%d", i), "")
			g.do(g.request(http.MethodPost, "/scan", strings.NewReader("x"), "X-Api-Key", secret, "Idempotency-Key", fmt.Sprintf("retry-%d", i), "X-Request-Id", fmt.Sprintf("id-%d", i)))
		}
	}
	calls(20)
	before := scrape(t, g)
	calls(100)
	after := scrape(t, g)
	if len(before) != len(after) {
		t.Errorf("%d series became %d", len(before), len(after))
	}
	loaded, err := load(metered)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"", "none", "admitted", "gone", "1xx", "2xx", "3xx", "4xx", "5xx", "exact", "local", "open", "closed", "keys", "limits", "key", "account", "hit", "miss", "stale", "healthy", "ejected", "worked", "replayed", "freed", "doubted", "refused", "unprotected", "written", "sampled", "dropped"}
	for _, o := range loaded.Operations {
		words = append(words, o.ID)
	}
	for _, code := range loaded.Codes {
		words = append(words, code.Name)
	}
	for _, e := range condition.All() {
		words = append(words, string(e.Condition))
	}
	label := regexp.MustCompile(`[{,](\w+)="([^"]*)"`)
	for series := range after {
		for _, private := range []string{secret, key.ID, key.Start, "acme", "laptop", "guess", "retry", "127.0.0.1"} {
			if strings.Contains(series, private) {
				t.Errorf("%s holds %s", series, private)
			}
		}
		for _, pair := range label.FindAllStringSubmatch(series, -1) {
			if strings.HasPrefix(series, "failwell_") && pair[1] != "le" && !slices.Contains(words, pair[2]) {
				t.Errorf("%s has a label that is no word of the contract", series)
			}
		}
	}
}

// TestMetricsTellThatTheStoreIsAway: known keys go on, and the gauge says so.
func TestMetricsTellThatTheStoreIsAway(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{StaleKeys: time.Hour})
	key := g.newKey(c, admission.NewKey{Account: "acme"})
	g.get("/item", "X-Api-Key", key)
	if err := g.store.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if resp, body := g.get("/item", "X-Api-Key", key); resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusServiceUnavailable {
			t.Fatalf("a known key: %s %s", resp.Status, body)
		}
		m := scrape(t, g)
		if m[`failwell_degraded{part="keys"}`] == 1 && m[`failwell_degraded_total{part="keys"}`] == 1 && m[`failwell_lookups_total{of="key",result="stale"}`] > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the outage is not told: %v", m)
		}
	}
}
