package contract

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// AppendError appends the body of a failure to dst and returns the status and
// the media type that belong to it. f.Code must be of this contract. It
// allocates nothing beyond the growth of dst, as long as parameters are
// strings, numbers, booleans, times or raw JSON.
func (c *Contract) AppendError(dst []byte, f *Failure) (body []byte, status int, mediaType string) {
	p := c.compiled[f.Code]
	if p == nil {
		return dst, f.status(), ""
	}
	r := renderer{contract: c, f: f, esc: p.escape, status: f.status()}
	for i := range p.body {
		dst, _ = r.value(dst, &p.body[i], nil)
	}
	return dst, r.status, p.mediaType
}

// ErrorHeaders yields the headers that belong to the shape of a failure's
// envelope, and the contract's header for the code.
func (c *Contract) ErrorHeaders(f *Failure, yield func(name, value string)) {
	if c.Headers.Code != "" && f.Code != nil && f.Code.Wire != "" {
		yield(c.Headers.Code, f.Code.Wire)
	}
	p := c.compiled[f.Code]
	if p == nil {
		return
	}
	for i := range p.headers {
		r := renderer{contract: c, f: f, esc: escapeNone, status: f.status()}
		var value []byte
		for j := range p.headers[i].value {
			value, _ = r.value(value, &p.headers[i].value[j], nil)
		}
		yield(p.headers[i].name, string(value))
	}
}

type renderer struct {
	contract *Contract
	f        *Failure
	esc      escape
	status   int
}

// quote opens or closes a string where the body is JSON.
func (r *renderer) quote(dst []byte) []byte {
	if r.esc == escapeJSON {
		return append(dst, '"')
	}
	return dst
}

func (r *renderer) string(dst []byte, s string) []byte {
	return r.quote(r.esc.append(r.quote(dst), s))
}

// value writes one part; said is false when there was nothing to say, and then
// dst is as before.
func (r *renderer) value(dst []byte, o *op, field *FieldError) (out []byte, said bool) {
	switch o.kind {
	case kindLiteral:
		return append(dst, o.lit...), true
	case kindSlot:
		return r.slot(dst, o, field)
	case kindText:
		return r.text(dst, o, field)
	case kindArray:
		return r.array(dst, o, field)
	case kindObject:
		return r.object(dst, o, field)
	case kindList:
		return r.list(dst, o)
	case kindMap:
		return r.fieldMap(dst, o)
	default:
		return r.tree(dst, o)
	}
}

// text writes a string of parts. An optional text is left out as a whole when
// one of its values is missing.
func (r *renderer) text(dst []byte, o *op, field *FieldError) ([]byte, bool) {
	start := len(dst)
	dst = r.quote(dst)
	for i := range o.ops {
		part := &o.ops[i]
		before := len(dst)
		var said bool
		dst, said = r.value(dst, part, field)
		if !said && o.optional {
			return dst[:start], false
		}
		if said && part.kind == kindSlot && r.esc == escapeJSON && len(dst) > before+1 && dst[before] == '"' {
			// A slot inside a text has no quotes of its own.
			copy(dst[before:], dst[before+1:len(dst)-1])
			dst = dst[:len(dst)-2]
		}
	}
	return r.quote(dst), true
}

func (r *renderer) array(dst []byte, o *op, field *FieldError) ([]byte, bool) {
	start := len(dst)
	dst = append(dst, '[')
	for i := range o.ops {
		part := &o.ops[i]
		if part.spread && part.slot == slotFieldPath && field != nil {
			for _, step := range field.Path {
				dst = append(appendStep(dst, step), ',')
			}
			continue
		}
		var said bool
		if dst, said = r.value(dst, part, field); said {
			dst = append(dst, ',')
		}
	}
	return r.close(dst, start, ']', o.optional)
}

// close ends an object or array: each element left a comma behind it.
func (r *renderer) close(dst []byte, start int, end byte, optional bool) ([]byte, bool) {
	last := len(dst) - 1
	if last == start {
		if optional {
			return dst[:start], false
		}
		return append(dst, end), true
	}
	dst[last] = end
	return dst, true
}

// appendStep writes list positions as numbers, names as strings.
func appendStep(dst []byte, step string) []byte {
	if isIndex(step) {
		return append(dst, step...)
	}
	return appendString(dst, step)
}

// isIndex reports whether a path step is a position in a list.
func isIndex(step string) bool {
	if step == "" || len(step) > 9 || step[0] == '0' && len(step) > 1 {
		return false
	}
	for i := range len(step) {
		if step[i] < '0' || step[i] > '9' {
			return false
		}
	}
	return true
}

func (r *renderer) object(dst []byte, o *op, field *FieldError) ([]byte, bool) {
	start := len(dst)
	dst = append(dst, '{')
	for i := range o.ops {
		part := &o.ops[i]
		if part.kind == kindLiteral {
			dst = append(dst, part.lit...) // key and comma are in it
			continue
		}
		if part.spread {
			dst = r.spread(dst, part)
			continue
		}
		before := len(dst)
		dst = append(dst, part.key...)
		var said bool
		if dst, said = r.value(dst, part, field); !said {
			dst = dst[:before]
			continue
		}
		dst = append(dst, ',')
	}
	return r.close(dst, start, '}', o.optional)
}

