package admission

import (
	"cmp"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/failwell/failwell/contract"
)

// teller turns what the schema library found into field errors, in words that
// speak of the rule and never of the value.
type teller struct {
	source any
	in     string
	at     []string // where the value stands, for parameters
	found  []contract.FieldError
}

const codeMissing = "missing"

func compareIssues(a, b contract.FieldError) int {
	return cmp.Or(slices.CompareFunc(a.Path, b.Path, compareSteps), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
}

// compareSteps puts list positions in the order of their numbers.
func compareSteps(a, b string) int {
	if isPosition(a) && isPosition(b) && len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(a, b)
}

func isPosition(s string) bool {
	return s != "" && (s[0] != '0' || s == "0") && strings.Trim(s, "0123456789") == ""
}

// add keeps the first maxIssues problems by path, whatever the order in which
// they are found: that of members of an object is not the same twice.
func (t *teller) add(path []string, code, message string) {
	f := contract.FieldError{In: t.in, Path: path, Message: message, Code: code}
	if len(t.at) > 0 {
		f.Path = slices.Concat(t.at, path)
	}
	t.insert(f)
}

func (t *teller) insert(f contract.FieldError) {
	if n := len(t.found); n == maxIssues && compareIssues(f, t.found[n-1]) >= 0 {
		return
	}
	i, there := slices.BinarySearchFunc(t.found, f, compareIssues)
	if there {
		return
	}
	f.Path = pathOf(f.Path)
	if len(t.found) == maxIssues {
		t.found = t.found[:maxIssues-1]
	}
	t.found = slices.Insert(t.found, i, f)
}

func (t *teller) tell(e *jsonschema.ValidationError) {
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf:
		t.union(e)
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			t.add(e.InstanceLocation, "union_ambiguous", "fits more than one of the forms that exclude each other")
			return
		}
		if !t.none(e) {
			t.union(e)
		}
	case *kind.Required:
		for _, name := range k.Missing {
			t.add(append(slices.Clip(e.InstanceLocation), name), codeMissing, "is required")
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			t.add(append(slices.Clip(e.InstanceLocation), name), "extra_forbidden", "is not a known member")
		}
	case *kind.Dependency:
		t.dependent(e, k.Prop, k.Missing)
	case *kind.DependentRequired:
		t.dependent(e, k.Prop, k.Missing)
	case *kind.Not, *kind.Contains, *kind.PropertyNames:
		code, message := t.rule(e)
		t.add(e.InstanceLocation, code, message)
	default:
		for _, cause := range e.Causes {
			t.tell(cause)
		}
		if len(e.Causes) == 0 {
			code, message := t.rule(e)
			t.add(e.InstanceLocation, code, message)
		}
	}
}

func (t *teller) dependent(e *jsonschema.ValidationError, given string, missing []string) {
	for _, name := range missing {
		t.add(append(slices.Clip(e.InstanceLocation), name), codeMissing, "is required when "+given+" is given")
	}
}

// union tells of the form that comes nearest: types that fit, then the fewest
// problems. When all forms ask for other types, those are told together.
func (t *teller) union(e *jsonschema.ValidationError) {
	var best []contract.FieldError
	var wanted []string
	mistyped := true
	for _, cause := range e.Causes {
		form := teller{source: t.source, in: t.in, at: t.at}
		form.tell(cause)
		if want, wrong := typesWanted(cause, len(e.InstanceLocation)); wrong {
			wanted = append(wanted, want...)
			if mistyped && best == nil {
				best = form.found
			}
			continue
		}
		if mistyped || len(form.found) < len(best) {
			best, mistyped = form.found, false
		}
	}
	if mistyped && len(wanted) > 0 {
		slices.Sort(wanted)
		code, message := typeRule(slices.Compact(wanted))
		t.add(e.InstanceLocation, code, message)
		return
	}
	if len(best) == 0 {
		t.add(e.InstanceLocation, "union_mismatch", "fits none of the accepted forms")
		return
	}
	for _, f := range best {
		t.insert(f)
	}
}

