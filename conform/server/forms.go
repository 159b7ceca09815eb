package server

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// form is a form that works, of a media type that the operation takes.
type form struct {
	mediaType string
	schema    map[string]any
	// values are of the types that the schema asks for; on the wire all is text.
	values map[string]any
}

// form makes the form up that an operation takes; nil when the contract does
// not say what is in it, or that cannot be made up: a picture, for example.
func (s *schemas) form(o *contract.Operation) *form {
	at := slices.IndexFunc(o.MediaTypes, contract.IsForm)
	source, ok := o.Form.(map[string]any)
	if at < 0 || !ok {
		return nil
	}
	values, ok := instance(source, 0).(map[string]any)
	if !ok || len(values) == 0 || s.forms[o].Validate(values) != nil {
		return nil
	}
	f := &form{o.MediaTypes[at], source, values}
	for name := range values {
		if kind, _ := f.one(name)["contentMediaType"].(string); kind != "" && kind != "application/octet-stream" && !strings.HasPrefix(kind, "text/") {
			return nil
		}
		all := f.all(name)
		if len(all) == 0 {
			return nil
		}
		for _, v := range all {
			switch v.(type) {
			case map[string]any, []any, nil:
				return nil
			}
		}
	}
	return f
}

// all are the values of a field: a list is a field that comes several times.
func (f *form) all(name string) []any {
	if list, ok := f.values[name].([]any); ok {
		return list
	}
	return []any{f.values[name]}
}

func (f *form) field(name string) map[string]any {
	properties, _ := f.schema["properties"].(map[string]any)
	field, _ := properties[name].(map[string]any)
	return field
}

// one is the schema of one value of a field.
func (f *form) one(name string) map[string]any {
	field := f.field(name)
	if items, ok := field["items"].(map[string]any); ok {
		return items
	}
	return field
}

// isFile: OpenAPI 3.0 says it by the format, 3.1 by the media type or by nothing.
func (f *form) isFile(name string) bool {
	one := f.one(name)
	return one["format"] == "binary" || one["contentMediaType"] != nil
}

// with is the form with another value, or without it when that is nil.
func (f *form) with(name string, value any) *form {
	out := *f
	out.values = maps.Clone(f.values)
	out.values[name] = value
	if value == nil {
		delete(out.values, name)
	}
	return &out
}

// boundary stands between the parts of a form.
const boundary = unheard + "-boundary"

// contentType is the header that belongs to the form.
func (f *form) contentType() string {
	if f.mediaType == contract.Multipart {
		return f.mediaType + "; boundary=" + boundary
	}
	return f.mediaType
}

// body is the form on the wire, files last as browsers' users order them.
func (f *form) body() string {
	names := slices.SortedFunc(maps.Keys(f.values), func(a, b string) int {
		order := map[bool]int{true: 1}
		return cmp.Or(cmp.Compare(order[f.isFile(a)], order[f.isFile(b)]), cmp.Compare(a, b))
	})
	if f.mediaType == contract.URLEncoded {
		var parts []string
		for _, name := range names {
			for _, v := range f.all(name) {
				parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(fieldText(v)))
			}
		}
		return strings.Join(parts, "&")
	}
	var b strings.Builder
	for _, name := range names {
		for _, v := range f.all(name) {
			fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q", boundary, name)
			if f.isFile(name) {
				fmt.Fprintf(&b, "; filename=%q\r\nContent-Type: text/plain", unheard+".txt")
			}
			b.WriteString("\r\n\r\n" + fieldText(v) + "\r\n")
		}
	}
	return b.String() + "--" + boundary + "--\r\n"
}

func fieldText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	return text(value)
}

// torn is the form as it arrives when its sender was cut off in the middle of its
// last part. (Between two parts a form may end for all that many parsers care,
// that of Go's standard library among them.)
func (f *form) torn() string {
	whole := f.body()
	end := strings.LastIndex(whole, "\r\n--"+boundary)
	value := strings.LastIndex(whole[:end], "\r\n") + 2
	return whole[:value+(end-value)/2]
}

// without is the form without a field that the schema requires.
func (s *schemas) formWithout(o *contract.Operation, f *form) (*form, string) {
	for _, name := range words(f.schema["required"]) {
		if bad := f.with(name, nil); s.forms[o].Validate(bad.values) != nil {
			return bad, name
		}
	}
	return nil, ""
}

// formWrong is the form with a field that cannot be what the schema asks for.
func (s *schemas) formWrong(o *contract.Operation, f *form) (*form, string) {
	properties, _ := f.schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if _, wrong := wrongValue(properties[name]); !wrong || f.isFile(name) {
			continue
		}
		if bad := f.with(name, unheard); onlyAt(s.forms[o].Validate(bad.values), name) {
			return bad, name
		}
	}
	return nil, ""
}

// formLong is the form with a field that is a character too long.
func (s *schemas) formLong(o *contract.Operation, f *form) (long *form, name string, length int) {
	properties, _ := f.schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		most := int(number(f.field(name)["maxLength"]))
		if most < 1 || most > longestField || f.isFile(name) {
			continue
		}
		if bad := f.with(name, strings.Repeat("k", most+1)); onlyAt(s.forms[o].Validate(bad.values), name) {
			return bad, name, most + 1
		}
	}
	return nil, "", 0
}

// longestField is the longest that is made too long: it stands in a command line.
const longestField = 10_000

// forms are forms that an operation has to refuse.
func (p *planner) forms(o *contract.Operation, good request) {
	f := p.schemas.form(o)
	if f == nil {
		return
	}
	invalid := p.invalid(o)
	missing := cmp.Or(p.contract.Validation.Missing, invalid)
	if f.mediaType == contract.Multipart {
		// Who reads what is there finds that something is not.
		unreadable := []condition.Condition{condition.RequestMalformed, condition.FormatInvalid, missing, invalid, condition.ParameterMissing}
		p.refused(ruleBroken, o, "a form that breaks off", good.carrying(f.contentType(), f.torn()), "", unreadable...)
		p.refused(ruleBroken, o, "a form with another boundary", good.carrying(f.mediaType+"; boundary="+unheard+"-other", f.body()), "", unreadable...)
	}
	if bad, name := p.schemas.formWithout(o, f); bad != nil {
		p.refused(ruleFieldMissing, o, "a form without "+name, good.carrying(bad.contentType(), bad.body()), name, missing, condition.ParameterMissing)
	}
	if bad, name := p.schemas.formWrong(o, f); bad != nil {
		p.refused(ruleFieldInvalid, o, "a form with "+name+"="+unheard, good.carrying(bad.contentType(), bad.body()), name, invalid, condition.ParameterInvalid)
	}
	if bad, name, length := p.schemas.formLong(o, f); bad != nil {
		p.refused(ruleFieldInvalid, o, fmt.Sprintf("a form with %s of %d characters", name, length), good.carrying(bad.contentType(), bad.body()), name, invalid, condition.ParameterInvalid)
	}
}
