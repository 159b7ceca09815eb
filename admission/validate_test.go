package admission

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

const bodies = `
  POST /agents:
    body_condition: parameter_invalid
    body:
      type: object
      required: [name, type]
      additionalProperties: false
      properties:
        name: {type: string, minLength: 1, maxLength: 255}
        type: {enum: [voice, chat]}
        temperature: {type: number, minimum: 0, maximum: 2}
        priority: {type: integer, minimum: 0}
        share: {type: number, exclusiveMinimum: 0, exclusiveMaximum: 1, multipleOf: 0.5}
        id: {type: string, format: uuid}
        email: {type: string, format: email}
        color: {type: string, pattern: "^#[0-9a-f]{6}$"}
        kind: {const: agent}
        note: {type: [string, "null"]}
        tools: {type: array, uniqueItems: true, maxItems: 3, items: {type: object, required: [id], properties: {id: {type: string}}}}
        target: {oneOf: [{type: object, required: [url], properties: {url: {type: string, format: uri}}}, {type: string}]}
        either: {anyOf: [{type: integer}, {type: boolean}]}
        limits: {$ref: "#/$defs/limits"}
      dependentRequired: {color: [kind]}
      $defs:
        limits: {type: object, minProperties: 1, additionalProperties: {type: integer, minimum: 1, maximum: 10}}
  POST /anything:
    body: {}
  POST /list:
    body: {type: array, minItems: 1, items: {type: string}}
  POST /tree:
    body: {$ref: "#/$defs/node", $defs: {node: {type: object, properties: {child: {$ref: "#/$defs/node"}}}}}
  POST /nothing: {}
  GET /agents/{id}:
    parameters:
      - {in: path, name: id, required: true, schema: {type: string, maxLength: 10}}
      - {in: query, name: limit, schema: {type: integer, minimum: 1, maximum: 100}}
      - {in: query, name: type, required: true, schema: {type: array, items: {enum: [voice, chat]}}}
      - {in: query, name: deep, schema: {type: boolean}}
      - {in: query, name: ratio, schema: {type: number}}
      - {in: header, name: X-Ids, schema: {type: array, items: {type: integer}}}
      - {in: query, name: free}
`

func operation(t testing.TB, c *contract.Contract, id string) *contract.Operation {
	t.Helper()
	for _, o := range c.Operations {
		if o.ID == id {
			return o
		}
	}
	t.Fatalf("no operation %q", id)
	return nil
}

func newValidator(t testing.TB, operations string) (*contract.Contract, *Validator) {
	t.Helper()
	c := parseContract(t, operations)
	v, err := NewValidator(c)
	if err != nil {
		t.Fatal(err)
	}
	return c, v
}

// said puts field errors on lines: in path: code: message.
func said(fields []contract.FieldError) []string {
	var out []string
	for _, f := range fields {
		out = append(out, fmt.Sprintf("%s %s: %s: %s", f.In, strings.Join(f.Path, "/"), f.Code, f.Message))
	}
	return out
}

