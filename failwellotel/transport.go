// Package failwellotel traces, with OpenTelemetry, the calls of a
// [failwell.Transport]: one span for a call, however many attempts it takes.
package failwellotel

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/failwell/failwell"
)

// Transport is an http.RoundTripper that makes a span of each call, with an event
// for each attempt. Spans of single attempts, and the headers that carry a trace on,
// are otelhttp's, below:
//
//	client.Transport = &failwellotel.Transport{Base: &failwell.Transport{
//		Contract: api,
//		Base:     otelhttp.NewTransport(http.DefaultTransport),
//	}}
//
// Nothing of a span holds a path, a query or a credential. It is safe for
// concurrent use; the fields must not change after the first call.
type Transport struct {
	// Base makes the calls. Required.
	Base *failwell.Transport
	// Tracers is where spans come from. Optional: nil is the global provider.
	Tracers trace.TracerProvider
}

// RoundTrip makes a call. The span ends when the response's headers are there.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	tracers := t.Tracers
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	name, attributes := method, []attribute.KeyValue{attribute.String("http.request.method", method)}
	if c := t.Base.Contract; c != nil {
		name += " " + c.API
		attributes = append(attributes, attribute.String("failwell.api", c.API))
	}
	if req.URL != nil {
		attributes = append(attributes, attribute.String("server.address", req.URL.Hostname()))
	}
	ctx, span := tracers.Tracer("github.com/failwell/failwell").Start(req.Context(), name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	defer span.End()
	resp, err := t.Base.RoundTrip(req.WithContext(ctx))
	if span.IsRecording() {
		describe(span, resp, err)
	}
	return resp, err
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (t *Transport) CloseIdleConnections() { t.Base.CloseIdleConnections() }

// describe tells what became of a call.
func describe(span trace.Span, resp *http.Response, err error) {
	attempts := failwell.Attempts(resp)
	var last failwell.Attempt
	if e, ok := errors.AsType[*failwell.Error](err); ok {
		attempts = e.Attempts
		last = failwell.Attempt{Code: e.Name(), Condition: e.Condition, Stopped: e.Stopped, RequestID: e.RequestID}
	} else if len(attempts) > 0 {
		last = attempts[len(attempts)-1]
	}
	for i, a := range attempts {
		span.AddEvent("attempt", trace.WithTimestamp(a.At.Add(a.Duration)), trace.WithAttributes(attemptOf(i+1, &a)...))
	}
	if resp != nil {
		span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	}
	span.SetAttributes(attribute.Int("failwell.attempts", max(len(attempts), 1)))
	if last.Code == "" {
		return
	}
	kind := string(last.Condition)
	if kind == "" && resp != nil {
		kind = strconv.Itoa(resp.StatusCode)
	}
	span.SetStatus(codes.Error, last.Code)
	span.SetAttributes(set(attribute.String("error.type", kind), attribute.String("failwell.code", last.Code),
		attribute.String("failwell.stopped", string(last.Stopped)), attribute.String("failwell.request_id", last.RequestID))...)
}

func attemptOf(n int, a *failwell.Attempt) []attribute.KeyValue {
	list := set(attribute.String("error.type", string(a.Condition)), attribute.String("failwell.code", a.Code),
		attribute.String("failwell.request_id", a.RequestID), attribute.String("failwell.stopped", string(a.Stopped)))
	list = append(list, attribute.Int("failwell.attempt", n), attribute.Float64("failwell.seconds", a.Duration.Seconds()))
	if a.Status != 0 {
		list = append(list, attribute.Int("http.response.status_code", a.Status))
	}
	if a.Wait > time.Duration(0) {
		list = append(list, attribute.Float64("failwell.wait_seconds", a.Wait.Seconds()))
	}
	return list
}

// set leaves out what is empty.
func set(list ...attribute.KeyValue) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(list)+4)
	for _, x := range list {
		if x.Value.AsString() != "" {
			out = append(out, x)
		}
	}
	return out
}
