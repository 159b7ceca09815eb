package contract_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// bare is a contract without operations, to be gone on with.
func bare() string {
	var callers []string
	for _, e := range condition.All() {
		if e.Status < 500 {
			callers = append(callers, string(e.Condition))
		}
	}
	return "failwell: 1\napi: x\nenvelopes: {e: {body: {code: $code, message: $message}}}\nerrors:\n" +
		"  broken: {status: 500, is: [internal], message: m}\n  bad: {status: 400, is: [" + strings.Join(callers, ", ") + "], message: m}\n"
}

// A body that must be an object cannot be left out, unless the contract says so.
func TestEmptyBodiesAreRefusedWhereAnObjectIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operation string
		want      bool
	}{
		"no schema":         {`"POST /a": {}`, false},
		"object":            {`"POST /a": {body: {type: object}}`, true},
		"required members":  {`"PUT /a": {body: {required: [name]}}`, true},
		"said to be":        {`"DELETE /a": {body: {type: object}, body_required: true}`, true},
		"said not to be":    {`"PATCH /a": {body: {type: object, required: [name]}, body_required: false}`, false},
		"another method":    {`"DELETE /a": {body: {type: object}}`, false},
		"object or null":    {`"POST /a": {body: {type: [object, "null"]}}`, false},
		"list":              {`"POST /a": {body: {type: array}}`, false},
		"anything":          {`"POST /a": {body: true}`, false},
		"all of":            {`"POST /a": {body: {allOf: [{description: x}, {type: object}]}}`, true},
		"one of, all ask":   {`"POST /a": {body: {oneOf: [{type: object}, {required: [b]}]}}`, true},
		"one of, one not":   {`"POST /a": {body: {oneOf: [{type: object}, {type: "null"}]}}`, false},
		"reference":         {`"POST /a": {body: {$ref: "#/$defs/x", $defs: {x: {type: object}}}}`, true},
		"circle":            {`"POST /a": {body: {$ref: "#/$defs/x", $defs: {x: {$ref: "#/$defs/x"}}}}`, false},
		"dangling":          {`"POST /a": {body: {$ref: "#/$defs/x"}}`, false},
		"required of lists": {`"POST /a": {body: {type: [array, "null"], required: [x]}}`, false},
	} {
		c1, err := contract.Parse("c.yaml", []byte(bare()+"operations:\n  "+c.operation+"\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c1.Operations[0].BodyRequired; got != c.want {
			t.Errorf("%s: required %v, want %v", name, got, c.want)
		}
	}
}

// An OpenAPI document says itself whether a body may be left out.
func TestImportedBodiesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	object := map[string]any{"type": "object"}
	c, err := contract.Source{
		Name: "c.yaml", Files: fstest.MapFS{"a.json": {Data: []byte("{}")}}, Data: []byte(bare() + "openapi: a.json\n"),
		OpenAPI: func(string, []byte) ([]*contract.Operation, error) {
			return []*contract.Operation{{ID: "a", Method: "POST", Path: "/a", Body: object}, {ID: "b", Method: "POST", Path: "/b", Body: object, BodyRequired: true}}, nil
		},
	}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	if c.Operations[0].BodyRequired || !c.Operations[1].BodyRequired {
		t.Errorf("required %v, %v", c.Operations[0].BodyRequired, c.Operations[1].BodyRequired)
	}
}