// spread writes the members of a value into the object around it.
func (r *renderer) spread(dst []byte, o *op) []byte {
	start := len(dst)
	dst, _ = r.value(dst, o, nil)
	if len(dst) < start+3 {
		return dst[:start] // {}
	}
	copy(dst[start:], dst[start+1:])
	dst[len(dst)-2] = ','
	return dst[:len(dst)-1]
}

func (r *renderer) slot(dst []byte, o *op, field *FieldError) ([]byte, bool) {
	f := r.f
	switch o.slot {
	case slotMessage:
		return r.message(dst, o, f.Message)
	case slotFriendly:
		return r.message(dst, o, "")
	case slotStatus:
		return strconv.AppendInt(dst, int64(r.status), 10), true
	case slotRequestID:
		return r.optionalString(dst, o, f.RequestID)
	case slotTimestamp:
		return r.timestamp(dst, o)
	case slotRetryAfter, slotRetryAfterMillis:
		if !f.HasRetryAfter {
			return r.absent(dst, o)
		}
		unit := time.Second
		if o.slot == slotRetryAfterMillis {
			unit = time.Millisecond
		}
		return strconv.AppendInt(dst, ceil(f.RetryAfter, unit), 10), true
	case slotField:
		if len(f.Fields) == 0 || len(f.Fields[0].Path) == 0 {
			return r.optionalString(dst, o, "")
		}
		return r.dotted(dst, &f.Fields[0]), true
	case slotParam:
		out, said := r.param(dst, o.param)
		if said {
			return out, true
		}
		return r.absent(dst, o)
	case slotParams:
		return r.params(dst, o)
	default:
		return r.fieldSlot(dst, o, field)
	}
}

func (r *renderer) absent(dst []byte, o *op) ([]byte, bool) {
	if o.optional {
		return dst, false
	}
	if r.esc == escapeJSON {
		return append(dst, "null"...), true
	}
	return dst, true
}

func (r *renderer) optionalString(dst []byte, o *op, s string) ([]byte, bool) {
	if s == "" && o.optional {
		return dst, false
	}
	return r.string(dst, s), true
}

func (r *renderer) message(dst []byte, o *op, given string) ([]byte, bool) {
	if given != "" {
		return r.string(dst, given), true
	}
	t := choose(o.texts, r.f)
	if t == nil {
		return r.optionalString(dst, o, "")
	}
	return r.quote(t.append(r.quote(dst), r.f, r.esc)), true
}

func (r *renderer) timestamp(dst []byte, o *op) ([]byte, bool) {
	if r.f.Time.IsZero() {
		return r.absent(dst, o)
	}
	return r.instant(dst, r.f.Time, r.contract.Timestamp), true
}

func (r *renderer) instant(dst []byte, at time.Time, format TimeFormat) []byte {
	at = at.UTC()
	switch format {
	case EpochSeconds:
		return strconv.AppendInt(dst, at.Unix(), 10)
	case EpochMillis:
		return strconv.AppendInt(dst, at.UnixMilli(), 10)
	case RFC3339Milli:
		return r.quote(at.AppendFormat(r.quote(dst), "2006-01-02T15:04:05.000Z"))
	case HTTPDate:
		return r.quote(at.AppendFormat(r.quote(dst), httpDate))
	default:
		return r.quote(at.AppendFormat(r.quote(dst), "2006-01-02T15:04:05Z"))
	}
}

// up is an instant in the unit of a format, rounded up: whoever comes back when a
// parameter says must not be early, and the header beside it says the same.
func up(at time.Time, format TimeFormat) time.Time {
	if format == EpochMillis || format == RFC3339Milli {
		return at.Add(time.Millisecond - 1)
	}
	return at.Add(time.Second - 1)
}

// httpDate is IMF-fixdate (RFC 9110 section 5.6.7).
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

func (r *renderer) params(dst []byte, o *op) ([]byte, bool) {
	start := len(dst)
	dst = append(dst, '{')
	for _, x := range o.params {
		before := len(dst)
		dst = append(appendString(dst, x.Name), ':')
		var said bool
		if dst, said = r.param(dst, x); !said {
			dst = dst[:before]
			continue
		}
		dst = append(dst, ',')
	}
	return r.close(dst, start, '}', o.optional)
}

// data writes a parameter's value in the form that the parameter declares.
func (r *renderer) data(dst []byte, x *Param, data any) []byte {
	switch v := data.(type) {
	case string:
		dst = r.quote(dst)
		dst = r.esc.append(dst, x.Prefix)
		return r.quote(r.esc.append(dst, v))
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return appendFloat(dst, v)
	case json.Number:
		return append(dst, v...)
	case time.Time:
		return r.instant(dst, up(v, x.Format), x.Format)
	case time.Duration:
		return r.wait(dst, x, v)
	case json.RawMessage:
		return append(dst, v...)
	case condition.Condition:
		return r.string(dst, string(v))
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

func (r *renderer) wait(dst []byte, x *Param, d time.Duration) []byte {
	if x.Format == DeltaMillis {
		return strconv.AppendInt(dst, ceil(d, time.Millisecond), 10)
	}
	return strconv.AppendInt(dst, ceil(d, time.Second), 10)
}

func appendFloat(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	// The exponent appears where it does in JavaScript and encoding/json, so
	// that a message says 1000000 and not 1e+06.
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// ceil counts units, rounded up: a wait may be told too long by less than a
// unit, never too short.
func ceil(d, unit time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/unit) + 1
}