// none tells that an object has no one of members that exclude each other: each
// form lacks one of its own, and nothing else is wrong with any.
func (t *teller) none(e *jsonschema.ValidationError) bool {
	depth := len(e.InstanceLocation)
	var names []string
	for _, cause := range e.Causes {
		form := teller{source: t.source, in: t.in}
		form.tell(cause)
		if len(form.found) != 1 || form.found[0].Code != codeMissing || len(form.found[0].Path) != depth+1 {
			return false
		}
		names = append(names, form.found[0].Path[depth])
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 2 {
		return false
	}
	t.add(e.InstanceLocation, codeMissing, "needs one of "+strings.Join(names, ", "))
	return true
}

// typesWanted reports whether a form failed because the value as a whole has
// another type.
func typesWanted(e *jsonschema.ValidationError, depth int) ([]string, bool) {
	if k, ok := e.ErrorKind.(*kind.Type); ok && len(e.InstanceLocation) == depth {
		return k.Want, true
	}
	if len(e.Causes) != 1 {
		return nil, false
	}
	return typesWanted(e.Causes[0], depth)
}

// typeWords are the code and the words for a type of JSON Schema.
func typeWords(name string) (code, words string) {
	switch name {
	case "string":
		return "string_type", "a string"
	case "integer":
		return "int_type", "a whole number"
	case "number":
		return "float_type", "a number"
	case "boolean":
		return "bool_type", "true or false"
	case "array":
		return "list_type", "a list"
	case "object":
		return "dict_type", "an object"
	}
	return "none_required", name
}

// typeRule says null last, and does not let it hide what is meant.
func typeRule(want []string) (code, message string) {
	message = "must be "
	nullable := len(want) > 1 && slices.Contains(want, "null")
	for _, w := range want {
		if nullable && w == "null" {
			continue
		}
		c, words := typeWords(w)
		if code == "" {
			code, message = c, message+words
		} else {
			code, message = "type_mismatch", message+" or "+words
		}
	}
	if nullable {
		message += " or null"
	}
	return code, message
}

// rule is the code and the words for one broken rule.
func (t *teller) rule(e *jsonschema.ValidationError) (code, message string) {
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return typeRule(k.Want)
	case *kind.Enum:
		return "enum", "must be " + oneOf(k.Want)
	case *kind.Const:
		return "literal_error", "must be " + literal(k.Want)
	case *kind.Minimum:
		return "greater_than_equal", t.between(e, "must be at least "+number(k.Want))
	case *kind.Maximum:
		return "less_than_equal", t.between(e, "must be at most "+number(k.Want))
	case *kind.ExclusiveMinimum:
		return "greater_than", "must be greater than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "less_than", "must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "multiple_of", "must be a multiple of " + number(k.Want)
	case *kind.MinLength:
		if k.Want == 1 {
			return "string_too_short", "must not be empty"
		}
		return "string_too_short", "must be at least " + count(k.Want, "character")
	case *kind.MaxLength:
		return "string_too_long", "must be at most " + count(k.Want, "character")
	case *kind.Pattern:
		return "string_pattern_mismatch", "must match the pattern " + k.Want
	case *kind.Format:
		return formatRule(k.Want)
	}
	return collectionRule(e.ErrorKind)
}

func collectionRule(k jsonschema.ErrorKind) (code, message string) {
	switch k := k.(type) {
	case *kind.MinItems:
		return "too_short", "must have at least " + count(k.Want, "item")
	case *kind.MaxItems:
		return "too_long", "must have at most " + count(k.Want, "item")
	case *kind.MinProperties:
		return "too_short", "must have at least " + count(k.Want, "member")
	case *kind.MaxProperties:
		return "too_long", "must have at most " + count(k.Want, "member")
	case *kind.AdditionalItems:
		return "too_long", "has " + count(k.Count, "item") + " too many"
	case *kind.UniqueItems:
		return "unique_items", "must not hold the same item twice"
	case *kind.Contains, *kind.MinContains:
		return "contains", "lacks an item that it must hold"
	case *kind.MaxContains:
		return "contains", "holds too many items of one kind"
	case *kind.PropertyNames:
		return "property_name", "has a member whose name is not accepted"
	}
	return "not_allowed", "is not accepted"
}

func formatRule(name string) (code, message string) {
	said := map[string][2]string{
		"uuid":      {"uuid_parsing", "a UUID"},
		"uri":       {"url_parsing", "a URL"},
		"date-time": {"datetime_parsing", "a date and time such as 2026-01-31T12:00:00Z"},
		"date":      {"date_parsing", "a date such as 2026-01-31"},
		"time":      {"time_parsing", "a time such as 12:00:00Z"},
		"email":     {"string_format", "an e-mail address"},
		"ipv4":      {"string_format", "an IPv4 address"},
		"ipv6":      {"string_format", "an IPv6 address"},
		"hostname":  {"string_format", "a host name"},
	}
	if s, ok := said[name]; ok {
		return s[0], "must be " + s[1]
	}
	return "string_format", "must have the format " + name
}

// between names both ends of a range where the schema has both.
func (t *teller) between(e *jsonschema.ValidationError, otherwise string) string {
	rules, _ := resolve(t.source, e.SchemaURL).(map[string]any)
	low, isLow := rules["minimum"].(json.Number)
	high, isHigh := rules["maximum"].(json.Number)
	if !isLow || !isHigh {
		return otherwise
	}
	return "must be between " + low.String() + " and " + high.String()
}

// resolve follows the JSON Pointer (RFC 6901) of a schema's location.
func resolve(source any, location string) any {
	_, pointer, ok := strings.Cut(location, "#")
	if !ok || !strings.HasPrefix(location, schemaURL) {
		return nil
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if step == "" {
			continue
		}
		switch v := source.(type) {
		case map[string]any:
			source = v[unescape.Replace(step)]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			source = v[i]
		default:
			return nil
		}
	}
	return source
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(12), "0")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// maxChoices is how many accepted values are listed.
const maxChoices = 30

func oneOf(values []any) string {
	said := make([]string, 0, len(values))
	for _, v := range values[:min(len(values), maxChoices)] {
		said = append(said, literal(v))
	}
	if len(values) == 1 {
		return said[0]
	}
	if len(values) > maxChoices {
		said = append(said, "…")
	}
	return "one of " + strings.Join(said, ", ")
}

func literal(v any) string {
	if s, ok := v.(string); ok && s != "" {
		return s
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "another value"
	}
	return string(data)
}
