package contract

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/guess"
	"github.com/failwell/failwell/contract/hint"
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
	if len(r.Body) > MaxErrorBody {
		r.Body = r.Body[:MaxErrorBody]
	}
	var body jsonBody
	if c != nil {
		body = bodyOf(r.Body)
		if f, ok = c.decodeEnvelope(r, body, now); ok {
			return f, true
		}
		if items := c.decodePartial(r, body, now); len(items) > 0 {
			f = items[0].Failure
			f.Status, f.Items = r.Status, items
			return f, true
		}
	}
	return c.decodeGuess(r, body, now)
}

func header(h map[string][]string, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	for key, v := range h {
		if len(v) > 0 && strings.EqualFold(key, name) {
			return v[0]
		}
	}
	return ""
}

// jsonBody is a body's JSON, if it is any.
type jsonBody struct {
	value  any
	isJSON bool
}

func bodyOf(raw []byte) (b jsonBody) {
	b.value, b.isJSON = parseBody(raw)
	return b
}

func (c *Contract) decodeEnvelope(r Response, body jsonBody, now time.Time) (Failure, bool) {
	success := r.Status >= 200 && r.Status < 400
	var best match
	var used *Envelope // best's; nil when there is none
	var code *Code
	for _, e := range c.Envelopes {
		if success && !slices.Contains(e.Inside, r.Status) {
			continue
		}
		m := match{contract: c}
		if e.body != nil && (!body.isJSON || !m.node(e.body, body.value, nil)) {
			continue
		}
		if e.text != nil && !m.text(e.text.parts, string(r.Body), nil, e.escape()) {
			continue
		}
		if !m.headers(e, r.Header) {
			continue
		}
		found := c.identify(&m, e, r)
		if used != nil && !better(&m, found, e, &best, code, used) {
			continue
		}
		best, used, code = m, e, found
	}
	if used == nil || code == nil && !best.coded {
		return Failure{}, false
	}
	if success && code == nil && (!c.OpenCodes || slices.Contains(used.Successes, best.code)) {
		return Failure{}, false // the same shape tells of successes
	}
	f := c.interpret(&best, code, r, body, now)
	f.Envelope = used.Name
	return f, true
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
func (c *Contract) identify(m *match, e *Envelope, r Response) *Code {
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
	} else if c.Envelope != e || c.Wire != "" && e.Carries("code") {
		return 0, false // without a code on the wire only codes that are not sent fit
	}
	if m.typ != "" && c.Type != "" && e.Carries("type") {
		if m.typ != c.Type {
			return score, m.coded
		}
		score += 4
	}
	if m.subcode != c.Subcode && e.Carries("subcode") {
		return score, m.coded && c.Subcode == ""
	}
	if m.title != "" && c.Title == m.title && e.Carries("title") {
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
func (c *Contract) interpret(m *match, code *Code, r Response, body jsonBody, now time.Time) Failure {
	f := Failure{
		Code: code, WireCode: m.code, Status: r.Status, Message: m.message, RequestID: m.requestID, QuotedID: m.quoted, Time: m.at,
		RetryAfter: m.wait, HasRetryAfter: m.waits, Type: m.typ, Fields: m.fields, Certain: code != nil,
	}
	if f.Status == 0 {
		f.Status = m.status
	}
	f.Params, f.Fields = c.readParams(code, m, &f)
	if m.field != "" && len(f.Fields) == 0 {
		f.Fields = []FieldError{{Path: strings.Split(m.field, ".")}}
	}
	if f.RequestID == "" {
		f.RequestID = header(r.Header, c.Headers.RequestID.Name)
	}
	if code != nil {
		f.Condition = code.Condition(f.Status)
		if f.Type == "" {
			f.Type = code.Type
		}
	}
	c.fill(&f, r, now)
	f.Retry = c.RetryFor(code, f.Status)
	if code == nil {
		f.Why = append(f.Why, "the code "+m.code+" is not in the contract")
	}
	if m.status != 0 && r.Status != 0 && m.status != r.Status {
		f.Why = append(f.Why, "the body names another status than the status line")
		f.Certain = false
	}
	if wait, ok := c.hintOf(r, body, &f, now); ok && waitMatters(&f) {
		f.RetryAfter, f.HasRetryAfter = wait, true
	}
	return f
}

func waitMatters(f *Failure) bool {
	return f.Retry != condition.Never || f.Status == 429 || f.Status == 503
}

// fill takes from conventions what the contract's envelope did not carry.
func (c *Contract) fill(f *Failure, r Response, now time.Time) {
	if f.RequestID != "" && f.Condition != "" {
		return
	}
	g := guess.Read(guess.Response(r), now)
	if f.RequestID == "" {
		f.RequestID = g.RequestID
	}
	if f.Condition == "" {
		f.Condition = g.Condition
	}
}

// readParams turns raw members into the declared parameters. What only stands
// for the request id or the first field error goes back there.
func (c *Contract) readParams(code *Code, m *match, f *Failure) ([]Value, []FieldError) {
	fields := m.fields
	if code == nil || len(m.params) == 0 {
		return sortedValues(m.params), fields
	}
	var out []Value
	var field, issue string
	for _, v := range m.params {
		x := code.param(v.Name)
		if x == nil {
			out = append(out, v)
			continue
		}
		data, ok := readParam(x, v.Data)
		if !ok {
			out = append(out, v)
			continue
		}
		s, _ := data.(string)
		switch {
		case x.From == factRequestID && s != "":
			if f.RequestID == "" {
				f.RequestID = s
			}
		case x.From == factField && s != "":
			field = s
		case x.From == factIssue && s != "":
			issue = s
		case x.From == factRetryAfter && !f.HasRetryAfter:
			f.RetryAfter, f.HasRetryAfter = data.(time.Duration)
		default:
			out = append(out, Value{v.Name, data})
		}
	}
	if (field != "" || issue != "") && len(fields) == 0 {
		fe := FieldError{Message: issue}
		if field != "" {
			fe.Path = strings.Split(field, ".")
		}
		fields = []FieldError{fe}
	}
	return sortedValues(out), fields
}

func sortedValues(v []Value) []Value {
	slices.SortFunc(v, func(a, b Value) int { return strings.Compare(a.Name, b.Name) })
	return v
}

func (c *Code) param(name string) *Param {
	for _, x := range c.Params {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// readParam is the inverse of renderer.data.
func readParam(x *Param, v any) (any, bool) {
	if x.From == factRetryAfter {
		n, ok := v.(json.Number)
		if !ok {
			return nil, false
		}
		unit := hint.Seconds
		if x.Format == DeltaMillis {
			unit = hint.Milliseconds
		}
		wait, ok := hint.Parse(string(n), unit, time.Time{})
		return wait, ok
	}
	switch x.Type {
	case TypeString:
		s, ok := v.(string)
		if ok && x.Prefix != "" {
			s, ok = strings.CutPrefix(s, x.Prefix)
		}
		return s, ok
	case TypeInteger:
		n, ok := v.(json.Number)
		if !ok {
			return nil, false
		}
		i, err := n.Int64()
		return i, err == nil
	case TypeTime:
		return readInstant(v, x.Format)
	case TypeBoolean:
		b, ok := v.(bool)
		return b, ok
	}
	return v, true
}

// hintOf asks the contract's hints in order. Headers that tell when a limit is
// free again are often on every response; they count as a wait only for a
// failure that is about a limit.
func (c *Contract) hintOf(r Response, body jsonBody, f *Failure, now time.Time) (time.Duration, bool) {
	for _, h := range c.Client.Hints {
		var value string
		if h.Header != "" {
			if tellsOfLimit(h, c) && !aboutLimit(f) {
				continue
			}
			value = header(r.Header, h.Header)
		} else {
			value = memberText(body.value, h.Body)
		}
		if value == "" {
			continue
		}
		if wait, ok := hint.Parse(value, h.Unit, now); ok {
			return wait, true
		}
	}
	return 0, false
}

func tellsOfLimit(h Hint, c *Contract) bool {
	const reset = "reset"
	if strings.EqualFold(h.Header, c.Headers.RateLimit.Reset) {
		return true
	}
	for i := len(reset); i <= len(h.Header); i++ {
		if strings.EqualFold(h.Header[i-len(reset):i], reset) {
			return true
		}
	}
	return false
}

func aboutLimit(f *Failure) bool {
	switch f.Condition {
	case condition.RateLimited, condition.QuotaExhausted, condition.ConcurrencyExceeded, condition.Overloaded:
		return true
	}
	return f.Status == 429
}

func memberText(v any, path []string) string {
	switch x := memberAt(v, path).(type) {
	case string:
		return x
	case json.Number:
		return string(x)
	}
	return ""
}

// memberAt follows a dotted path.
func memberAt(v any, path []string) any {
	for _, step := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[step]
	}
	return v
}

// decodePartial finds the failed items of a call on many.
func (c *Contract) decodePartial(r Response, body jsonBody, now time.Time) []ItemFailure {
	var out []ItemFailure
	for _, x := range c.Partial {
		if !slices.ContainsFunc(x.Statuses, func(s StatusRange) bool { return s.Holds(r.Status) }) {
			continue
		}
		items, _ := memberAt(body.value, x.Items).([]any)
		for i, item := range items {
			failure := memberAt(item, x.Error)
			if failure == nil || len(out) == maxFields {
				continue
			}
			raw, err := json.Marshal(failure)
			if err != nil {
				continue
			}
			item := ItemFailure{Index: i, ID: memberText(item, x.ID)}
			// An item has no status line: the shape alone decides.
			var ok bool
			if item.Failure, ok = c.decodeEnvelope(Response{Header: r.Header, Body: raw}, jsonBody{failure, true}, now); ok {
				out = append(out, item)
			}
		}
	}
	return out
}

// decodeGuess reads a response that no envelope explains.
func (c *Contract) decodeGuess(r Response, body jsonBody, now time.Time) (Failure, bool) {
	g := guess.Read(guess.Response(r), now)
	if !g.Failed {
		return Failure{Status: r.Status, RequestID: g.RequestID}, false
	}
	f := Failure{
		WireCode: g.Code, Type: g.Type, Condition: g.Condition, Status: g.Status, Message: g.Message, RequestID: g.RequestID,
		RetryAfter: g.RetryAfter, HasRetryAfter: g.HasRetryAfter, Retry: g.Retry, Certain: g.Certain, Why: g.Why,
	}
	for _, x := range g.Fields {
		f.Fields = append(f.Fields, FieldError{In: x.In, Path: x.Path, Message: x.Message, Code: x.Code})
	}
	if g.Param != "" && len(f.Fields) == 0 {
		f.Fields = []FieldError{{Path: strings.Split(g.Param, ".")}}
	}
	if c == nil {
		return f, true
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
	if wait, ok := c.hintOf(r, body, &f, now); ok {
		f.RetryAfter, f.HasRetryAfter = wait, true
	}
	return f, true
}