func TestValidate(t *testing.T) {
	t.Parallel()
	c, v := newValidator(t, bodies)
	for _, x := range []struct {
		operation, body string
		want            condition.Condition
		fields          []string
	}{
		{"POST /nothing", "not JSON at all", "", nil},
		{"POST /anything", "17", "", nil},
		{"POST /agents", `{"name": "a", "type": "voice", "temperature": 0.7, "note": null, "tools": [{"id": "x"}], "target": "t", "limits": {"a": 1}}`, "", nil},
		{"POST /agents", `{}`, condition.ParameterMissing, []string{"body name: missing: is required", "body type: missing: is required"}},
		{"POST /agents", `{"name": "", "type": "robot", "temperature": 2.5, "priority": 1.5, "share": 1, "secret_sauce": 1}`, condition.ParameterInvalid, []string{
			"body name: string_too_short: must not be empty",
			"body priority: int_type: must be a whole number",
			"body secret_sauce: extra_forbidden: is not a known member",
			"body share: less_than: must be less than 1",
			"body temperature: less_than_equal: must be between 0 and 2",
			"body type: enum: must be one of voice, chat",
		}},
		{"POST /agents", `{"name": "` + strings.Repeat("x", 256) + `", "type": "chat", "priority": -1, "share": 0.25, "id": "17", "email": "@", "color": "red", "note": 1}`, condition.ParameterMissing, []string{
			"body color: string_pattern_mismatch: must match the pattern ^#[0-9a-f]{6}$",
			"body email: string_format: must be an e-mail address",
			"body id: uuid_parsing: must be a UUID",
			"body kind: missing: is required when color is given",
			"body name: string_too_long: must be at most 255 characters",
			"body note: string_type: must be a string or null",
			"body priority: greater_than_equal: must be at least 0",
			"body share: multiple_of: must be a multiple of 0.5",
		}},
		{"POST /agents", `{"name": "a", "type": "chat", "kind": "x", "tools": [{"id": "x"}, {"id": 2}, {}, {"id": "x"}], "target": {"url": ":"}, "either": "x", "limits": {"a": 1, "b": 11}}`, condition.ParameterMissing, []string{
			"body either: type_mismatch: must be true or false or a whole number",
			"body kind: literal_error: must be agent",
			"body limits/b: less_than_equal: must be between 1 and 10",
			"body target/url: url_parsing: must be a URL",
			"body tools: too_long: must have at most 3 items",
			"body tools: twice: must not hold the same item twice",
			"body tools/1/id: string_type: must be a string",
			"body tools/2/id: missing: is required",
		}},
		{"POST /agents", `{"name": "a", "type": "chat", "target": 17, "limits": {}}`, condition.ParameterInvalid, []string{
			"body limits: too_short: must have at least 1 member",
			"body target: type_mismatch: must be an object or a string",
		}},
		{"POST /agents", `[]`, condition.RequestMalformed, []string{"body : dict_type: must be an object"}},
		{"POST /agents", `null`, condition.RequestMalformed, []string{"body : dict_type: must be an object"}},
		{"POST /list", `[]`, condition.RequestMalformed, []string{"body : too_short: must have at least 1 item"}},
		{"POST /agents", ``, condition.FormatInvalid, []string{"body : json_invalid: is empty, JSON is expected"}},
		{"POST /agents", `{"name": "geheim`, condition.FormatInvalid, []string{"body : json_invalid: ends too early, at byte 16"}},
		{"POST /agents", `{"name": geheim}`, condition.FormatInvalid, []string{"body : json_invalid: is not valid JSON at byte 10"}},
		{"POST /agents", `{} {}`, condition.FormatInvalid, []string{"body : json_invalid: is not valid JSON at byte 4"}},
		{"POST /agents", "{\"name\": \"\xff\"}", condition.FormatInvalid, []string{"body : json_invalid: is not UTF-8"}},
		{"POST /agents", `{"name": "a", "name": "b", "type": "chat"}`, condition.ParameterInvalid, []string{"body name: duplicate_key: is given more than once"}},
		{"POST /agents", `{"name": "a", "type": "chat", "temperature": 1e1000000000}`, condition.ParameterInvalid, []string{"body temperature: finite_number: is a number out of range"}},
		{"POST /agents", `{"name": "a", "type": "chat", "priority": 1e400}`, "", nil},
	} {
		got, fields := v.Validate(operation(t, c, x.operation), []byte(x.body))
		if diff := cmp.Diff(x.fields, said(fields)); got != x.want || diff != "" {
			t.Errorf("%s %.60s: %s, want %s\n%s", x.operation, x.body, got, x.want, diff)
		}
	}
}

