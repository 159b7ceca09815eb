package contract

import (
	"strconv"
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

// fact returns the value of a declared parameter: given under its own name,
// given under the name of the fact that fills it, or known of the failure.
func fact(f *Failure, x *Param) (any, bool) {
	for i := range f.Params {
		if f.Params[i].Name == x.Name {
			return f.Params[i].Data, true
		}
	}
	if x.From == x.Name {
		return builtinFact(f, x.From)
	}
	for i := range f.Params {
		if f.Params[i].Name == x.From {
			return f.Params[i].Data, true
		}
	}
	return builtinFact(f, x.From)
}

func builtinFact(f *Failure, name string) (any, bool) {
	switch name {
	case factRequestID:
		return f.RequestID, f.RequestID != ""
	case factRetryAfter:
		return f.RetryAfter, f.HasRetryAfter
	case factField:
		if len(f.Fields) > 0 && len(f.Fields[0].Path) > 0 {
			return f.Fields[0].Name(), true
		}
	case factIssue:
		if len(f.Fields) > 0 && f.Fields[0].Message != "" {
			return f.Fields[0].Message, true
		}
	}
	return nil, false
}

// hasFact and appendFact serve messages: a name is a parameter, with or
// without "params." before it, or a fact.
func hasFact(f *Failure, name string) bool {
	switch name {
	case factStatus, factCode, factMessage:
		return true
	}
	_, _, ok := namedFact(f, name)
	return ok
}

var plainParam Param

func namedFact(f *Failure, name string) (any, *Param, bool) {
	if len(name) > 7 && name[:7] == "params." {
		name = name[7:]
	}
	if f.Code != nil {
		for _, x := range f.Code.Params {
			if x.Name == name {
				data, ok := fact(f, x)
				return data, x, ok
			}
		}
	}
	if data, ok := f.Param(name); ok {
		return data, &plainParam, true
	}
	data, ok := builtinFact(f, name)
	return data, &plainParam, ok
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
	data, x, ok := namedFact(f, name)
	if !ok {
		return dst
	}
	switch v := data.(type) {
	case string:
		return esc.append(dst, v)
	case time.Time:
		// People read instants in one form, whatever the member beside them has.
		return v.UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	}
	r := renderer{f: f, esc: escapeNone}
	before := len(dst)
	dst = r.data(dst, x, data)
	if esc == escapeNone {
		return dst
	}
	return esc.append(dst[:before], string(dst[before:]))
}
