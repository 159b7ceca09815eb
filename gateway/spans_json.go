package gateway

import (
	"strconv"
	"time"

	"github.com/failwell/failwell/record"
)

// What OTLP's JSON has of traces (opentelemetry/proto/trace/v1/trace.proto, in
// lower camel case): integers of 64 bits are strings, ids hexadecimal.
type (
	otlpTraces struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
	}
	otlpResource struct {
		Resource   otlpAttributes `json:"resource"`
		ScopeSpans []otlpScope    `json:"scopeSpans"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Status     *otlpStatus     `json:"status,omitempty"`
	}
	otlpStatus struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		Text *string `json:"stringValue,omitempty"`
		Int  *string `json:"intValue,omitempty"`
	}
)

const (
	otlpServer = 2
	otlpClient = 3
	otlpFailed = 2
)

func otlpText(key, value string) otlpAttribute {
	return otlpAttribute{key, otlpValue{Text: &value}}
}

func otlpInt(key string, value int64) otlpAttribute {
	text := strconv.FormatInt(value, 10)
	return otlpAttribute{key, otlpValue{Int: &text}}
}

// otlpOf makes spans of records. Attributes are named as the semantic conventions
// for HTTP have them (OpenTelemetry 1.23 and later), failwell's own failwell.*.
func otlpOf(service string, batch []record.Record) otlpTraces {
	scope := otlpScope{}
	scope.Scope.Name = "github.com/failwell/failwell/gateway"
	for i := range batch {
		scope.Spans = appendSpans(scope.Spans, &batch[i])
	}
	return otlpTraces{[]otlpResource{{
		Resource:   otlpAttributes{[]otlpAttribute{otlpText("service.name", service)}},
		ScopeSpans: []otlpScope{scope},
	}}}
}

func appendSpans(out []otlpSpan, r *record.Record) []otlpSpan {
	trace := r.Trace
	if trace == "" {
		trace = traceIDOf(r.ID, r.Time)
	}
	own := spanIDOf(r.ID, r.Time, -1)
	name := r.Method
	if r.Operation != "" {
		name = r.Operation
	}
	s := otlpSpan{
		TraceID: trace, SpanID: own, Parent: r.Span, Name: name, Kind: otlpServer, Start: nanos(r.Time), End: nanos(r.Time.Add(r.Took)),
		Attributes: []otlpAttribute{
			otlpText("http.request.method", r.Method), otlpText("url.path", r.Path), otlpText("failwell.request_id", r.ID), otlpText("failwell.stage", string(r.Stage)),
			otlpInt("failwell.decided_ns", int64(r.Decided)),
		},
	}
	for key, value := range map[string]string{
		"failwell.code": r.Code, "failwell.condition": string(r.Condition), "failwell.account": r.Account, "failwell.key_id": r.Key, "failwell.plan": r.Plan,
		"failwell.idempotency": string(r.Idempotency.State),
	} {
		if value != "" {
			s.Attributes = append(s.Attributes, otlpText(key, value))
		}
	}
	if r.Status > 0 {
		s.Attributes = append(s.Attributes, otlpInt("http.response.status_code", int64(r.Status)))
	}
	// A server's span is an error when the server is at fault.
	if r.Status >= 500 {
		s.Status = &otlpStatus{otlpFailed, r.Code}
	}
	out = append(out, s)
	for i := range r.Tries {
		t := &r.Tries[i]
		began := r.Time.Add(t.After)
		c := otlpSpan{
			TraceID: trace, SpanID: spanIDOf(r.ID, r.Time, i), Parent: own, Name: r.Method, Kind: otlpClient, Start: nanos(began), End: nanos(began.Add(t.Took)),
			Attributes: []otlpAttribute{otlpText("http.request.method", r.Method), otlpText("url.full", t.To+r.Path), otlpInt("http.request.resend_count", int64(i))},
		}
		if t.Status > 0 {
			c.Attributes = append(c.Attributes, otlpInt("http.response.status_code", int64(t.Status)))
		}
		if t.Status == 0 || t.Status >= 400 {
			c.Status = &otlpStatus{otlpFailed, t.Failed}
		}
		out = append(out, c)
	}
	return out
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
