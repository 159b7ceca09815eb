// Package vectors holds the cases that a client of any language must pass, and
// plays them: a script of responses and faults on real connections, a clock and
// random numbers that the case owns, and what must follow.
//
// README.md describes the format of the files. [Load] reads them, [Play] plays
// one case against a [Client], and [Process] is a Client that is another program.
package vectors

import (
	"time"
)

// Start is what a case's clock shows at first, unless the case says otherwise.
var Start = time.Date(2026, time.March, 5, 12, 0, 0, 0, time.UTC)

// Case is one vector.
type Case struct {
	Name string `json:"name" yaml:"name"`
	// Why says where the rule comes from, when the name does not.
	Why string `json:"why,omitempty" yaml:"why"`
	// Contract is the name of a built-in contract or of one beside the vectors.
	Contract string `json:"contract" yaml:"contract"`
	// Start is when the case begins; [Start] when it does not say.
	Start  time.Time `json:"start"  yaml:"start"`
	Client Settings  `json:"client" yaml:"client"`
	// Call is short for Calls that are the same.
	Call *Request `json:"-" yaml:"call"`
	// Calls are made with one client; only the outcome of the last one counts.
	Calls  []Request `json:"calls"  yaml:"calls"`
	Script []Step    `json:"script" yaml:"script"`
	Expect Expected  `json:"expect" yaml:"expect"`
	Pos    *Position `json:"-"      yaml:"-"`
}

// Position is where a case stands.
type Position struct {
	File string
	Line int
}

// Settings are what the client is made with. A zero field means the contract's
// own value, or the client's default.
type Settings struct {
	// Attempts of a call, the first included.
	Attempts int `json:"attempts,omitempty" yaml:"attempts"`
	// MaxWait is the longest single wait; negative: no bound.
	MaxWait Millis `json:"max_wait_ms,omitempty" yaml:"max_wait"`
	// AttemptTimeout runs in real time; negative: none.
	AttemptTimeout Millis  `json:"attempt_timeout_ms,omitempty" yaml:"attempt_timeout"`
	NoKeys         bool    `json:"no_keys,omitempty"            yaml:"no_keys"`
	NoPacing       bool    `json:"no_pacing,omitempty"          yaml:"no_pacing"`
	Budget         *Budget `json:"budget,omitempty"             yaml:"budget"`
	CountHeader    string  `json:"count_header,omitempty"       yaml:"count_header"`
	// Random are the numbers that are drawn, one for each growing wait; the last
	// is drawn over and over. [0] when the case does not say.
	Random []float64 `json:"random" yaml:"random"`
	// Keys are the idempotency keys that are made, one for each call. key-1,
	// key-2 and so on when the case does not say.
	Keys []string `json:"keys" yaml:"keys"`
}

// Budget is the client's bound on repetitions; see failwell.Budget.
type Budget struct {
	Ratio   float64 `json:"ratio"   yaml:"ratio"`
	Reserve int     `json:"reserve" yaml:"reserve"`
}

// Request is a call that is made.
type Request struct {
	// At is when the call begins, counted from the beginning of the case; absent:
	// when the call before it has ended.
	At     *Millis `json:"-"      yaml:"at"`
	Method string  `json:"method" yaml:"method"`
	// Path and query, from the root of the server.
	Path    string            `json:"path"              yaml:"path"`
	Headers map[string]string `json:"headers,omitempty" yaml:"headers"`
	// Body is sent as it stands. JSON is turned into it, with its Content-Type.
	Body *string `json:"body,omitempty" yaml:"body"`
	JSON any     `json:"-"              yaml:"json"`
	// Fill makes a body of that many bytes.
	Fill int `json:"fill,omitempty" yaml:"fill"`
	// Once says that the body is a stream, which cannot be sent again.
	Once bool `json:"once,omitempty" yaml:"once"`
	// Deadline of the whole call, by the case's clock; during an attempt it runs in real time.
	Deadline Millis `json:"deadline_ms,omitempty" yaml:"deadline"`
	// MaxWait and NoPacing are those of [Settings], for this call alone.
	MaxWait  Millis `json:"max_wait_ms,omitempty" yaml:"max_wait"`
	NoPacing bool   `json:"no_pacing,omitempty"   yaml:"no_pacing"`
	// Cancel ends the call from outside during its first wait.
	Cancel bool `json:"cancel,omitempty" yaml:"cancel"`
	// Stream says how the body of a success is read: "events" or "lines".
	Stream string `json:"stream,omitempty" yaml:"stream"`
	// Times the call is made: at once where At is given, else one after the other.
	Times int `json:"-" yaml:"times"`
}

