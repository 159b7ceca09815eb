package contract

import "slices"

// TimeFormat is the form of an instant or a wait on the wire.
type TimeFormat string

// The forms. An empty TimeFormat means RFC 3339 in UTC with whole seconds for
// instants and whole seconds for waits.
const (
	RFC3339      TimeFormat = "rfc3339"
	RFC3339Milli TimeFormat = "rfc3339_ms"
	EpochSeconds TimeFormat = "epoch_s"
	EpochMillis  TimeFormat = "epoch_ms"
	DeltaSeconds TimeFormat = "delta_s"
	DeltaMillis  TimeFormat = "delta_ms"
	HTTPDate     TimeFormat = "http_date"
)

// On says on which responses a header is sent.
type On struct {
	All      bool
	Statuses []int
}

// Holds reports whether the header goes on a response with this status.
func (o On) Holds(status int) bool {
	if o.All {
		return true
	}
	return slices.Contains(o.Statuses, status)
}

// Headers names the response headers of the contract.
type Headers struct {
	RequestID   RequestIDHeader
	ProcessTime ProcessTimeHeader
	RetryAfter  RetryAfterHeader
	RateLimit   RateLimitHeaders
	// Code carries the code of an error, for APIs that do so.
	Code string
}

// RequestIDHeader is on every response. Name is X-Request-ID unless the
// contract says otherwise.
type RequestIDHeader struct {
	Name string
	// Format is "uuid" or "token": what is accepted from a caller.
	Format string
	// Prefix is put before a generated id.
	Prefix string
	// Documented says that the API's own document names the header.
	Documented bool
}

// ProcessTimeHeader reports how long the server worked. No Name: not sent.
type ProcessTimeHeader struct {
	Name string
	// Unit is "ms" or "s"; the value is a decimal fraction.
	Unit string
}

// RetryAfterHeader is RFC 9110 section 10.2.3 unless the contract says otherwise.
type RetryAfterHeader struct {
	Name   string
	On     On
	Format TimeFormat
}

// RateLimitHeaders name the headers of the binding rate limit.
type RateLimitHeaders struct {
	On               On
	Limit, Remaining string
	Reset            string
	ResetFormat      TimeFormat
	// IETF adds RateLimit and RateLimit-Policy structured fields.
	IETF bool
}

// HeaderValue is a header and the value it is sent with.
type HeaderValue struct{ Name, Value string }
