// Package contract holds one file's promise about how an API fails: which
// codes exist, under which status, in which shape, with which headers, whether
// to retry and when, what a key or a plan grants.
//
// A [Contract] is parsed once and then only read; all its methods are safe for
// concurrent use. It renders errors ([Contract.AppendError]), reads them back
// ([Contract.Decode]) and explains them ([Contract.Explain]). The package does no
// network input or output.
package contract

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// Contract is a parsed and validated contract file.
type Contract struct {
	// API is the short name, for example "heppu".
	API string
	// Title, BaseURL, Document and Support describe the API to people.
	Title, BaseURL, Document, Support string
	// Reference is where the reference generated from this contract is published.
	// Codes without a DocURL get the address of their page there.
	Reference string
	// File is where the contract was read from, for messages.
	File string

	// Envelopes in file order. The first whose rule fits a failure carries it.
	Envelopes []*Envelope
	// Codes is the catalogue in file order.
	Codes []*Code
	// Friendly is what end users may be told of a failure whose code has no
	// text of its own, or is unknown; tried in order like a code's messages.
	Friendly []*Text
	// OpenCodes says that the API may send codes that the catalogue lacks.
	OpenCodes bool
	// Statuses is the API's own status table, in file order.
	Statuses []StatusRow

	Headers     Headers
	Auth        Auth
	Permissions []string
	Features    []*Feature
	Plans       []*Plan
	// DefaultPlan is the plan of an account that names none: the first one.
	DefaultPlan *Plan
	Limits      LimitRules
	Balances    []*Balance
	Idempotency Idempotency
	Client      ClientRules
	Streams     Streams
	Partial     []Partial
	Validation  Validation
	Operations  []*Operation
	// OpenAPI is the OpenAPI file that operations were imported from, or "".
	OpenAPI   string
	Scenarios []Scenario
	Notes     []Note
	// Timestamp is the form of $timestamp.
	Timestamp TimeFormat

	byName      map[string]*Code
	byWire      map[string][]*Code
	byCondition map[condition.Condition]resolved
	byStatus    map[int]*StatusRow
	compiled    map[*Code]*program
	lines       map[string]int
	// trees are lent for one body each, and lately is what was glanced at last;
	// copies of a contract share both.
	trees  *jsonTrees
	lately *atomic.Pointer[glanced]
}

// Position is a place in a contract file. Line starts at 1.
type Position struct {
	File string
	Line int
}

// Code is one entry of the catalogue: how the contract names one or more
// conditions. A *Code satisfies error and is comparable, so that
// errors.Is(err, code) tells whether a failure carries it.
type Code struct {
	// Name identifies the entry in the contract.
	Name string
	// Wire is the code as sent; "" when the envelope carries none.
	Wire string
	// Numeric says that Wire is sent as a JSON number.
	Numeric bool
	// Status is what the code fixes or suggests.
	Status int
	// Others are further statuses under which the code may be sent.
	Others []StatusRange
	// Subcode, Type and Title are constants of the entry that an envelope may
	// carry: a finer code, a coarser category, a short name.
	Subcode, Type, Title string
	// Slug names the code's page in a generated reference: Name in characters
	// that need no escaping, different from all others of the contract.
	Slug string
	// DocURL is the documentation link that an envelope may carry.
	DocURL string
	// Is lists the conditions that the code stands for. The first is the one a
	// decoder reports when the status does not tell them apart.
	Is     []Meaning
	Retry  condition.Retry
	Params []*Param
	// Messages are tried in order; the first whose parameters are all present is used.
	Messages []*Text
	// Translations hold Messages by BCP 47 language tag.
	Translations map[string][]*Text
	Meaning      string
	Cause        string
	Remedy       string
	// Friendly is safe to show to end users; tried in order like Messages.
	Friendly []*Text
	// Envelope carries the code.
	Envelope *Envelope
	// Operations restricts where the code may occur; empty means anywhere.
	Operations []string
	Since      string
	Deprecated string
	// Beyond says that the API's own document does not list the entry: a
	// gateway needs it.
	Beyond bool
	Pos    Position

	envelopeName string
}

// Error returns the code as sent, or its name where none is sent.
func (c *Code) Error() string {
	if c.Wire != "" {
		return c.Wire
	}
	return c.Name
}

// Meaning is a condition that a code stands for, and the status used for it.
type Meaning struct {
	Condition condition.Condition
	// Status is 0 when the code's own status applies.
	Status int
}

// StatusRange is an inclusive range of HTTP statuses.
type StatusRange struct{ From, To int }

// Holds reports whether status lies in r.
func (r StatusRange) Holds(status int) bool { return status >= r.From && status <= r.To }

// Param is a public parameter of a code. Nothing that is not declared as a
// Param is ever put into a response.
type Param struct {
	Name string
	Type ParamType
	// From is the fact it is filled from; the name itself by default.
	From string
	// Format gives the form of an instant or a duration.
	Format TimeFormat
	// Prefix is put before a string value.
	Prefix   string
	Required bool
	Example  string
	Doc      string
}

// ParamType is the JSON type of a parameter.
type ParamType string

