package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/failwell/failwell/contract"
)

// schemas are the compiled schemas of a contract's request bodies and errors.
type schemas struct {
	bodies map[*contract.Operation]*jsonschema.Schema
	forms  map[*contract.Operation]*jsonschema.Schema
	errors map[*contract.Code]*jsonschema.Schema
}

func compileSchemas(c *contract.Contract) (schemas, error) {
	s := schemas{
		bodies: map[*contract.Operation]*jsonschema.Schema{}, forms: map[*contract.Operation]*jsonschema.Schema{},
		errors: map[*contract.Code]*jsonschema.Schema{},
	}
	for _, o := range c.Operations {
		for source, into := range map[*any]map[*contract.Operation]*jsonschema.Schema{&o.Body: s.bodies, &o.Form: s.forms} {
			if *source == nil {
				continue
			}
			compiled, err := compile(*source)
			if err != nil {
				return s, fmt.Errorf("%w: %s:%d: the schema of %s: %w", ErrConfig, o.Pos.File, o.Pos.Line, o.ID, err)
			}
			into[o] = compiled
		}
	}
	for _, code := range c.Codes {
		text := c.ErrorSchema(code.Envelope, code)
		if text == nil {
			continue
		}
		source, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err == nil {
			s.errors[code], err = compile(source)
		}
		if err != nil {
			return s, fmt.Errorf("%w: the schema of the error %s: %w", ErrConfig, code.Name, err)
		}
	}
	return s, nil
}

type noLoader struct{}

var errOutside = errors.New("references may not lead outside of the schema")

// Load implements jsonschema.URLLoader.
func (noLoader) Load(string) (any, error) { return nil, errOutside }

func compile(source any) (*jsonschema.Schema, error) {
	const name = "contract:///schema.json"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	if err := c.AddResource(name, source); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("it is none: %w", err)
	}
	return compiled, nil
}

// value is the request body that works: the contract's sample, or one that
// follows from the schema; ok is false when neither is to be had.
func (s *schemas) value(o *contract.Operation) (value any, ok bool) {
	compiled := s.bodies[o]
	if o.Sample != nil {
		value = plain(o.Sample)
	} else if compiled != nil {
		value = instance(o.Body, 0)
	}
	if value == nil || compiled != nil && compiled.Validate(value) != nil {
		return nil, false
	}
	return value, true
}

func (s *schemas) sample(o *contract.Operation) (body string, ok bool) {
	value, ok := s.value(o)
	if !ok {
		return "", false
	}
	return text(value), true
}

func (*schemas) parameter(p contract.Parameter) (string, bool) {
	value := instance(p.Schema, 0)
	if value == nil {
		return unheard, p.Schema == nil
	}
	if s, ok := value.(string); ok {
		return s, true
	}
	return text(value), true
}

// text writes a value of JSON. What came out of YAML or JSON always goes back.
func text(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// plain is a deep copy of a value of JSON in the library's own types.
func plain(v any) any {
	out, err := jsonschema.UnmarshalJSON(strings.NewReader(text(v)))
	if err != nil {
		return nil
	}
	return out
}

// instance makes up a small value for a schema; nil when it does not see how.
// Whoever uses it validates it.
func instance(schema any, depth int) any {
	m, ok := schema.(map[string]any)
	if !ok || depth > 8 {
		return nil
	}
	for _, known := range []string{"const", "default", "example"} {
		if v, ok := m[known]; ok {
			return plain(v)
		}
	}
	for _, several := range []string{"enum", "examples"} {
		if list, ok := m[several].([]any); ok && len(list) > 0 {
			return plain(list[0])
		}
	}
	for _, choice := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := m[choice].([]any); ok && len(list) > 0 && m["type"] == nil {
			return instance(list[0], depth+1)
		}
	}
	name, _ := m["type"].(string)
	if list, ok := m["type"].([]any); ok && len(list) > 0 {
		name, _ = list[0].(string)
	}
	switch name {
	case "string":
		return stringOf(m)
	case "integer", "number":
		if low := number(m["minimum"]); low > 0 {
			return json.Number(fmt.Sprint(low))
		}
		return json.Number("1")
	case "boolean":
		return true
	case "array":
		out := []any{}
		for range int(number(m["minItems"])) {
			out = append(out, instance(m["items"], depth+1))
		}
		return out
	}
	out := map[string]any{}
	properties, _ := m["properties"].(map[string]any)
	for _, name := range words(m["required"]) {
		out[name] = instance(properties[name], depth+1)
	}
	return out
}

