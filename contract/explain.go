package contract

import (
	"cmp"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// Explanation is what people need to know of a code, or of one failure, and
// where it comes from. Texts are "" where nobody says anything.
type Explanation struct {
	// API is the contract's short name; "" when no contract was at hand.
	API string
	// Code as sent; "" when none is.
	Code string
	// Name of the catalogue entry; "" for a code outside of the contract.
	Name      string
	Condition condition.Condition
	// Conditions are all that the code can stand for.
	Conditions []condition.Condition
	Status     int
	// Others are further statuses under which the code may be sent.
	Others  []StatusRange
	Type    string
	Message string
	Meaning string
	Cause   string
	Remedy  string
	// Friendly is safe to show to end users.
	Friendly string
	// Fault says who has to act.
	Fault condition.Fault
	Retry condition.Retry
	// Retryable: a program may repeat the call by itself.
	Retryable     bool
	RetryAfter    time.Duration
	HasRetryAfter bool
	// Retries is the contract's growing wait, for advice that needs one, and
	// Attempts how often to try in all; nil and 0 without a contract.
	Retries  *Backoff
	Attempts int

	RequestID string
	// Param is the offending parameter, where there is one.
	Param  string
	Params []Value
	Fields []FieldError
	// Certain and Why are as in [Failure]; a code is always certain.
	Certain    bool
	Why        []string
	Envelope   string
	Operations []string
	Since      string
	Deprecated string
	DocURL     string
	// Beyond says that the API's own document does not list the code.
	Beyond bool
	// Sample is an error with this code as the API would send it.
	Sample Sample
	// Pos is the place in the contract.
	Pos Position
}

// Explain tells what a code of the contract stands for, with an example.
func (c *Contract) Explain(code *Code) Explanation {
	f := c.SampleFailure(code)
	f.Retry, f.Certain = c.RetryFor(code, f.Status), true
	x := c.ExplainFailure(&f)
	// What the example made up says nothing about the code.
	x.RequestID, x.Param, x.Params, x.Fields = "", "", nil, nil
	x.RetryAfter, x.HasRetryAfter = 0, false
	return x
}

// ExplainFailure tells what one failure means. On a nil contract, and for a
// code outside of the catalogue, the vocabulary of conditions speaks.
func (c *Contract) ExplainFailure(f *Failure) Explanation {
	x := Explanation{
		Code: f.WireCode, Condition: f.Condition, Status: f.Status, Type: f.Type, Message: f.Message, Retry: f.Retry,
		RetryAfter: f.RetryAfter, HasRetryAfter: f.HasRetryAfter, RequestID: cmp.Or(f.QuotedID, f.RequestID), Param: paramOf(f), Params: f.Params,
		Fields: f.Fields, Certain: f.Certain, Why: f.Why, Envelope: f.Envelope,
	}
	if c != nil {
		x.API = c.API
		x.Friendly = c.FriendlyOf(f)
		if x.Message == "" {
			x.Message = c.MessageOf(f)
		}
		if x.Retry == "" {
			x.Retry = c.RetryFor(f.Code, f.Status)
		}
		if x.Retry.Retryable() {
			x.Retries, x.Attempts = &c.Client.Backoff, c.Client.Attempts
		}
	}
	if f.Code != nil {
		x.entry(f)
		if c != nil && c.Owns(f.Code) {
			x.Sample = c.Sample(f.Code)
		}
	}
	x.vocabulary()
	x.Retryable = x.Retry.Retryable()
	return x
}

// entry takes over what the catalogue says.
func (x *Explanation) entry(f *Failure) {
	code := f.Code
	x.Name, x.Pos, x.Others = code.Name, code.Pos, code.Others
	x.Meaning, x.Cause, x.Remedy = code.Meaning, code.Cause, code.Remedy
	x.Operations, x.Since, x.Deprecated, x.DocURL, x.Beyond = code.Operations, code.Since, code.Deprecated, code.DocURL, code.Beyond
	for _, m := range code.Is {
		x.Conditions = append(x.Conditions, m.Condition)
	}
	if x.Code == "" {
		x.Code = code.Wire
	}
	if x.Status == 0 {
		x.Status = code.StatusOf(f.Condition)
	}
	if x.Condition == "" {
		x.Condition = code.Condition(x.Status)
	}
	if x.Type == "" {
		x.Type = code.Type
	}
	if x.Envelope == "" && code.Envelope != nil {
		x.Envelope = code.Envelope.Name
	}
}

// vocabulary fills in what is known of the condition alone.
func (x *Explanation) vocabulary() {
	of := x.Condition
	if of == "" {
		of = condition.OfStatus(x.Status)
	}
	known, ok := condition.Lookup(of)
	if !ok {
		return
	}
	x.Fault = known.Fault
	if x.Meaning == "" {
		x.Meaning = known.Meaning
	}
	if x.Remedy == "" {
		x.Remedy = known.Remedy
	}
	if x.Retry == "" {
		x.Retry = known.Retry
	}
}

// paramOf is the one parameter that a failure blames; "" for none or several.
func paramOf(f *Failure) string {
	for _, name := range []string{"param", "parameter", factField} {
		if v, ok := f.Param(name); ok {
			if s, ok := v.(string); ok && s != "" {
				return s
			}
		}
	}
	name := ""
	for _, x := range f.Fields {
		if name != "" && x.Name() != name {
			return "" // several are at fault
		}
		name = x.Name()
	}
	return name
}