// The types a parameter can have. TypeAny carries any JSON value.
const (
	TypeString  ParamType = "string"
	TypeInteger ParamType = "integer"
	TypeNumber  ParamType = "number"
	TypeBoolean ParamType = "boolean"
	TypeObject  ParamType = "object"
	TypeArray   ParamType = "array"
	TypeTime    ParamType = "time"
	TypeAny     ParamType = "any"
)

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

// StatusRow is a row of the API's own table of statuses.
type StatusRow struct {
	Status int
	Name   string
	// Meanings: a table may list a status more than once.
	Meanings []string
	// Code stands for a failure with this status and no code of its own.
	Code *Code
	// Beyond says that the API's own document has no such row.
	Beyond bool
	Pos    Position

	codeName string
}

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

// Auth says how a caller proves who it is. No Schemes: every operation is public.
type Auth struct {
	Schemes []Scheme
	Key     KeyFormat
}

// Scheme is one place where a key may stand.
type Scheme struct {
	// In is "header" or "query".
	In string
	// Name of the header or query parameter.
	Name string
	// Prefix before the key, for example "Bearer "; compared without case.
	Prefix string
}

// KeyFormat is the form of keys that failwell issues for this contract.
type KeyFormat struct {
	Environments []Environment
	// Alphabet is "base62" or "hex".
	Alphabet string
	// Length counts the characters after the prefix, checksum included.
	Length int
}

// Environment is a kind of key, for example live and test.
type Environment struct{ Name, Prefix string }

// Feature is something that only some plans include.
type Feature struct{ Name, Title string }

// Plan is what an account is granted.
type Plan struct {
	Name, Title, Price string
	Rates              []Rate
	Quotas             []Quota
	// Credits is the allowance as people read it, for example "200K/month".
	Credits  string
	Features []string
	// Storage is in bytes; 0: no bound.
	Storage int64
	// Concurrency is how many calls of operations with Slot may run at once; 0: no bound.
	Concurrency int
	Pos         Position
}

// Includes reports whether the plan grants a feature.
func (p *Plan) Includes(feature string) bool {
	return slices.Contains(p.Features, feature)
}

// Algorithm is how a rate is enforced.
type Algorithm string

const (
	// GCRA frees capacity evenly (ITU-T I.371 generic cell rate algorithm).
	GCRA Algorithm = "gcra"
	// FixedWindow frees all capacity at the end of a window that starts with the first call.
	FixedWindow Algorithm = "window"
)

// Rate is a limit of calls per time.
type Rate struct {
	Name  string
	Limit int64
	Per   time.Duration
	// Burst is how many calls may come at once; Limit when 0. GCRA only.
	Burst     int64
	Algorithm Algorithm
	// Scope is "key", "account" or "operation" (per key and operation).
	Scope string
	// Away is what happens when the limit's store is away.
	Away Away
}

// Away is what becomes of a call when the state of a limit is out of reach.
type Away string

// The policies.
const (
	// AwayOpen lets calls in unlimited.
	AwayOpen Away = "open"
	// AwayClosed refuses them with unavailable.
	AwayClosed Away = "closed"
	// AwayLocal has each process count by itself, the whole limit for each.
	AwayLocal Away = "local"
)

// Quota is an allowance per calendar period.
type Quota struct {
	Name   string
	Amount int64
	// Per is "month" or "day", in UTC.
	Per string
	// Away is what happens when the quota's store is away.
	Away Away
}

// LimitRules are defaults for all limits of the contract.
type LimitRules struct {
	Algorithm Algorithm
	Scope     string
	// Away of rates and concurrency; local unless the contract says otherwise.
	Away Away
	// CountersAway is Away of quotas, balances and storage; closed unless the
	// contract says otherwise.
	CountersAway Away
}

// Balance is something that accounts pay in beforehand and calls use up.
type Balance struct {
	Name, Title string
	Pos         Position
}

// Charge is what one call takes of a quota of the plan, or of a balance of the
// account. A plan that does not have the quota grants it without bound.
type Charge struct {
	Name   string
	Amount int64
}

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

// HeaderValue is a header and the value it is sent with.
type HeaderValue struct{ Name, Value string }

// Streams says how a failure after the first byte is told.
type Streams struct {
	// Event is the name of the terminal server-sent event; "" when none is promised.
	Event string
	// NDJSON says that the last line of a broken stream of lines is an error.
	NDJSON bool
}

// Partial says that a body can hold failures of single items.
type Partial struct {
	Statuses []StatusRange
	// Items is the member that holds the list, dotted; "" for an array at the root.
	Items []string
	// Error is the member of an item that holds its failure, dotted.
	Error []string
	// ID is the member of an item that names it.
	ID []string
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

// Scenario is a test that the API's document lists.
type Scenario struct {
	Name    string
	Method  string
	Path    string
	Headers map[string]string
	Body    string
	// Times the call is made at once; 1 when the contract does not say.
	Times  int
	Status int
	Code   string
}

// Note records a place where the API's documents disagree and which statement
// is promised.
type Note struct{ About, Says, But, Promised string }
