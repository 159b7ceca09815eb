package contract

import (
	"strconv"
	"strings"
	"time"
)

// Facts that every failure has by itself, next to its parameters. Messages and
// parameters ("from:") may name them.
const (
	factRequestID  = "request_id"
	factRetryAfter = "retry_after"
	factStatus     = "status"
	factCode       = "code"
	factMessage    = "message"
	factField      = "field"
	factIssue      = "issue"
)

// given returns the value of a declared parameter as it was put into the
// failure: under its own name, or under the name of the fact that fills it.
func given(f *Failure, x *Param) (any, bool) {
	if data, ok := f.Param(x.Name); ok || x.From == x.Name {
		return data, ok
	}
	return f.Param(x.From)
}

// hasBuiltin reports whether the failure has a fact by itself.
func hasBuiltin(f *Failure, name string) bool {
	switch name {
	case factRequestID:
		return f.RequestID != ""
	case factRetryAfter:
		return f.HasRetryAfter
	case factField:
		return len(f.Fields) > 0 && len(f.Fields[0].Path) > 0
	case factIssue:
		return len(f.Fields) > 0 && f.Fields[0].Message != ""
	}
	return false
}

// builtin writes such a fact.
func (r *renderer) builtin(dst []byte, x *Param, name string) []byte {
	f := r.f
	switch name {
	case factRequestID:
		dst = r.esc.append(r.quote(dst), x.Prefix)
		return r.quote(r.esc.append(dst, f.RequestID))
	case factRetryAfter:
		return r.wait(dst, x, f.RetryAfter)
	case factField:
		return r.dotted(dst, &f.Fields[0])
	default:
		return r.string(dst, f.Fields[0].Message)
	}
}

// param writes a declared parameter; said is false when nothing fills it.
func (r *renderer) param(dst []byte, x *Param) (out []byte, said bool) {
	if data, ok := given(r.f, x); ok {
		return r.data(dst, x, data), true
	}
	if hasBuiltin(r.f, x.From) {
		return r.builtin(dst, x, x.From), true
	}
	return dst, false
}

// Messages name parameters, with or without "params." before them, or facts.

func declared(f *Failure, name string) *Param {
	if f.Code == nil {
		return nil
	}
	return f.Code.param(strings.TrimPrefix(name, "params."))
}

func hasFact(f *Failure, name string) bool {
	switch name {
	case factStatus, factCode:
		return true
	case factMessage:
		return f.Message != ""
	}
	if x := declared(f, name); x != nil {
		_, ok := given(f, x)
		return ok || hasBuiltin(f, x.From)
	}
	_, ok := f.Param(name)
	return ok || hasBuiltin(f, name)
}

func appendFact(dst []byte, f *Failure, name string, esc escape) []byte {
	switch name {
	case factStatus:
		return strconv.AppendInt(dst, int64(f.status()), 10)
	case factCode:
		if f.Code != nil {
			return esc.append(dst, f.Code.Error())
		}
		return esc.append(dst, f.WireCode)
	case factMessage:
		return esc.append(dst, f.Message)
	}
	plain := Param{Name: name, From: name}
	x := declared(f, name)
	if x == nil {
		x = &plain
	}
	r := renderer{f: f, esc: escapeNone}
	before := len(dst)
	if data, ok := given(f, x); !ok {
		if hasBuiltin(f, x.From) {
			dst = r.builtin(dst, x, x.From)
		}
	} else if at, isTime := data.(time.Time); isTime {
		// People read instants in one form, whatever the member beside them has.
		dst = r.instant(dst, up(at, RFC3339), RFC3339)
	} else {
		dst = r.data(dst, x, data)
	}
	return escapeTail(dst, before, esc)
}

// escapeTail escapes what was written since before; most values need nothing.
func escapeTail(dst []byte, before int, esc escape) []byte {
	if esc == escapeNone {
		return dst
	}
	for _, b := range dst[before:] {
		if b < 0x20 || b >= 0x7f || b == '"' || b == '\\' || b == '&' || b == '<' || b == '>' {
			return esc.append(dst[:before], string(dst[before:]))
		}
	}
	return dst
}
