package contract

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// Sample is an error as an API would send it, with made-up values.
type Sample struct {
	Status    int
	MediaType string
	Headers   []HeaderValue
	Body      []byte
}

// What samples are made of.
const (
	sampleID    = "019f0c5e-7b1a-7c3d-9e2f-4a5b6c7d8e9f"
	sampleWait  = 30 * time.Second
	sampleLimit = 60
)

func sampleTime() time.Time { return time.Date(2026, 1, 31, 9, 15, 0, 0, time.UTC) }

// SampleFailure makes up an occurrence of a code that fills every place that its
// envelope and its message have for what may go with it. It is always the same.
func (c *Contract) SampleFailure(code *Code) Failure {
	f := Failure{
		Code: code, Condition: code.Condition(code.Status), Status: code.Status,
		RequestID: c.Headers.RequestID.Prefix + sampleID, Time: sampleTime(),
	}
	if waits(c, code) {
		f.RetryAfter, f.HasRetryAfter = sampleWait, true
	}
	if code.Envelope != nil && code.Envelope.Carries("fields") && blamesFields(code) || namesFact(code, factField) || namesFact(code, factIssue) {
		f.Fields = []FieldError{{In: "body", Path: []string{"name"}, Message: "is missing", Code: "missing"}}
	}
	for _, x := range code.Params {
		switch x.From {
		case factRequestID, factRetryAfter, factField, factIssue:
			// The failure itself has them.
			if x.Example == "" || x.From != factField {
				continue
			}
			f.Fields = []FieldError{{In: "body", Path: []string{x.Example}, Message: "is missing", Code: "missing"}}
		default:
			f.Params = append(f.Params, Value{Name: x.Name, Data: sampleValue(x)})
		}
	}
	return f
}

// waits: the code comes with a time to wait.
func waits(c *Contract, code *Code) bool {
	return namesFact(code, factRetryAfter) || c.RetryFor(code, code.Status) == condition.AfterWait ||
		code.Envelope != nil && (code.Envelope.Carries("retry_after") || code.Envelope.Carries("retry_after_ms")) && code.Status == 429
}

// blamesFields: it may be about fields of the request, as a limit never is.
func blamesFields(code *Code) bool {
	return len(code.Is) == 0 || slices.ContainsFunc(code.Is, func(m Meaning) bool {
		switch m.Condition {
		case condition.ParameterMissing, condition.ParameterInvalid, condition.FormatInvalid, condition.ValidationFailed, condition.ConfirmationMismatch:
			return true
		}
		return false
	})
}

// namesFact: a message or a parameter of the code asks for the fact.
func namesFact(code *Code, fact string) bool {
	return slices.ContainsFunc(code.Params, func(x *Param) bool { return x.From == fact }) ||
		slices.ContainsFunc(slices.Concat(code.Messages, code.Friendly), func(t *Text) bool { return slices.Contains(t.Names(), fact) })
}

// sampleValue is the parameter's own example, or a value of its type.
func sampleValue(x *Param) any {
	switch x.Type {
	case TypeInteger:
		n, err := strconv.ParseInt(cmp.Or(x.Example, strconv.Itoa(sampleNumber(x.From))), 10, 64)
		if err != nil {
			return int64(sampleNumber(x.From))
		}
		return n
	case TypeNumber:
		n, err := strconv.ParseFloat(cmp.Or(x.Example, "1.5"), 64)
		if err != nil {
			return 1.5
		}
		return n
	case TypeBoolean:
		return x.Example != "false"
	case TypeTime:
		if at, err := time.Parse(time.RFC3339, x.Example); err == nil {
			return at
		}
		return sampleTime().Add(sampleWait)
	case TypeObject, TypeArray, TypeAny:
		if json.Valid([]byte(x.Example)) {
			return json.RawMessage(x.Example)
		}
		return json.RawMessage(map[ParamType]string{TypeObject: "{}", TypeArray: "[]", TypeAny: `"example"`}[x.Type])
	case TypeString:
	}
	return cmp.Or(x.Example, "example")
}

func sampleNumber(fact string) int {
	switch fact {
	case "limit", "window_seconds":
		return sampleLimit
	case "remaining":
		return 0
	}
	return 1
}

// Sample renders [Contract.SampleFailure] with the headers that go with it.
func (c *Contract) Sample(code *Code) Sample {
	f := c.SampleFailure(code)
	var s Sample
	s.Body, s.Status, s.MediaType = c.AppendError(nil, &f)
	add := func(name, value string) {
		if name != "" {
			s.Headers = append(s.Headers, HeaderValue{name, value})
		}
	}
	add("Content-Type", s.MediaType)
	add(c.Headers.RequestID.Name, f.RequestID)
	if f.HasRetryAfter && c.Headers.RetryAfter.On.Holds(s.Status) {
		add(c.Headers.RetryAfter.Name, c.Headers.RetryAfter.sample())
	}
	if s.Status == 429 && c.Headers.RateLimit.On.Holds(s.Status) {
		add(c.Headers.RateLimit.Limit, sampleLimitOf(&f))
		add(c.Headers.RateLimit.Remaining, "0")
		add(c.Headers.RateLimit.Reset, c.Headers.RateLimit.sample())
	}
	c.ErrorHeaders(&f, add)
	return s
}

// sampleLimitOf is the limit that the body tells, so that the header agrees.
func sampleLimitOf(f *Failure) string {
	for _, x := range f.Code.Params {
		if x.From != "limit" {
			continue
		}
		for _, v := range f.Params {
			if n, ok := v.Data.(int64); ok && v.Name == x.Name {
				return strconv.FormatInt(n, 10)
			}
		}
	}
	return strconv.Itoa(sampleLimit)
}

func (h RetryAfterHeader) sample() string {
	switch h.Format {
	case DeltaMillis:
		return strconv.FormatInt(sampleWait.Milliseconds(), 10)
	case HTTPDate:
		return sampleTime().Add(sampleWait).Format("Mon, 02 Jan 2006 15:04:05 GMT")
	case RFC3339, RFC3339Milli, EpochSeconds, EpochMillis, DeltaSeconds:
	}
	return strconv.Itoa(int(sampleWait.Seconds()))
}

func (h RateLimitHeaders) sample() string {
	at := sampleTime().Add(sampleWait)
	switch h.ResetFormat {
	case EpochMillis:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case DeltaSeconds, DeltaMillis:
		return strconv.Itoa(int(sampleWait.Seconds()))
	case HTTPDate:
		return at.Format("Mon, 02 Jan 2006 15:04:05 GMT")
	case RFC3339, RFC3339Milli:
		return at.Format(time.RFC3339)
	case EpochSeconds:
	}
	return strconv.FormatInt(at.Unix(), 10)
}
