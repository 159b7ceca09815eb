package contract

import (
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// Failure is one occurrence of an error as the wire can carry it. The same
// value goes into [Contract.AppendError] and comes out of [Contract.Decode].
// Nothing private belongs in it.
type Failure struct {
	// Code is the catalogue entry; nil when a decoded code is not in it.
	Code *Code
	// WireCode is the code as received. Rendering ignores it.
	WireCode string
	// Condition says what happened. When rendering, empty means the code's first.
	Condition condition.Condition
	// Status is the HTTP status; when rendering, 0 means what the code says.
	Status int
	// Message for people; when rendering, "" means the code's template.
	Message string
	// Params are public parameters. Rendering takes those that the code
	// declares, by name or by the fact they are filled from, and ignores others.
	Params    []Value
	Fields    []FieldError
	RequestID string
	// Time of the failure in UTC.
	Time time.Time
	// RetryAfter is how long to wait; meaningful when HasRetryAfter is set, and
	// then 0 means at once.
	RetryAfter    time.Duration
	HasRetryAfter bool

	// The rest is set by decoding only.

	// QuotedID is the request id as the body has it, where that is more than
	// RequestID: people who ask support quote it so.
	QuotedID string
	// Retry is the advice that applies to this occurrence.
	Retry condition.Retry
	// Envelope is the name of the envelope that matched, "" for none.
	Envelope string
	// Type is the coarse category, where the envelope carries one.
	Type string
	// Certain says that the contract, or a recognised convention, settled code
	// and condition; false means an educated guess.
	Certain bool
	// Why says, for a failure that is not certain, what it was read from.
	Why []string
	// Items are the failures of single items in a partly failed call.
	Items []ItemFailure
}

// Value is a named public parameter. Data is a string, a bool, an integer, a
// float, a time.Time, a time.Duration, json.RawMessage or what encoding/json
// makes of a JSON value.
type Value struct {
	Name string
	Data any
}

// FieldError is a fault of one part of a request.
type FieldError struct {
	// In is "body", "query", "path", "header" or "".
	In string
	// Path leads to the part; list positions are decimal numbers.
	Path []string
	// Message for people.
	Message string
	// Code is machine-readable, in the vocabulary of the contract.
	Code string
}

// Name is the dotted path.
func (f FieldError) Name() string {
	if len(f.Path) == 1 {
		return f.Path[0]
	}
	return strings.Join(f.Path, ".")
}

// ItemFailure is the failure of one item of a call on many.
type ItemFailure struct {
	Index   int
	ID      string
	Failure Failure
}

// Param returns a parameter's value.
func (f *Failure) Param(name string) (any, bool) {
	for i := range f.Params {
		if f.Params[i].Name == name {
			return f.Params[i].Data, true
		}
	}
	return nil, false
}

// status is what the failure is sent under.
func (f *Failure) status() int {
	if f.Status != 0 || f.Code == nil {
		return f.Status
	}
	return f.Code.StatusOf(f.Condition)
}

// StatusOf returns the status under which the code reports a condition.
func (c *Code) StatusOf(of condition.Condition) int {
	for _, m := range c.Is {
		if m.Condition == of && m.Status != 0 {
			return m.Status
		}
	}
	return c.Status
}

// Condition returns the condition that the code means under a status.
func (c *Code) Condition(status int) condition.Condition {
	for _, m := range c.Is {
		if m.Status == status && status != 0 {
			return m.Condition
		}
	}
	if len(c.Is) == 0 {
		return condition.OfStatus(status)
	}
	return c.Is[0].Condition
}

// Means reports whether the code stands for a condition.
func (c *Code) Means(of condition.Condition) bool {
	for _, m := range c.Is {
		if m.Condition == of {
			return true
		}
	}
	return false
}

// Allows reports whether the code may be sent under status.
func (c *Code) Allows(status int) bool {
	if status == c.Status {
		return true
	}
	for _, m := range c.Is {
		if m.Status == status {
			return true
		}
	}
	for _, r := range c.Others {
		if r.Holds(status) {
			return true
		}
	}
	return false
}
