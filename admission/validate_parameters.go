package admission

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// parameter is a declared parameter with what is needed to read it.
type parameter struct {
	contract.Parameter
	schema *schema
	// types and items are the types that the schema names for the value and,
	// where it is a list, for its items.
	types, items []string
}

// ValidateParameters checks query, header and path parameters. get returns the
// values of one in the order sent, none when it is absent. Text is turned into
// the type that the schema names: whole and other numbers, true and false. A list
// is several values in a query, and one value with commas elsewhere; anything
// else may be given once only.
//
// It returns all problems, up to 100, in the order in which the contract lists
// the parameters, and the condition that the contract has for them.
func (v *Validator) ValidateParameters(o *contract.Operation, get func(in, name string) (values []string)) (condition.Condition, []contract.FieldError) {
	var found []contract.FieldError //nolint:prealloc // mostly there is nothing
	for i := range v.parameters[o] {
		p := &v.parameters[o][i]
		found = append(found, p.problems(get(p.In, p.Name))...)
	}
	if len(found) == 0 {
		return "", nil
	}
	return v.told(found[:min(len(found), maxIssues)], parameterCondition(o, found))
}

func (p *parameter) problems(values []string) []contract.FieldError {
	fault := func(code, message string) []contract.FieldError {
		return []contract.FieldError{{In: p.In, Path: []string{p.Name}, Message: message, Code: code}}
	}
	switch {
	case len(values) == 0:
		if p.Required {
			return fault(codeMissing, "is required")
		}
		return nil
	case p.schema == nil:
		return nil
	}
	if slices.Contains(p.types, "array") {
		return p.schema.problems(p.list(values), p.In, []string{p.Name})
	}
	if len(values) > 1 {
		return fault("multiple_values", "may be given once only")
	}
	value, code, message := coerce(values[0], p.types)
	if code != "" {
		return fault(code, message)
	}
	return p.schema.problems(value, p.In, []string{p.Name})
}

func (p *parameter) list(values []string) any {
	if len(values) == 1 && p.In != "query" {
		values = strings.Split(values[0], ",")
	}
	items := make([]any, len(values))
	for i, s := range values {
		value, code, _ := coerce(strings.TrimSpace(s), p.items)
		if code != "" {
			value = s // the schema says what it should be
		}
		items[i] = value
	}
	return items
}

// coerce reads text as the first of the types that it can be.
func coerce(s string, types []string) (value any, code, message string) {
	if len(types) == 0 || slices.Contains(types, "string") {
		return s, "", ""
	}
	for _, t := range types {
		switch {
		case t == "boolean" && (s == "true" || s == "false"):
			return s == "true", "", ""
		case (t == "integer" || t == "number") && isNumber(s):
			return json.Number(s), "", ""
		case t == "null" && s == "":
			return nil, "", ""
		}
	}
	codes := map[string]string{"integer": "int_parsing", "number": "float_parsing", "boolean": "bool_parsing"}
	typeCode, message := typeRule(types)
	if code = codes[types[0]]; code == "" {
		code = typeCode
	}
	return nil, code, message
}

func isNumber(s string) bool {
	_, ok := wellFormed([]byte(s))
	return ok && strings.Trim(s, "-+.eE0123456789") == "" && finite(s)
}

// typesOf reads the types that a schema names at its top.
func typesOf(source any) (types, items []string) {
	rules, ok := source.(map[string]any)
	if !ok {
		return nil, nil
	}
	switch t := rules["type"].(type) {
	case string:
		types = []string{t}
	case []any:
		for _, x := range t {
			if s, ok := x.(string); ok {
				types = append(types, s)
			}
		}
	}
	if inner, ok := rules["items"]; ok {
		items, _ = typesOf(inner)
	}
	return types, items
}
