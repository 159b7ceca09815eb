package contract

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/guess"
)

// Response is what is needed of an HTTP response to read a failure from it.
type Response struct {
	Status int
	// Header maps names, in any case, to values.
	Header map[string][]string
	// Body is at most [MaxErrorBody] bytes of the body; more is not looked at.
	Body []byte
}

// MaxErrorBody is how much of a body is looked at.
const MaxErrorBody = 1 << 20

// Decode reads the failure out of a response. With a contract, its envelopes
// are tried first and conventions of the world's APIs fill in the rest; on a
// nil contract only the conventions are there. ok is false when the response is
// no failure. now is the instant against which dates in hints are read.
//
// Status, request id and an account of what was found are never lost, whatever
// the body holds.
func (c *Contract) Decode(r Response, now time.Time) (f Failure, ok bool) {
	ok = c.read(&reading{Response: r, now: now}, &f)
	return f, ok
}

// reading is the work on one response.
type reading struct {
	Response

	body  jsonValue // absent when the body is no JSON
	now   time.Time
	hasty bool
}

// clock is the instant against which dates are read.
func (x *reading) clock() time.Time {
	if x.hasty {
		return ServerTime(x.Header, x.now)
	}
	return x.now
}

func (c *Contract) read(x *reading, f *Failure) bool {
	if len(x.Body) > MaxErrorBody {
		x.Body = x.Body[:MaxErrorBody]
	}
	if c == nil {
		return c.decodeGuess(x, f)
	}
	tree := c.trees.borrow()
	defer c.trees.giveBack(tree)
	if tree.parse(x.Body) {
		x.body = tree.root()
	}
	if c.decodeEnvelope(x, f) {
		return true
	}
	if items := c.decodePartial(x); len(items) > 0 {
		*f = items[0].Failure
		f.Status, f.Items = x.Status, items
		return true
	}
	return c.decodeGuess(x, f)
}

func header(h map[string][]string, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	for key, v := range h {
		if len(key) == len(name) && len(v) > 0 && strings.EqualFold(key, name) { // names are ASCII
			return v[0]
		}
	}
	return ""
}

// canonical is the form in which net/http has a header's name.
func canonical(name string) string {
	out := []byte(name)
	for i, c := range out {
		begins := i == 0 || out[i-1] == '-'
		if begins && c >= 'a' && c <= 'z' || !begins && c >= 'A' && c <= 'Z' {
			out[i] ^= 0x20
		}
	}
	return string(out)
}

func (c *Contract) decodeEnvelope(x *reading, f *Failure) bool {
	success := x.Status >= 200 && x.Status < 400
	var room [2]match
	m, best := &room[0], &room[1]
	var used *Envelope // best's; nil when there is none
	var code *Code
	for _, e := range c.Envelopes {
		if success && !slices.Contains(e.Inside, x.Status) {
			continue
		}
		*m = match{contract: c}
		if e.body != nil && (x.body.node == nil || !m.node(e.body, x.body, nil)) {
			continue
		}
		if e.text != nil && !m.text(e.text.parts, string(x.Body), nil, e.escape()) {
			continue
		}
		if !m.headers(e, x.Header) {
			continue
		}
		found := c.identify(m, e, &x.Response)
		if used != nil && !better(m, found, e, best, code, used) {
			continue
		}
		m, best, used, code = best, m, e, found
	}
	if used == nil || code == nil && !best.coded {
		return false
	}
	if success && code == nil && (!c.OpenCodes || slices.Contains(used.Successes, best.code)) {
		return false // the same shape tells of successes
	}
	c.interpret(best, code, x, f)
	f.Envelope = used.Name
	return true
}

// better compares two envelopes that both match a body: one that leads to a
// code of the catalogue, then one that is that code's own, then the one that
// explains more of the body.
func better(m *match, code *Code, e *Envelope, best *match, bestCode *Code, used *Envelope) bool {
	if (code != nil) != (bestCode != nil) {
		return code != nil
	}
	if code != nil {
		own, bestOwn := code.Envelope == e, bestCode.Envelope == used
		if own != bestOwn {
			return own
		}
	}
	return m.exact > best.exact
}

func (e *Envelope) escape() escape {
	if isXML(e.MediaType) {
		return escapeXML
	}
	return escapeNone
}

func (m *match) headers(e *Envelope, h map[string][]string) bool {
	for _, want := range e.Headers {
		value := header(h, want.Name)
		parts := []*node{want.value}
		if want.value.kind == kindText {
			parts = want.value.parts
		}
		if !m.text(parts, value, nil, escapeNone) {
			return false
		}
	}
	return true
}

// identify finds the catalogue entry of a match: by the code on the wire, and
// where none is sent, or one is shared, by status, type and title.
func (c *Contract) identify(m *match, e *Envelope, r *Response) *Code {
	wire := m.code
	if !m.coded && c.Headers.Code != "" {
		wire = header(r.Header, c.Headers.Code)
		m.code, m.coded = wire, wire != ""
	}
	candidates := c.byWire[wire]
	if !m.coded {
		candidates = c.Codes
	}
	var best *Code
	score := 0
	for _, code := range candidates {
		s, fits := code.likeness(m, e, r.Status)
		if fits && s > score {
			best, score = code, s
		}
	}
	if best == nil && !m.coded {
		if row, ok := c.byStatus[r.Status]; ok && row.Code != nil {
			return row.Code
		}
	}
	return best
}