// Step is what happens to one attempt. The last step of a script is repeated.
type Step struct {
	// Fault replaces the response; see the constants.
	Fault Fault `json:"fault,omitempty" yaml:"fault"`
	// Raw replaces the response with bytes that need not be HTTP; then the
	// connection is closed.
	Raw     string            `json:"raw,omitempty"     yaml:"raw"`
	Status  int               `json:"status,omitempty"  yaml:"status"`
	Headers map[string]string `json:"headers,omitempty" yaml:"headers"`
	Body    string            `json:"body,omitempty"    yaml:"body"`
	JSON    any               `json:"-"                 yaml:"json"`
	// Fill adds that many x to the body.
	Fill int `json:"-" yaml:"fill"`
	// Chunked sends the body in two chunks instead of with a length, Pieces in
	// chunks of that many bytes.
	Chunked bool `json:"chunked,omitempty" yaml:"chunked"`
	Pieces  int  `json:"pieces,omitempty"  yaml:"pieces"`
	// Limiter decides between the response and a refusal; nil: there is no limit.
	Limiter *Limiter `json:"-" yaml:"limiter"`
	// Takes is how long the response is under way, by the case's clock.
	Takes Millis `json:"-" yaml:"takes"`
	// Cut, Reset and Stall break the response after that many bytes of its body:
	// by closing the connection, by resetting it, or by sending nothing more.
	Cut   *int `json:"cut,omitempty"   yaml:"cut"`
	Reset *int `json:"reset,omitempty" yaml:"reset"`
	Stall *int `json:"stall,omitempty" yaml:"stall"`
}

// Fault is a failure of the network.
type Fault string

// The faults.
const (
	// Refuse: nothing listens.
	Refuse Fault = "refuse"
	// ResetOnFirstByte: the connection is reset when the first byte of the request arrives.
	ResetOnFirstByte Fault = "reset_on_first_byte"
	// ResetWhileSending: the head of the request is read, then the connection is reset.
	ResetWhileSending Fault = "reset_while_sending"
	// ResetAfterRequest: the whole request is read, then the connection is reset.
	ResetAfterRequest Fault = "reset_after_request"
	// CloseAfterRequest: the whole request is read, then the connection is closed in order.
	CloseAfterRequest Fault = "close_after_request"
	// ResetInHead: the connection is reset in the middle of the response's head.
	ResetInHead Fault = "reset_in_head"
	// StallBeforeHead: the request is read, and no response comes.
	StallBeforeHead Fault = "stall"
)

// Expected is what must follow.
type Expected struct {
	// Requests whose head the server read, over all calls.
	Requests Seen `json:"requests" yaml:"requests"`
	// Key that went with each request, "none" for none; not looked at when "".
	Key string `json:"key,omitempty" yaml:"key"`
	// Keys are those of each request, where they differ.
	Keys []string `json:"keys,omitempty" yaml:"keys"`
	// Counts are the values of the count header, request by request.
	Counts []string `json:"counts,omitempty" yaml:"counts"`
	// Sent is when the requests were sent, counted from the beginning; not looked
	// at when absent.
	Sent Waits `json:"sent_ms,omitempty" yaml:"sent"`
	// Waits in the order in which they were begun, over all calls.
	Waits Waits `json:"waits_ms" yaml:"waits"`
	// OK is the status of a success; Body its body, Broken says that reading it fails.
	OK     int     `json:"ok,omitempty"     yaml:"ok"`
	Body   *string `json:"body,omitempty"   yaml:"body"`
	Broken bool    `json:"broken,omitempty" yaml:"broken"`
	// Events or Lines are those of a stream, before its end or its error.
	Events []Event `json:"events,omitempty" yaml:"events"`
	Lines  []any   `json:"lines,omitempty"  yaml:"lines"`
	// Error is what the call ends in otherwise. Members that are not named are
	// not looked at.
	Error *ExpectedError `json:"error,omitempty" yaml:"error"`
	// Hidden must not occur in anything that the error can print.
	Hidden []string `json:"hidden,omitempty" yaml:"hidden"`
}

// Event is a server-sent event; its name is "message" where none is given.
type Event struct {
	Event string `json:"event"              yaml:"event"`
	Data  string `json:"data"               yaml:"data"`
	ID    string `json:"id,omitempty"       yaml:"id"`
	Retry Millis `json:"retry_ms,omitempty" yaml:"retry"`
}

