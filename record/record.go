// Package record keeps what is needed to look a request up later: who made it,
// what was decided about it and why, and what it was told. It promises:
//
//   - recording never makes a request wait: what cannot be kept up with is
//     dropped, and counted;
//   - no credential and no body of a request is in a record;
//   - a record is found by its id, by page, or as it happens, and pages have a
//     bound on the work behind them.
//
// Records tell what happened; they are not what failwell decides by. A crash may
// take the last second of them.
package record

import (
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// Record is one request that has ended. Its JSON form is the admin API's. All
// text in it may come from a caller: whoever shows it escapes it.
type Record struct {
	// ID is the request's id, which its response carries. Callers may choose ids,
	// so that several records may have one.
	ID string `json:"id"`
	// Time is when the request's head had come.
	Time time.Time `json:"time"`
	// Ended is when the response had ended, on the recorder's clock. Records are
	// kept in this order.
	Ended time.Time `json:"ended"`
	// Account, Key and KeyStart (the beginning that people know a key by) are ""
	// where none was proven. Plan is "" for public operations.
	Account  string `json:"account,omitempty"`
	Key      string `json:"key,omitempty"`
	KeyStart string `json:"key_start,omitempty"`
	Plan     string `json:"plan,omitempty"`
	// Operation is the id of the contract's operation, "" where none matched.
	Operation string `json:"operation,omitempty"`
	Method    string `json:"method"`
	// Path is without its query, and without keys that were pasted into it.
	Path string `json:"path"`
	// Status is 0 when the caller left before there was one.
	Status int `json:"status"`
	// Code and Condition are those of the error that was answered by failwell
	// itself, "" for all else.
	Code      string              `json:"code,omitempty"`
	Condition condition.Condition `json:"condition,omitempty"`
	// Stage is how far the request got.
	Stage Stage `json:"stage"`
	// Decided is how long admission took, Upstream how long the service behind
	// took to begin its answer, over all tries, and Took the whole.
	Decided  time.Duration `json:"decided_ns"`
	Upstream time.Duration `json:"upstream_ns,omitempty"`
	Took     time.Duration `json:"took_ns"`
	// Limits are those that the request touched.
	Limits []Limit `json:"limits,omitempty"`
	// RetryAfter is what the caller was told to wait; 0 for nothing.
	RetryAfter time.Duration `json:"retry_after_ns,omitempty"`
	// Idempotency tells what the request's idempotency key did.
	Idempotency Idempotency `json:"idempotency,omitzero"`
	// Tries are what was sent to the service behind, in order.
	Tries []Try `json:"tries,omitempty"`
	// Trace and Span are the trace id and the parent's span id that the request
	// carried (W3C Trace Context), "" for none.
	Trace string `json:"trace,omitempty"`
	Span  string `json:"span,omitempty"`
	// Sampled says that the trace's beginner wants it kept. It is for who sends
	// spans, and not part of what is looked up.
	Sampled bool `json:"-"`
	// Attempt counts the caller's tries of one call from 1, where the caller says
	// so; 0 otherwise.
	Attempt int `json:"attempt,omitempty"`
	// Sent is the length of the request's body as announced, -1 when it was not;
	// Bytes is the length of the response's.
	Sent  int64 `json:"sent"`
	Bytes int64 `json:"bytes"`
	// Body is the beginning of the body of an answered error, without credentials;
	// Cut says that there was more.
	Body string `json:"body,omitempty"`
	Cut  bool   `json:"cut,omitempty"`
	// Cause is the private reason of a failure on our side, for operators only.
	Cause string `json:"cause,omitempty"`
	// Node is the recorder's name, where several share a store.
	Node string `json:"node,omitempty"`
}

// Stage is a step that a request comes to, in this order.
type Stage string

// The stages.
const (
	// Routing: it was no request that any operation answers.
	Routing Stage = "routing"
	// Admission decides about keys, plans and limits.
	Admission Stage = "admission"
	// Validation looks at media type, parameters and body.
	Validation Stage = "validation"
	// Reservation makes sure that what has an idempotency key is done once.
	Reservation Stage = "reservation"
	// Handling: it was worked on, by a handler or by the service behind.
	Handling Stage = "handling"
)

// Limit is one limit before and after the decision.
type Limit struct {
	// Name as the contract has it; "" for a rate without a name.
	Name string `json:"name,omitempty"`
	// Kind is what it counts by: rate, window, quota, balance, storage, concurrency.
	Kind string `json:"kind"`
	// Max is the limit itself in units, 0 for a balance. Per is a rate's window,
	// Period "month" or "day" a quota's.
	Max    int64         `json:"max,omitempty"`
	Per    time.Duration `json:"per_ns,omitempty"`
	Period string        `json:"period,omitempty"`
	// Cost is what the request asked for. Before and After are what was left.
	Cost   int64 `json:"cost"`
	Before int64 `json:"before"`
	After  int64 `json:"after"`
	// Reset is when all of it is free again; zero where time frees nothing.
	Reset time.Time `json:"reset,omitzero"`
	// Refused says that it had no room for the request, Binding that it is the one
	// that decided what the caller was told.
	Refused bool `json:"refused,omitempty"`
	Binding bool `json:"binding,omitempty"`
	// Local says that the store was away and the process counted by itself.
	Local bool `json:"local,omitempty"`
}

// IdempotencyState is what became of a request with an idempotency key.
type IdempotencyState string

// The states.
const (
	// Worked: it was the one that was worked on, and its answer is kept.
	Worked IdempotencyState = "worked"
	// Replayed: it was given the answer of an earlier one.
	Replayed IdempotencyState = "replayed"
	// Freed: it was worked on to no effect, and the key can be used again.
	Freed IdempotencyState = "freed"
	// Doubted: it was worked on, and nobody knows with what effect.
	Doubted IdempotencyState = "doubted"
	// Refused: another request under the key was in the way, as the condition says.
	Refused IdempotencyState = "refused"
	// Unprotected: it was worked on without a record, since the store was away.
	Unprotected IdempotencyState = "unprotected"
)

// Idempotency tells what an idempotency key did.
type Idempotency struct {
	State IdempotencyState `json:"state,omitempty"`
	// Hash stands for the key: the same for the requests of one account under one
	// key, and nothing that the key can be found from if it is random.
	Hash string `json:"hash,omitempty"`
	// Original is the id of the request whose answer was given.
	Original string `json:"original,omitempty"`
}

// Try is one sending to the service behind.
type Try struct {
	// To is the service's base URL.
	To string `json:"to"`
	// After is how long after Record.Time it began.
	After time.Duration `json:"after_ns"`
	// Took is the time until the head of the answer had come, or until it failed.
	Took time.Duration `json:"took_ns"`
	// Status that was answered; 0 for none.
	Status int `json:"status,omitempty"`
	// Failed is why there was no answer.
	Failed string `json:"failed,omitempty"`
}

// Failed reports whether the request ended with an error or without an answer.
func (r *Record) Failed() bool { return r.Status == 0 || r.Status >= 400 }

// binding returns the limit that decided, or nil.
func (r *Record) binding() *Limit {
	for i := range r.Limits {
		if r.Limits[i].Binding {
			return &r.Limits[i]
		}
	}
	return nil
}
