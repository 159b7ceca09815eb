package contract

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract/hint"
)

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
