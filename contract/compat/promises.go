// Package compat tells what a change of a contract means to those who rely on
// it. [Of] takes what a contract promises out of it, [Diff] compares two such
// promises and names each change as safe, risky or breaking, and a lock file
// ([Promises.Lock], [Read]) keeps one, so that a contract can be compared with
// what was promised and not with what happens to be deployed.
//
// Nothing here is shared or changed after it was made; all functions are safe
// for concurrent use.
package compat

import (
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Promises is what callers of an API may rely on: a contract without the texts
// for people, with all defaults filled in and all names resolved. Its YAML form
// is the lock file. Names and durations are as in contract files.
type Promises struct {
	// Version of the form, 1.
	Version   int    `yaml:"lock"`
	API       string `yaml:"api"`
	BaseURL   string `yaml:"base_url,omitempty"`
	OpenCodes bool   `yaml:"open_codes,omitempty"`
	// Timestamp is the form of $timestamp.
	Timestamp string               `yaml:"timestamp"`
	Envelopes map[string]*Envelope `yaml:"envelopes"`
	Errors    map[string]*Code     `yaml:"errors"`
	// Conditions holds, for each condition that can be met, the name of the code
	// by which callers are told of it.
	Conditions map[string]string `yaml:"conditions"`
	// Statuses holds the code that stands for a response without one.
	Statuses     map[int]string        `yaml:"statuses,omitempty"`
	Headers      Headers               `yaml:"headers"`
	Auth         Auth                  `yaml:"auth"`
	Permissions  []string              `yaml:"permissions,omitempty"`
	Features     []string              `yaml:"features,omitempty"`
	DefaultPlan  string                `yaml:"default_plan"`
	Plans        map[string]*Plan      `yaml:"plans"`
	Away         string                `yaml:"away"`
	CountersAway string                `yaml:"counters_away"`
	Balances     []string              `yaml:"balances,omitempty"`
	Idempotency  *Idempotency          `yaml:"idempotency,omitempty"`
	Client       Client                `yaml:"client"`
	Streams      Streams               `yaml:"streams,omitempty"`
	Partial      []Partial             `yaml:"partial,omitempty"`
	Validation   Validation            `yaml:"validation"`
	Operations   map[string]*Operation `yaml:"operations,omitempty"`

	at func(path ...string) contract.Position
}

// Envelope is a shape of an error.
type Envelope struct {
	MediaType string `yaml:"media_type"`
	// Body holds what stands at each path of the JSON: $slot, a text with
	// ${slots} or a literal; a question mark at the end says that it may be absent.
	Body map[string]string `yaml:"body,omitempty"`
	// Text is the template of a body that is not JSON.
	Text      string            `yaml:"text,omitempty"`
	Headers   map[string]string `yaml:"headers,omitempty"`
	Inside    []int             `yaml:"inside,omitempty"`
	Successes []string          `yaml:"successes,omitempty"`
}

// Code is an entry of the catalogue.
type Code struct {
	// Wire is the code as sent, absent where none is.
	Wire    string   `yaml:"code,omitempty"`
	Numeric bool     `yaml:"numeric,omitempty"`
	Status  int      `yaml:"status"`
	Also    []string `yaml:"also,omitempty"`
	Type    string   `yaml:"type,omitempty"`
	Subcode string   `yaml:"subcode,omitempty"`
	// Is lists conditions; the first is what clients take it for.
	Is           []Meaning         `yaml:"is,omitempty"`
	Retry        condition.Retry   `yaml:"retry"`
	Envelope     string            `yaml:"envelope"`
	Params       map[string]*Param `yaml:"params,omitempty"`
	Operations   []string          `yaml:"operations,omitempty"`
	Translations []string          `yaml:"translations,omitempty"`
	Deprecated   bool              `yaml:"deprecated,omitempty"`
	// Messages of a code that is not sent: nothing else tells it from others.
	Messages []string `yaml:"messages,omitempty"`
}

// Meaning is a condition, and the status of its own that it is sent under.
type Meaning struct {
	Condition string `yaml:"condition"`
	Status    int    `yaml:"status,omitempty"`
}

// Param is a public parameter.
type Param struct {
	Type     string `yaml:"type"`
	Format   string `yaml:"format,omitempty"`
	Prefix   string `yaml:"prefix,omitempty"`
	From     string `yaml:"from,omitempty"`
	Required bool   `yaml:"required,omitempty"`
}

// Headers are those of responses.
type Headers struct {
	RequestID RequestIDHeader `yaml:"request_id"`
	// Sent holds the others by what they tell.
	Sent map[string]*Header `yaml:"sent,omitempty"`
}

// RequestIDHeader carries the id of a request.
type RequestIDHeader struct {
	Name   string `yaml:"name"`
	Format string `yaml:"format"`
	Prefix string `yaml:"prefix,omitempty"`
}

// Header is a response header, when it is sent ("all" or statuses) and in which unit.
type Header struct {
	Name string `yaml:"name"`
	On   string `yaml:"on"`
	Unit string `yaml:"unit,omitempty"`
}

// Auth is where a key may stand, and its form.
type Auth struct {
	Schemes []string `yaml:"schemes,omitempty"`
	// Prefixes of keys by environment.
	Prefixes map[string]string `yaml:"prefixes,omitempty"`
	Alphabet string            `yaml:"alphabet"`
	Length   int               `yaml:"length"`
}

// Plan is what an account is granted; 0 stands for no bound.
type Plan struct {
	Rates       []Rate           `yaml:"rate,omitempty"`
	Quotas      map[string]Quota `yaml:"quota,omitempty"`
	Features    []string         `yaml:"features,omitempty"`
	Storage     int64            `yaml:"storage,omitempty"`
	Concurrency int              `yaml:"concurrency,omitempty"`
}

// Rate is a limit of calls per time.
type Rate struct {
	Name      string             `yaml:"name,omitempty"`
	Limit     int64              `yaml:"limit"`
	Per       time.Duration      `yaml:"per"`
	Burst     int64              `yaml:"burst"`
	Algorithm contract.Algorithm `yaml:"algorithm"`
	Scope     string             `yaml:"scope"`
	Away      string             `yaml:"away"`
}

// Quota is an allowance per period.
type Quota struct {
	Amount int64  `yaml:"amount"`
	Per    string `yaml:"per"`
	Away   string `yaml:"away"`
}

// Idempotency is the promise about repeated writes.
type Idempotency struct {
	Header      string        `yaml:"header"`
	Methods     []string      `yaml:"methods"`
	Keep        time.Duration `yaml:"keep"`
	Replayed    string        `yaml:"replayed,omitempty"`
	InFlight    string        `yaml:"in_flight"`
	Wait        time.Duration `yaml:"wait"`
	Lease       time.Duration `yaml:"lease"`
	Unknown     string        `yaml:"unknown"`
	MaxResponse int64         `yaml:"max_response"`
	Headers     []string      `yaml:"headers,omitempty"`
	Away        string        `yaml:"away"`
}

// Client is how callers are asked to behave.
type Client struct {
	Attempts int             `yaml:"attempts"`
	Timeout  time.Duration   `yaml:"timeout,omitempty"`
	First    time.Duration   `yaml:"first"`
	Factor   float64         `yaml:"factor"`
	Cap      time.Duration   `yaml:"cap,omitempty"`
	Jitter   string          `yaml:"jitter,omitempty"`
	Hints    []Hint          `yaml:"hints"`
	MaxHint  time.Duration   `yaml:"max_hint,omitempty"`
	Network  condition.Retry `yaml:"network"`
	// DefaultWaits stand in for a missing hint, by status.
	DefaultWaits map[int]time.Duration `yaml:"default_waits,omitempty"`
	// Statuses are tried in order.
	Statuses []StatusAdvice         `yaml:"statuses,omitempty"`
	Classes  map[string]*ErrorClass `yaml:"classes,omitempty"`
}

// Hint is where a response says how long to wait: "header NAME" or "body PATH".
type Hint struct {
	In   string `yaml:"in"`
	Unit string `yaml:"unit"`
}

// StatusAdvice is the advice for codes that are not known, from one status to another.
type StatusAdvice struct {
	From  int             `yaml:"from"`
	To    int             `yaml:"to"`
	Retry condition.Retry `yaml:"retry"`
}

// ErrorClass is a typed error of the API's own clients.
type ErrorClass struct {
	Base      string   `yaml:"base,omitempty"`
	Raised    []string `yaml:"raised"`
	Languages []string `yaml:"languages,omitempty"`
}

// Streams is how a failure after the first byte is told.
type Streams struct {
	Event  string `yaml:"event,omitempty"`
	NDJSON bool   `yaml:"ndjson,omitempty"`
}

// Partial is where a body holds failures of single items.
type Partial struct {
	Statuses string `yaml:"statuses"`
	Items    string `yaml:"items,omitempty"`
	Error    string `yaml:"error,omitempty"`
	ID       string `yaml:"id,omitempty"`
}

// Validation is how a request that breaks its schema is told.
type Validation struct {
	Missing   string `yaml:"missing,omitempty"`
	Structure string `yaml:"structure,omitempty"`
	// Codes of fields by the keyword that was broken.
	Codes map[string]string `yaml:"codes,omitempty"`
}

// Operation is what a method at a path asks for and takes.
type Operation struct {
	ID            string                `yaml:"id,omitempty"`
	Public        bool                  `yaml:"public,omitempty"`
	Permission    string                `yaml:"permission,omitempty"`
	Feature       string                `yaml:"feature,omitempty"`
	Cost          int64                 `yaml:"cost,omitempty"`
	Rates         []Rate                `yaml:"rate,omitempty"`
	Charges       map[string]int64      `yaml:"charge,omitempty"`
	Slot          bool                  `yaml:"slot,omitempty"`
	Stores        bool                  `yaml:"stores,omitempty"`
	MediaTypes    []string              `yaml:"media_types,omitempty"`
	MaxBody       int64                 `yaml:"max_body,omitempty"`
	Timeout       time.Duration         `yaml:"timeout,omitempty"`
	Translate     bool                  `yaml:"translate,omitempty"`
	Safe          bool                  `yaml:"safe,omitempty"`
	Idempotency   string                `yaml:"idempotency,omitempty"`
	Unknown       string                `yaml:"unknown,omitempty"`
	BodyRequired  bool                  `yaml:"body_required,omitempty"`
	BodyCondition string                `yaml:"body_condition,omitempty"`
	Parameters    map[string]*Parameter `yaml:"parameters,omitempty"`
	// Body is the JSON Schema of the request body.
	Body any `yaml:"body,omitempty"`
	// Form is the JSON Schema of a body that is a form.
	Form any `yaml:"form,omitempty"`
}

// Parameter is a query, header or path parameter.
type Parameter struct {
	Required  bool   `yaml:"required,omitempty"`
	Condition string `yaml:"condition"`
	Schema    any    `yaml:"schema,omitempty"`
}
