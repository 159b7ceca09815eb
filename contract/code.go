package contract

import "github.com/failwell/failwell/contract/condition"

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