// TestValidateIsBounded: what a caller can make of one body stays small, and so
// does what is repeated of it.
func TestValidateIsBounded(t *testing.T) {
	t.Parallel()
	c, v := newValidator(t, bodies)
	deep := strings.Repeat(`{"child":`, 9000) + "{}" + strings.Repeat("}", 9000)
	if of, fields := v.Validate(operation(t, c, "POST /tree"), []byte(deep)); of != condition.ValidationFailed || len(fields) != 1 || fields[0].Code != "recursion_loop" {
		t.Errorf("a deep body: %s %d", of, len(fields))
	}
	if of, _ := v.Validate(operation(t, c, "POST /tree"), []byte(strings.Repeat(`{"child":`, 1e6))); of != condition.FormatInvalid {
		t.Errorf("a bottomless body: %s", of)
	}
	_, fields := v.Validate(operation(t, c, "POST /list"), []byte("["+strings.Repeat("1,", 5000)+"1]"))
	if len(fields) != maxIssues || fields[99].Path[0] != "99" {
		t.Errorf("%d problems told, the last of %v", len(fields), fields[len(fields)-1].Path)
	}
	_, fields = v.Validate(operation(t, c, "POST /agents"), []byte(`{"`+strings.Repeat("ä", 1e5)+`": 1}`))
	if i := slices.IndexFunc(fields, func(f contract.FieldError) bool { return f.Code == "extra_forbidden" }); i < 0 || len(fields[i].Path[0]) > maxName+4 {
		t.Errorf("a long name: %v", said(fields))
	}
}

