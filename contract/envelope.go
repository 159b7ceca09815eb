package contract

import "github.com/failwell/failwell/contract/condition"

// Envelope is a shape of an error. Its body is a lens: the same template
// renders an error and reads it back.
type Envelope struct {
	Name      string
	MediaType string
	When      When
	// Inside lists 2xx statuses under which a body of this shape is a failure.
	Inside []int
	// Successes are codes that say, in this shape, that nothing failed.
	Successes []string
	// Headers of the response that are part of the shape.
	Headers []EnvelopeHeader
	// Requires lists slots that every error in this envelope must fill.
	Requires []string
	Pos      Position

	body *node
	// text is the template of a body that is not JSON.
	text *node
	// slots are those that the templates have.
	slots slots
}

// EnvelopeHeader is a response header with a template for its value.
type EnvelopeHeader struct {
	Name  string
	value *node
}

// When is the rule that chooses an envelope: every part that is set must fit.
// The zero When fits everything.
type When struct {
	Statuses   []StatusRange
	Conditions []condition.Condition
	Codes      []string
}

func (w When) any() bool {
	return len(w.Statuses) == 0 && len(w.Conditions) == 0 && len(w.Codes) == 0
}

// fits is asked for a code, which may be sent under several statuses: its main
// one decides.
func (w When) fits(c *Code) bool {
	if w.any() {
		return true
	}
	ok := len(w.Statuses) == 0
	for _, r := range w.Statuses {
		ok = ok || r.Holds(c.Status)
	}
	if !ok {
		return false
	}
	ok = len(w.Codes) == 0
	for _, name := range w.Codes {
		ok = ok || name == c.Name
	}
	if !ok {
		return false
	}
	ok = len(w.Conditions) == 0
	for _, of := range w.Conditions {
		ok = ok || c.Means(of)
	}
	return ok
}

// kind of a template node.
type kind uint8

const (
	kindLiteral kind = iota // a JSON value, or text, that never changes
	kindSlot                // a value
	kindText                // a string made of literals and slots
	kindObject
	kindArray
	kindList // one element per field error
	kindMap  // one member per field error, keyed by its name
	kindTree // field errors as nested objects, leaves where they belong
)

// node is a part of a template.
type node struct {
	kind    kind
	literal any // kindLiteral: as encoding/json would make it, numbers as json.Number
	slot    slot
	param   string // of slotParam
	// optional: leave the member out when there is nothing to say.
	optional bool
	// spread puts the elements or members of the value into the surrounding
	// array or object.
	spread  bool
	parts   []*node // kindText, kindArray
	members []member
	elem    *node // kindList, kindMap, kindTree: the element
	line    int
}

type member struct {
	key  string
	node *node
}

// slot is a place for a value.
type slot uint8

const (
	slotNone slot = iota
	slotCode
	slotSubcode
	slotType
	slotTitle
	slotDocURL
	slotMessage
	slotMeaning
	slotRemedy
	slotFriendly
	slotStatus
	slotRequestID
	slotTimestamp
	slotRetryAfter
	slotRetryAfterMillis
	slotRetryable
	slotField  // name of the first field error
	slotParams // all parameters that have no place of their own
	slotParam  // one parameter
	slotFieldName
	slotFieldPath
	slotFieldPointer
	slotFieldMessage
	slotFieldCode
	slotFieldIn
)

// slots is a set of them.
type slots uint32

func (s slots) holds(of slot) bool { return s>>of&1 != 0 }

var slotNames = map[string]slot{
	"code": slotCode, "subcode": slotSubcode, "type": slotType, "title": slotTitle, "doc_url": slotDocURL,
	"message": slotMessage, "meaning": slotMeaning, "remedy": slotRemedy, "friendly": slotFriendly,
	"status": slotStatus, "request_id": slotRequestID, "timestamp": slotTimestamp,
	"retry_after": slotRetryAfter, "retry_after_ms": slotRetryAfterMillis, "retryable": slotRetryable,
	"field": slotField, "params": slotParams,
}

var fieldSlotNames = map[string]slot{
	"field.name": slotFieldName, "field.path": slotFieldPath, "field.pointer": slotFieldPointer,
	"field.message": slotFieldMessage, "field.code": slotFieldCode, "field.in": slotFieldIn,
}

// Carries reports whether the envelope has a place for a slot, named as in a
// template, for example "request_id" or "params.limit".
func (e *Envelope) Carries(name string) bool {
	found := false
	e.walk(func(n *node) {
		switch {
		case n.kind == kindSlot && n.slot == slotParam:
			found = found || name == "params."+n.param
		case n.kind == kindSlot:
			found = found || slotNames[name] == n.slot && n.slot != slotNone
		case n.kind == kindList || n.kind == kindMap || n.kind == kindTree:
			found = found || name == "fields"
		}
	})
	return found
}

func (e *Envelope) walk(visit func(*node)) {
	for _, root := range []*node{e.body, e.text} {
		root.walk(visit)
	}
	for _, h := range e.Headers {
		h.value.walk(visit)
	}
}

func (n *node) walk(visit func(*node)) {
	if n == nil {
		return
	}
	visit(n)
	for _, p := range n.parts {
		p.walk(visit)
	}
	for _, m := range n.members {
		m.node.walk(visit)
	}
	n.elem.walk(visit)
}