// Seen is the requests that a server saw: a number, or a list of methods and paths.
type Seen struct {
	Count int      `json:"count"`
	Lines []string `json:"lines,omitempty"`
}

// ExpectedError names members of a [Failure].
type ExpectedError struct {
	Code       *string           `json:"code,omitempty"           yaml:"code"`
	Known      *string           `json:"known,omitempty"          yaml:"known"`
	Condition  *string           `json:"condition,omitempty"      yaml:"condition"`
	Status     *int              `json:"status,omitempty"         yaml:"status"`
	Stopped    *string           `json:"stopped,omitempty"        yaml:"stopped"`
	Origin     *string           `json:"origin,omitempty"         yaml:"origin"`
	Type       *string           `json:"type,omitempty"           yaml:"type"`
	Message    *string           `json:"message,omitempty"        yaml:"message"`
	Friendly   *string           `json:"friendly,omitempty"       yaml:"friendly"`
	RequestID  *string           `json:"request_id,omitempty"     yaml:"request_id"`
	Retry      *string           `json:"retry,omitempty"          yaml:"retry"`
	Retryable  *bool             `json:"retryable,omitempty"      yaml:"retryable"`
	RetryAfter *MaybeMillis      `json:"retry_after_ms,omitempty" yaml:"retry_after"`
	Fields     *[]Field          `json:"fields,omitempty"         yaml:"fields"`
	Items      *[]Item           `json:"items,omitempty"          yaml:"items"`
	Params     map[string]any    `json:"params,omitempty"         yaml:"params"`
	Key        *string           `json:"key,omitempty"            yaml:"key"`
	Attempts   *[]AttemptOutcome `json:"attempts,omitempty"       yaml:"attempts"`
}

// Outcome is what a client reports of a call.
type Outcome struct {
	// Status and Body of a success. Broken says that reading the body failed.
	Status int      `json:"status,omitempty"`
	Body   string   `json:"body,omitempty"`
	Broken bool     `json:"broken,omitempty"`
	Error  *Failure `json:"error,omitempty"`
	// Events or Lines of a stream, until its end or its error.
	Events []Event `json:"events,omitempty"`
	Lines  []any   `json:"lines,omitempty"`
	// Texts are all forms in which the error can be printed or logged.
	Texts []string `json:"texts,omitempty"`
}

// Failure is a client's typed error, in the words that all languages share.
type Failure struct {
	// Code as sent, or the name of the condition. Known is the name of the
	// catalogue's entry, "" when there is none.
	Code      string `json:"code"`
	Known     string `json:"known"`
	Condition string `json:"condition"`
	Status    int    `json:"status"`
	// Stopped says why there was no further attempt, Origin who spoke: "server" or "client side".
	Stopped string `json:"stopped"`
	Origin  string `json:"origin"`
	Type    string `json:"type"`
	// Message is the one received, else the contract's own.
	Message   string `json:"message"`
	Friendly  string `json:"friendly"`
	RequestID string `json:"request_id"`
	Retry     string `json:"retry"`
	Retryable bool   `json:"retryable"`
	// RetryAfter is null when no wait was named.
	RetryAfter *Millis `json:"retry_after_ms"`
	Fields     []Field `json:"fields"`
	Items      []Item  `json:"items"`
	// Params are the public parameters, as JSON values.
	Params map[string]any `json:"params"`
	// Key is the idempotency key that went along.
	Key      string           `json:"key"`
	Attempts []AttemptOutcome `json:"attempts"`
}

// Field is a fault of one part of the request; Path is dotted.
type Field struct {
	In      string `json:"in"      yaml:"in"`
	Path    string `json:"path"    yaml:"path"`
	Message string `json:"message" yaml:"message"`
	Code    string `json:"code"    yaml:"code"`
}

// Item is the failure of one item of a call on many.
type Item struct {
	Index     int    `json:"index"     yaml:"index"`
	ID        string `json:"id"        yaml:"id"`
	Code      string `json:"code"      yaml:"code"`
	Condition string `json:"condition" yaml:"condition"`
}

// AttemptOutcome is one attempt of a failed call; Status is 0 without a response.
type AttemptOutcome struct {
	Status    int    `json:"status"     yaml:"status"`
	Code      string `json:"code"       yaml:"code"`
	RequestID string `json:"request_id" yaml:"request_id"`
	Wait      Millis `json:"wait_ms"    yaml:"wait"`
}
