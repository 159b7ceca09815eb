package failwellprom_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/failwellprom"
	"github.com/failwell/failwell/failwelltest"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	heppu, err := builtin.Get("heppu")
	if err != nil {
		t.Fatal(err)
	}
	var clock failwelltest.Clock
	server := &failwelltest.Server{Contract: heppu, Replies: []failwelltest.Reply{
		{Code: "rate_limit_exceeded", RetryAfter: 2 * time.Second}, {Break: true}, {}, {Code: "resource_not_found"},
	}}
	metrics := &failwellprom.Metrics{API: "heppu"}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(metrics); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &failwell.Transport{
		Contract: heppu, Base: server, Now: clock.Now, Sleep: clock.Sleep, Random: func() float64 { return 0 }, Hooks: []failwell.Hooks{metrics.Hooks()},
	}}
	for range 2 {
		resp, err := client.Get("https://v2.heppu.ai/api/v1/agents/1")
		if failwell.Check(resp, err) == nil {
			_ = resp.Body.Close()
		}
	}
	const want = `
# HELP failwell_client_attempts_total Tries of calls, by class of status and by what went wrong.
# TYPE failwell_client_attempts_total counter
failwell_client_attempts_total{api="heppu",condition="",status="2xx"} 1
failwell_client_attempts_total{api="heppu",condition="rate_limited",status="4xx"} 1
failwell_client_attempts_total{api="heppu",condition="resource_missing",status="4xx"} 1
failwell_client_attempts_total{api="heppu",condition="upstream_unreachable",status="none"} 1
# HELP failwell_client_give_ups_total Calls that failed, by what went wrong and by why they were not repeated.
# TYPE failwell_client_give_ups_total counter
failwell_client_give_ups_total{api="heppu",condition="resource_missing",stopped="advice"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "failwell_client_attempts_total", "failwell_client_give_ups_total"); err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "failwell_client_wait_seconds" {
			continue
		}
		if h := f.GetMetric()[0].GetHistogram(); h.GetSampleCount() != 2 || h.GetSampleSum() != 4 {
			t.Errorf("%d waits of %v s in all", h.GetSampleCount(), h.GetSampleSum())
		}
		return
	}
	t.Error("no waits were counted")
}
