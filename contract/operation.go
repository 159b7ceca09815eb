package contract

import (
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// Idempotency is the promise about repeated writes. No Header: none.
type Idempotency struct {
	Header  string
	Methods []string
	// Keep is how long a record lives; 24 h unless the contract says otherwise.
	Keep     time.Duration
	Replayed HeaderValue
	// InFlight is "reject" or "wait".
	InFlight string
	// Wait is the longest that a duplicate waits for the first call to end; 10 s
	// unless the contract says otherwise.
	Wait time.Duration
	// Lease is how long a call under way is believed in without a sign of life
	// of the process that runs it; 30 s unless the contract says otherwise.
	Lease time.Duration
	// Unknown is what a repetition gets when nobody knows what became of the
	// first call: "reject" (the default), "reexecute" or "reconcile".
	Unknown string
	// MaxResponse is the longest answer that is kept, in bytes; 1 MiB unless the
	// contract says otherwise. A longer one is not replayed.
	MaxResponse int64
	// Headers are response headers that are kept with the answer, besides those
	// that describe its body.
	Headers []string
	// Away is AwayClosed (the default) or AwayOpen: what becomes of a call with a
	// key when the store is away. Open runs it unprotected.
	Away Away
	Pos  Position
}

// Validation says how a request that breaks its schema is told.
type Validation struct {
	// Body is the condition of a body, where the operation names none.
	Body condition.Condition
	// Missing is the condition when a required member or parameter is absent;
	// "" when that is told like any other fault.
	Missing condition.Condition
	// Structure is the condition when the body as a whole is at fault: it is no
	// object, or holds none or several of members that exclude each other. ""
	// when that is told like any other fault.
	Structure condition.Condition
	// Parameter is the condition of a query, path or header parameter that
	// names none itself.
	Parameter condition.Condition
	// Codes are the contract's own codes of field errors, by the JSON Schema
	// keyword that was broken. Where there is none, the code is one of those that
	// admission.Validator lists.
	Codes map[string]string
}

// Operation is a method and a path pattern in net/http.ServeMux syntax.
type Operation struct {
	// ID is stable; it defaults to the pattern.
	ID      string
	Method  string
	Path    string
	Summary string
	// Public: no key is asked for.
	Public     bool
	Permission string
	Feature    string
	Cost       int64
	Rates      []Rate
	// Body is the JSON Schema of the request body as parsed JSON; nil for none.
	Body any
	// Form is the JSON Schema of a body that is a form (application/x-www-form-urlencoded
	// or multipart/form-data), as an object of its fields; a field of the format binary
	// is a file. nil: nobody says. It is for documents and checks: a gateway passes
	// forms on as they are.
	Form any
	// BodyRequired refuses an empty body when there is a schema. A contract that
	// does not say refuses it where the schema asks for an object and the method
	// is POST, PUT or PATCH; OpenAPI documents say it themselves.
	BodyRequired bool
	// bodySaid: the contract's author has decided on BodyRequired.
	bodySaid bool
	// BodyCondition chooses the condition of a body that breaks its schema:
	// validation_failed unless the contract says otherwise.
	BodyCondition condition.Condition
	// Parameters are query, header and path parameters with JSON Schemas.
	Parameters []Parameter
	// MediaTypes accepted for the body; empty: any, or JSON when there is a schema.
	MediaTypes []string
	// MaxBody bounds the body in bytes; 0: the server's bound.
	MaxBody int64
	Timeout time.Duration
	// Translate turns the upstream's foreign error bodies into the contract's.
	Translate bool
	// Safe says that repeating the call does no harm although its method is not idempotent.
	Safe bool
	// Idempotency is "", "required" or "off".
	Idempotency string
	// Unknown overrides the contract's Idempotency.Unknown.
	Unknown string
	// Reconcile is the path at the upstream that tells what became of a call,
	// with $key where its idempotency key belongs: 2xx is the answer, 404 says
	// that it never happened. Required for "reconcile".
	Reconcile string
	// Charges are taken of quotas and balances by each call that succeeds.
	Charges []Charge
	// Slot says that the call counts against the plan's Concurrency.
	Slot bool
	// Stores says that the body is kept: its bytes count against the plan's Storage.
	Stores bool
	// Sample is a request body that works, for examples and checks.
	Sample any
	Pos    Position
}

// Parameter is a declared parameter of an operation.
type Parameter struct {
	In, Name string
	Required bool
	Schema   any
	// Condition of a value that breaks the schema: what the contract's
	// validation rules say, unless the parameter says otherwise.
	Condition condition.Condition
}
