package admission

import (
	"slices"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// keywords maps the codes of field errors to the keyword of JSON Schema that
// was broken, by which a contract renames them (validation.codes).
var keywords = map[string]string{
	codeMissing: "required", "extra_forbidden": "additionalProperties",
	"string_type": "type", "int_type": "type", "float_type": "type", "bool_type": "type", "list_type": "type", "dict_type": "type",
	"none_required": "type", "type_mismatch": "type", "int_parsing": "type", "float_parsing": "type", "bool_parsing": "type",
	"enum": "enum", "literal_error": "const",
	"greater_than": "exclusiveMinimum", "greater_than_equal": "minimum", "less_than": "exclusiveMaximum", "less_than_equal": "maximum",
	"multiple_of": "multipleOf", "string_too_short": "minLength", "string_too_long": "maxLength", "string_pattern_mismatch": "pattern",
	"too_short": "minItems", "too_long": "maxItems", "unique_items": "uniqueItems", "contains": "contains",
	"string_format": "format", "uuid_parsing": "format", "url_parsing": "format", "datetime_parsing": "format", "date_parsing": "format", "time_parsing": "format",
	"union_mismatch": "anyOf", "union_ambiguous": "oneOf", "property_name": "propertyNames", "not_allowed": "not",
}

// told turns what was found into the contract's own words: the condition, and
// the codes of the fields. otherwise is the condition of what no rule names.
func (v *Validator) told(found []contract.FieldError, otherwise condition.Condition) (condition.Condition, []contract.FieldError) {
	rules := &v.rules
	of := otherwise
	switch {
	case rules.Structure != "" && slices.ContainsFunc(found, atRoot):
		of = rules.Structure
	case rules.Missing != "" && slices.ContainsFunc(found, isMissing):
		of = rules.Missing
	}
	for i := range found {
		if own, ok := rules.Codes[keywords[found[i].Code]]; ok {
			found[i].Code = own
		}
	}
	return of, found
}

func atRoot(f contract.FieldError) bool { return f.In == inBody && len(f.Path) == 0 }

func isMissing(f contract.FieldError) bool { return f.Code == codeMissing }

// parameterCondition is that of the first parameter at fault.
func parameterCondition(o *contract.Operation, found []contract.FieldError) condition.Condition {
	for i := range o.Parameters {
		p := &o.Parameters[i]
		if p.In == found[0].In && len(found[0].Path) > 0 && p.Name == found[0].Path[0] && p.Condition != "" {
			return p.Condition
		}
	}
	return condition.ParameterInvalid
}