func TestValidateParameters(t *testing.T) {
	t.Parallel()
	c, v := newValidator(t, bodies)
	o := operation(t, c, "GET /agents/{id}")
	for name, x := range map[string]struct {
		given map[string][]string
		want  []string
	}{
		"fine": {map[string][]string{"path id": {"a"}, "query limit": {"20"}, "query type": {"voice", "chat"}, "query deep": {"true"}, "query ratio": {"-1.5e3"}, "header X-Ids": {"1, 2,3"}, "query free": {"a", "b"}}, nil},
		"bad": {map[string][]string{"path id": {"12345678901"}, "query limit": {"0"}, "query type": {"voice", "robot"}, "query deep": {"yes"}, "query ratio": {"1 "}, "header X-Ids": {"1,b"}}, []string{
			"path id: string_too_long: must be at most 10 characters",
			"query limit: less_than_equal... ",
		}},
		"absent": {nil, []string{"path id: missing: is required", "query type: missing: is required"}},
		"twice":  {map[string][]string{"path id": {"a"}, "query type": {"chat"}, "query limit": {"1", "2"}}, []string{"query limit: multiple_values: may be given once only"}},
		"absurd": {map[string][]string{"path id": {"a"}, "query type": {"chat"}, "query limit": {"1e999999999"}, "query ratio": {"NaN"}}, []string{
			"query limit: int_parsing: must be a whole number",
			"query ratio: float_parsing: must be a number",
		}},
	} {
		if name == "bad" {
			x.want = []string{
				"path id: string_too_long: must be at most 10 characters",
				"query limit: greater_than_equal: must be between 1 and 100",
				"query type/1: enum: must be one of voice, chat",
				"query deep: bool_parsing: must be true or false",
				"query ratio: float_parsing: must be a number",
				"header X-Ids/1: int_type: must be a whole number",
			}
		}
		of, got := v.ValidateParameters(o, func(in, name string) []string { return x.given[in+" "+name] })
		if diff := cmp.Diff(x.want, said(got)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		wanted := map[string]condition.Condition{"fine": "", "absent": condition.ParameterMissing}
		if want, ok := wanted[name]; ok && of != want {
			t.Errorf("%s: %s, want %s", name, of, want)
		}
	}
}

// TestBadSchemas: all of them are named, and nothing is loaded from outside.
func TestBadSchemas(t *testing.T) {
	t.Parallel()
	c := parseContract(t, `
  POST /a: {body: {type: text}}
  POST /b: {body: {$ref: "file:///etc/passwd"}}
  POST /c: {body: {pattern: "("}}
  GET /d: {parameters: [{in: query, name: q, schema: {minimum: low}}]}
  GET /e: {parameters: [{in: query, name: q, schema: {minimum: 1}}]}
`)
	_, err := NewValidator(c)
	if err == nil {
		t.Fatal("accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	for id, want := range map[string]string{
		"POST /a": "the schema of the body is wrong: not a JSON Schema: /type must be one of array, ",
		"POST /b": "the schema of the body is wrong: ",
		"POST /c": "the schema of the body is wrong: not a JSON Schema: /pattern ",
		"GET /d":  `the schema of query parameter "q" is wrong: not a JSON Schema: /minimum must be a number, write `,
	} {
		want = fmt.Sprintf("acme.yaml:%d: operation %s: %s", operation(t, c, id).Pos.Line, id, want)
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("no line begins with %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "GET /e") || strings.Contains(err.Error(), "root:") {
		t.Error(err)
	}
}

// FuzzValidate: no body makes the validator panic, or say nothing when it
// refuses, or change its mind.
func FuzzValidate(f *testing.F) {
	c, v := newValidator(f, bodies)
	for _, seed := range []string{`{}`, `[]`, `{"name":"a","type":"chat","temperature":1e400,"tools":[{"id":1}]}`, `{"a":{"a":[[[1]]]}}`, `{"x":1,"x":2}`, "\xff"} {
		f.Add(seed)
	}
	agents := operation(f, c, "POST /agents")
	f.Fuzz(func(t *testing.T, body string) {
		of, fields := v.Validate(agents, []byte(body))
		again, fieldsAgain := v.Validate(agents, []byte(body))
		if of != again || !cmp.Equal(fields, fieldsAgain) {
			t.Fatalf("%q: %v, then %v", body, said(fields), said(fieldsAgain))
		}
		if (of == "") != (len(fields) == 0) || len(fields) > maxIssues {
			t.Fatalf("%q: %s with %d fields", body, of, len(fields))
		}
		v.ValidateParameters(operation(t, c, "GET /agents/{id}"), func(string, string) []string { return []string{body} })
	})
}

func BenchmarkValidate(b *testing.B) {
	c, v := newValidator(b, bodies)
	o := operation(b, c, "POST /agents")
	for name, body := range map[string]string{
		"fine":      `{"name": "a", "type": "voice", "temperature": 0.7, "note": null, "tools": [{"id": "x"}], "limits": {"a": 1}}`,
		"worst/1MB": `{"tools": [` + strings.Repeat("1,", 1<<19) + `1]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Validate(o, []byte(body))
			}
		})
	}
}

// Of members that exclude each other none is as wrong as several: a fault of the
// body as a whole, where the contract tells those apart.
func TestValidateMembersThatExcludeEachOther(t *testing.T) {
	t.Parallel()
	c := parseContract(t, `
  POST /v1/things:
    id: things.create
    body:
      type: object
      required: [language]
      properties: {text: {type: string, minLength: 1}, url: {type: string}, language: {type: string}}
      oneOf: [{required: [url]}, {required: [text]}, {required: [file, name]}]
`)
	simple := parseContract(t, `
  POST /v1/things:
    id: things.create
    body:
      type: object
      required: [language]
      properties: {text: {type: string, minLength: 1}, url: {type: string}, language: {type: string}}
      oneOf: [{required: [url]}, {required: [text]}]
`)
	for name, tc := range map[string]struct {
		of       *contract.Contract
		body     string
		want     condition.Condition
		problems string
	}{
		"one":               {simple, `{"language":"en","url":"u"}`, "", ""},
		"none":              {simple, `{"language":"en"}`, condition.RequestMalformed, ": needs one of text, url (missing)"},
		"several":           {simple, `{"language":"en","url":"u","text":"t"}`, condition.RequestMalformed, ": fits more than one of the forms that exclude each other (union_ambiguous)"},
		"none, and another": {simple, `{}`, condition.RequestMalformed, ": needs one of text, url (missing); language: is required (missing)"},
		"another alone":     {simple, `{"url":"u"}`, condition.ParameterMissing, "language: is required (missing)"},
		"one that is wrong": {simple, `{"language":"en","text":""}`, condition.ValidationFailed, "text: must not be empty (string_too_short)"},
		"forms of two":      {c, `{"language":"en"}`, condition.ParameterMissing, "url: is required (missing)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := NewValidator(tc.of)
			if err != nil {
				t.Fatal(err)
			}
			got, problems := v.Validate(tc.of.Operations[0], []byte(tc.body))
			var said []string
			for _, p := range problems {
				said = append(said, strings.Join(p.Path, ".")+": "+p.Message+" ("+p.Code+")")
			}
			if text := strings.Join(said, "; "); got != tc.want || text != tc.problems {
				t.Errorf("%s: got %s, %q, want %s, %q", tc.body, got, text, tc.want, tc.problems)
			}
		})
	}
}
