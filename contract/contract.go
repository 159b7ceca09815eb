// Package contract holds one file's promise about how an API fails: which
// codes exist, under which status, in which shape, with which headers, whether
// to retry and when, what a key or a plan grants.
//
// A [Contract] is parsed once and then only read; all its methods are safe for
// concurrent use. It renders errors ([Contract.AppendError]), reads them back
// ([Contract.Decode]) and explains them ([Contract.Explain]). The package does no
// network input or output.
//
// In the source, format* are the tables by which a file is read, settle* what is
// filled in and validate what is refused; compile and render write a body, decode*
// and match* read one.
package contract

import (
	"sync/atomic"

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
