package failwellotel_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/failwellotel"
	"github.com/failwell/failwell/failwelltest"
)

func TestSpans(t *testing.T) {
	t.Parallel()
	heppu, err := builtin.Get("heppu")
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		replies []failwelltest.Reply
		want    []string // what has to stand in the span
	}{
		"success": {nil, []string{"GET heppu Unset", "failwell.attempts=1", "http.response.status_code=200", "server.address=v2.heppu.ai"}},
		"after a wait": {[]failwelltest.Reply{{Code: "rate_limit_exceeded", RetryAfter: 2 * time.Second}, {}}, []string{
			"GET heppu Unset", "failwell.attempts=2", "http.response.status_code=200",
			"attempt{error.type=rate_limited,failwell.attempt=1,failwell.code=rate_limit_exceeded,failwell.request_id=req_1,failwell.seconds=0,failwell.wait_seconds=2,http.response.status_code=429}",
			"attempt{failwell.attempt=2,failwell.seconds=0,http.response.status_code=200}",
		}},
		"failure": {[]failwelltest.Reply{{Code: "resource_not_found"}}, []string{
			"GET heppu Error resource_not_found", "failwell.attempts=1", "http.response.status_code=404", "error.type=resource_missing",
			"failwell.code=resource_not_found", "failwell.stopped=advice", "failwell.request_id=req_1",
		}},
		"no answer": {[]failwelltest.Reply{{Break: true}}, []string{"GET heppu Error upstream_unreachable", "failwell.attempts=4", "error.type=upstream_unreachable", "failwell.stopped=attempts"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans := tracetest.NewSpanRecorder()
			tracers := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
			var clock failwelltest.Clock
			var below trace.SpanContext
			transport := &failwell.Transport{Contract: heppu, Base: &failwelltest.Server{Contract: heppu, Replies: x.replies}, Now: clock.Now, Sleep: clock.Sleep, Hooks: []failwell.Hooks{
				{OnAttempt: func(r *http.Request, _ failwell.Attempt) { below = trace.SpanContextFromContext(r.Context()) }},
			}}
			client := &http.Client{Transport: &failwellotel.Transport{Base: transport, Tracers: tracers}}
			resp, err := client.Get("https://v2.heppu.ai/api/v1/agents/secretpath?token=secretquery")
			_ = failwell.Check(resp, err)
			if len(spans.Ended()) != 1 {
				t.Fatalf("%d spans", len(spans.Ended()))
			}
			span := spans.Ended()[0]
			told := tell(span)
			for _, want := range x.want {
				if !slices.Contains(told, want) {
					t.Errorf("no %s in\n%s", want, strings.Join(told, "\n"))
				}
			}
			if strings.Contains(strings.Join(told, " "), "secret") {
				t.Errorf("the address stands in %v", told)
			}
			if below.SpanID() != span.SpanContext().SpanID() {
				t.Error("attempts do not belong to the call's span")
			}
		})
	}
}

func tell(span sdk.ReadOnlySpan) []string {
	out := []string{strings.TrimSpace(fmt.Sprint(span.Name(), " ", span.Status().Code, " ", span.Status().Description))}
	out = append(out, plain(span.Attributes())...)
	for _, e := range span.Events() {
		out = append(out, e.Name+"{"+strings.Join(plain(e.Attributes), ",")+"}")
	}
	return out
}

func plain(list []attribute.KeyValue) []string {
	var out []string
	for _, x := range list {
		out = append(out, fmt.Sprintf("%s=%v", x.Key, x.Value.AsInterface()))
	}
	slices.Sort(out)
	return out
}
