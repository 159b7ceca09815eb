package admission

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Validator holds the compiled schemas of a contract. It is only read after
// NewValidator and safe for concurrent use.
//
// The codes of field errors are those of pydantic 2, which FastAPI sends too,
// where it has one: missing, extra_forbidden, string_type, int_type,
// float_type, bool_type, list_type, dict_type, none_required, enum,
// literal_error, greater_than, greater_than_equal, less_than, less_than_equal,
// multiple_of, string_too_short, string_too_long, string_pattern_mismatch,
// too_short, too_long, int_parsing, float_parsing, bool_parsing, uuid_parsing,
// url_parsing, datetime_parsing, date_parsing, time_parsing, recursion_loop,
// finite_number, json_invalid; and besides: type_mismatch (no one of several
// types), string_format, unique_items, contains, union_mismatch,
// union_ambiguous, property_name, not_allowed, duplicate_key, multiple_values,
// too_many_values.
type Validator struct {
	bodies     map[*contract.Operation]*schema
	parameters map[*contract.Operation][]parameter
	rules      contract.Validation
}

// schema is a compiled schema beside its source, which knows the numbers that
// belong together.
type schema struct {
	compiled *jsonschema.Schema
	source   any
}

const inBody = "body"

// maxIssues is how many problems of a request are told.
const maxIssues = 100

// NewValidator compiles the schemas of all operations, as JSON Schema 2020-12
// unless they say otherwise; formats are checked. The error joins all faults,
// each as "file:line: what, hint".
func NewValidator(c *contract.Contract) (*Validator, error) {
	v := &Validator{bodies: map[*contract.Operation]*schema{}, parameters: map[*contract.Operation][]parameter{}, rules: c.Validation}
	var faults []error
	compile := func(o *contract.Operation, what string, source any) *schema {
		compiled, err := compileSchema(source)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: operation %s: the schema of %s is wrong: %w, write it as JSON Schema 2020-12",
				o.Pos.File, o.Pos.Line, o.ID, what, err))
			return nil
		}
		return &schema{compiled, source}
	}
	for _, o := range c.Operations {
		if o.Body != nil {
			v.bodies[o] = compile(o, "the body", o.Body)
		}
		for _, p := range o.Parameters {
			x := parameter{Parameter: p}
			if p.Schema != nil {
				x.schema = compile(o, p.In+" parameter "+strconv.Quote(p.Name), p.Schema)
				x.types, x.items = typesOf(p.Schema)
			}
			v.parameters[o] = append(v.parameters[o], x)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return v, nil
}

// refuseLoader keeps schemas from reading files and the network.
type refuseLoader struct{}

var errOutside = errors.New("references may not lead outside of the schema")

func (refuseLoader) Load(string) (any, error) { return nil, errOutside }

const schemaURL = "contract:///schema.json"

func compileSchema(source any) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(refuseLoader{})
	if err := c.AddResource(schemaURL, source); err != nil {
		return nil, fmt.Errorf("%w: %w", errSchema, err)
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, explain(err)
	}
	return compiled, nil
}

// explain puts what is wrong with a schema on one line.
func explain(err error) error {
	wrong, ok := errors.AsType[*jsonschema.SchemaValidationError](err)
	if !ok {
		return err
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](wrong.Err)
	if !ok {
		return wrong.Err
	}
	var t teller
	t.tell(invalid)
	said := make([]string, len(t.found))
	for i, f := range t.found {
		said[i] = "/" + strings.Join(f.Path, "/") + " " + f.Message
	}
	return fmt.Errorf("%w: %s", errSchema, strings.Join(said, "; "))
}

var errSchema = errors.New("not a JSON Schema")

// Validate checks a request body against the operation's schema. It returns ""
// for a body that is fine, or that the operation has no schema for.
//
// What is not JSON is format_invalid; otherwise the contract's validation rules
// choose the condition: structure for a fault of the body as a whole, missing
// where something is missing, else the operation's BodyCondition. The field
// errors tell all problems at once, up to 100, sorted by path; they repeat no
// values of the caller's.
func (v *Validator) Validate(o *contract.Operation, body []byte) (condition.Condition, []contract.FieldError) {
	s := v.bodies[o]
	if s == nil {
		return "", nil
	}
	if issue, ok := wellFormed(body); !ok {
		return condition.FormatInvalid, []contract.FieldError{{In: inBody, Message: issue, Code: "json_invalid"}}
	}
	if tooMany(body) {
		issue := "holds more than " + strconv.Itoa(maxValues) + " values"
		return condition.FormatInvalid, []contract.FieldError{{In: inBody, Message: issue, Code: "too_many_values"}}
	}
	value, found := readJSON(body)
	if len(found) == 0 {
		found = s.problems(value, inBody, nil)
	}
	if len(found) == 0 {
		return "", nil
	}
	otherwise := o.BodyCondition
	if otherwise == "" {
		otherwise = condition.ValidationFailed
	}
	return v.told(found, otherwise)
}

// problems validates a value and tells what is wrong, in an order that does not
// change from call to call.
func (s *schema) problems(value any, in string, at []string) []contract.FieldError {
	err := s.compiled.Validate(value)
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil
	}
	t := teller{source: s.source, in: in, at: at}
	t.tell(invalid)
	return t.found
}