// likeness tells how well a code explains a match; fits is false when it cannot.
// What identifies weighs most: the code as sent, then the status, then the
// category, then envelope and title.
func (c *Code) likeness(m *match, e *Envelope, status int) (score int, fits bool) {
	if m.coded {
		score = 16
		if m.numeric != c.Numeric && e.body != nil {
			score = 8
		}
	} else if c.Envelope != e || c.Wire != "" && e.slots.holds(slotCode) {
		return 0, false // without a code on the wire only codes that are not sent fit
	}
	if m.typ != "" && c.Type != "" && e.slots.holds(slotType) {
		if m.typ != c.Type {
			return score, m.coded
		}
		score += 4
	}
	if m.subcode != c.Subcode && e.slots.holds(slotSubcode) {
		return score, m.coded && c.Subcode == ""
	}
	if m.title != "" && c.Title == m.title && e.slots.holds(slotTitle) {
		score += 2
	}
	if c.Envelope == e {
		score += 2
	}
	switch {
	case status == c.Status:
		score += 8
	case c.Allows(status):
		score += 6
	case !m.coded:
		return 0, false
	}
	return score + 1, true
}

// interpret settles what the slots held, now that the code is known.
func (c *Contract) interpret(m *match, code *Code, x *reading, f *Failure) {
	*f = Failure{
		Code: code, WireCode: m.code, Status: x.Status, Message: m.message, RequestID: m.requestID, QuotedID: m.quoted, Time: m.at,
		RetryAfter: m.wait, HasRetryAfter: m.waits, Type: m.typ, Certain: code != nil,
	}
	if f.Status == 0 {
		f.Status = m.status
	}
	f.Params, f.Fields = c.readParams(code, m, f)
	if m.field != "" && len(f.Fields) == 0 {
		f.Fields = []FieldError{{Path: strings.Split(m.field, ".")}}
	}
	if f.RequestID == "" && !x.hasty {
		f.RequestID = header(x.Header, c.Headers.RequestID.Name)
	}
	if code != nil {
		f.Condition = code.Condition(f.Status)
		if f.Type == "" {
			f.Type = code.Type
		}
	}
	if f.Condition == "" || f.RequestID == "" && !x.hasty {
		c.fill(f, x)
	}
	f.Retry = c.RetryFor(code, f.Status)
	if code == nil {
		f.Why = append(f.Why, "the code "+m.code+" is not in the contract")
	}
	if m.status != 0 && x.Status != 0 && m.status != x.Status {
		f.Why = append(f.Why, "the body names another status than the status line")
		f.Certain = false
	}
	if wait, ok := c.hintOf(x, f); ok && waitMatters(f) {
		f.RetryAfter, f.HasRetryAfter = wait, true
	}
}

// fill takes from conventions what the contract's envelope did not carry. It takes
// ten times as long as all the rest.
func (c *Contract) fill(f *Failure, x *reading) {
	g := guess.Read(guess.Response(x.Response), x.clock())
	if f.RequestID == "" {
		f.RequestID = g.RequestID
	}
	if f.Condition == "" {
		f.Condition = g.Condition
	}
}

// decodePartial finds the failed items of a call on many.
func (c *Contract) decodePartial(x *reading) []ItemFailure {
	var out []ItemFailure
	for i := range c.Partial {
		p := &c.Partial[i]
		if !slices.ContainsFunc(p.Statuses, func(s StatusRange) bool { return s.Holds(x.Status) }) {
			continue
		}
		items := x.body.along(p.Items)
		if items.kind() != jsonArray {
			continue
		}
		at := -1
		for item := range items.items() {
			at++
			failure := item.along(p.Error)
			if failure.kind() == jsonNull || len(out) == maxFields {
				continue
			}
			raw, err := json.Marshal(failure.any())
			if err != nil {
				continue
			}
			found := ItemFailure{Index: at, ID: item.along(p.ID).plain()}
			// An item has no status line: the shape alone decides.
			alone := reading{Response: Response{Header: x.Header, Body: raw}, body: failure, now: x.now, hasty: x.hasty}
			if c.decodeEnvelope(&alone, &found.Failure) {
				out = append(out, found)
			}
		}
	}
	return out
}

// decodeGuess reads a response that no envelope explains.
func (c *Contract) decodeGuess(x *reading, f *Failure) bool {
	g := guess.Read(guess.Response(x.Response), x.clock())
	if !g.Failed {
		*f = Failure{Status: x.Status, RequestID: g.RequestID}
		return false
	}
	*f = Failure{
		WireCode: g.Code, Type: g.Type, Condition: g.Condition, Status: g.Status, Message: g.Message, RequestID: g.RequestID,
		RetryAfter: g.RetryAfter, HasRetryAfter: g.HasRetryAfter, Retry: g.Retry, Certain: g.Certain, Why: g.Why,
	}
	for _, of := range g.Fields {
		f.Fields = append(f.Fields, FieldError{In: of.In, Path: of.Path, Message: of.Message, Code: of.Code})
	}
	if g.Param != "" && len(f.Fields) == 0 {
		f.Fields = []FieldError{{Path: strings.Split(g.Param, ".")}}
	}
	if c == nil {
		return true
	}
	f.Certain = false
	f.Why = append(f.Why, "no envelope of the contract "+c.API+" has this shape")
	if known := c.byWire[g.Code]; g.Code != "" && len(known) > 0 {
		f.Code = known[0]
		f.Condition = f.Code.Condition(f.Status)
	} else if row, ok := c.byStatus[f.Status]; ok && row.Code != nil && f.Condition == condition.OfStatus(f.Status) {
		f.Code = row.Code
	}
	f.Retry = c.RetryFor(f.Code, f.Status)
	if wait, ok := c.hintOf(x, f); ok {
		f.RetryAfter, f.HasRetryAfter = wait, true
	}
	return true
}