func stringOf(m map[string]any) any {
	switch m["format"] {
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	case "date-time":
		return "2026-01-31T09:15:00Z"
	case "date":
		return "2026-01-31"
	case "email":
		return "check@example.com"
	case "uri", "url":
		return "https://example.com/"
	}
	s := "check"
	if least := int(number(m["minLength"])); least > len(s) {
		s += strings.Repeat("k", least-len(s))
	}
	return s
}

func number(v any) float64 {
	switch n := v.(type) {
	case json.Number:
		f, err := n.Float64()
		if err != nil {
			return 0
		}
		return f
	case float64:
		return n
	case int:
		return float64(n)
	}
	return 0
}

func words(v any) (list []string) {
	switch x := v.(type) {
	case []string:
		return x
	case []any:
		for _, w := range x {
			if s, ok := w.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// without is the sample without a member that the schema requires.
func (s *schemas) without(o *contract.Operation) (body, field string, ok bool) {
	value, known := s.object(o)
	source, _ := o.Body.(map[string]any)
	if !known {
		return "", "", false
	}
	for _, name := range words(source["required"]) {
		rest := maps.Clone(value)
		delete(rest, name)
		if s.bodies[o].Validate(rest) != nil {
			return text(rest), name, true
		}
	}
	return "", "", false
}

// broken is the sample with a value of the wrong type in a place where nothing
// but that is wrong.
func (s *schemas) broken(o *contract.Operation) (body, field string, ok bool) {
	value, known := s.object(o)
	if !known {
		return "", "", false
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		for _, wrong := range []any{map[string]any{"failwell": "check"}, "failwell check", json.Number("-1"), true} {
			bad := maps.Clone(value)
			bad[name] = wrong
			if onlyAt(s.bodies[o].Validate(bad), name) {
				return text(bad), name, true
			}
		}
	}
	return "", "", false
}

// changed is another body that works, for another call under the same key.
func (s *schemas) changed(o *contract.Operation) (body string, ok bool) {
	value, known := s.object(o)
	if !known {
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		for _, other := range variants(value[name]) {
			next := maps.Clone(value)
			next[name] = other
			if s.bodies[o].Validate(next) == nil {
				return text(next), true
			}
		}
	}
	return "", false
}

func variants(v any) []any {
	switch x := v.(type) {
	case string:
		return []any{x + " (changed)", x + "x"}
	case bool:
		return []any{!x}
	case json.Number:
		return []any{json.Number(fmt.Sprint(number(x) + 1)), json.Number(fmt.Sprint(number(x) - 1))}
	}
	return nil
}

func (s *schemas) object(o *contract.Operation) (map[string]any, bool) {
	if s.bodies[o] == nil {
		return nil, false
	}
	value, ok := s.value(o)
	if !ok {
		return nil, false
	}
	object, ok := value.(map[string]any)
	return object, ok
}

// onlyAt reports whether a body is refused, and for that member alone.
func onlyAt(err error, member string) bool {
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return false
	}
	leaves, elsewhere := 0, 0
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) > 0 {
			return
		}
		leaves++
		if len(e.InstanceLocation) == 0 || e.InstanceLocation[0] != member {
			elsewhere++
		}
	}
	walk(invalid)
	return leaves > 0 && elsewhere == 0
}

// faults are the places where a body breaks a schema, in words.
func faults(err error) string {
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err.Error()
	}
	var list []string
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) == 0 && len(list) < 3 {
			list = append(list, "/"+strings.Join(e.InstanceLocation, "/")+": "+e.ErrorKind.LocalizedString(printer))
		}
	}
	walk(invalid)
	slices.Sort(list)
	return strings.Join(slices.Compact(list), "; ")
}
