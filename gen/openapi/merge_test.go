package openapi_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen/openapi"
)

// theirs is a document as people write them: comments, blank lines, quotes, a
// literal with what looks like a comment at its end, an own 404, an own 4XX.
const theirs = `# The shop.
openapi: 3.1.0
info:
    title: "Shop"   # keep the quotes
    version: '1'
    description: |
        First line.

        # not a comment

servers: [{url: https://api.shop.test/v1}]

paths:
    # things to buy
    /items:
        get:
            operationId: listItems
            summary: List
            security: []
            responses:
                # what it looks like
                '200': {description: Fine}

                '404':
                    description: |
                        Nothing
                        # here
        post:
            operationId: addItem
            summary: Add
            parameters:
            - name: dry
              in: query
              schema: {type: boolean}
            requestBody:
                content: {application/json: {schema: {$ref: '#/components/schemas/Item'}}}
            responses:
                "201": {description: Made}
                4XX: {description: Wrong}

    /items/{id}:
        parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        delete:
            operationId: removeItem
            summary: Remove
            responses: {'204': {description: Gone}}   # braces

components:
    schemas:
        Item:
            type: object

            # a thing
            properties:
                name: {type: string}
# the end
`

const shop = `failwell: 1
api: shop
envelopes: {standard: {body: {error: {code: $code, message: $message, limit?: $params.limit, "...": $params}}}}
auth: {schemes: [{in: header, name: Authorization, prefix: Bearer}]}
plans: {free: {rate: 60/min}}
errors:
  no_key: {status: 401, is: [key_unknown], message: No key.}
  bad: {status: 400, is: [request_malformed], message: Bad., params: {limit: integer}}
  gone: {status: 404, is: [resource_missing], message: Gone.}
  slow: {status: 429, is: [rate_limited], message: Slow.}
  broken: {status: 500, is: [internal, permission_denied, unavailable], message: Broken.}
`

func parse(t *testing.T, text string) *contract.Contract {
	t.Helper()
	c, err := contract.Parse("shop.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func merge(t *testing.T, c *contract.Contract, document string) string {
	t.Helper()
	out, err := openapi.Merge(c, "theirs.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// block is theirs without the mappings in braces that have to change.
var block = strings.Replace(theirs, "responses: {'204': {description: Gone}}   # braces", "responses:\n                '204': {description: Gone}", 1)

// until is block up to a line, and from what follows.
func until(line string) string { before, _, _ := strings.Cut(block, line); return before }
func from(line string) string  { _, rest, _ := strings.Cut(block, line); return line + rest }

// Every line of the document stays, in its order; what is added stands between.
func TestMergeKeepsEveryLine(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"as it is":      block,
		"narrow":        strings.ReplaceAll(block, "    ", "  "),
		"carriage":      strings.ReplaceAll(block, "\n", "\r\n"),
		"no components": strings.Replace(until("components:"), "$ref: '#/components/schemas/Item'", "type: object", 1),
		"paths last":    until("paths:") + strings.TrimSuffix(from("components:"), "# the end\n") + strings.TrimSuffix(from("paths:"), from("components:")),
		"end mark":      block + "...\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := merge(t, parse(t, shop), document)
			rest := strings.Split(out, "\n")
			for line := range strings.SplitSeq(strings.ReplaceAll(document, "\r\n", "\n"), "\n") {
				found := false
				for i, x := range rest {
					if x == line {
						rest, found = rest[i+1:], true
						break
					}
				}
				if !found {
					t.Fatalf("the line %q is gone or moved:\n%s", line, out)
				}
			}
			if again := merge(t, parse(t, shop), out); again != out {
				t.Errorf("a second run changes something:\n%s", again)
			}
			checkMerged(t, load(t, []byte(out)))
		})
	}
}

func checkMerged(t *testing.T, doc *openapi3.T) {
	t.Helper()
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	list := doc.Paths.Value("/items").Get.Responses
	if r := list.Value("404"); r == nil || !strings.HasPrefix(*r.Value.Description, "Nothing") || r.Ref != "" {
		t.Errorf("their own 404 is %+v", r)
	}
	for status, want := range map[string]string{"401": "", "429": "#/components/responses/Shop429", "500": "#/components/responses/Shop500"} {
		switch r := list.Value(status); {
		case want == "" && r != nil:
			t.Errorf("a public call is told of %s", status)
		case want != "" && (r == nil || r.Ref != want):
			t.Errorf("%s is %+v", status, r)
		}
	}
	add := doc.Paths.Value("/items").Post.Responses
	if add.Value("400") != nil || add.Value("500") == nil {
		t.Errorf("their own 4XX stands for all of its class: %v", add.Map())
	}
	remove := doc.Paths.Value("/items/{id}").Delete.Responses
	if remove.Value("404") == nil || remove.Value("401") == nil || remove.Value("204") == nil {
		t.Errorf("remove has %v", remove.Map())
	}
	if s := doc.Components.SecuritySchemes["ShopKey1"]; s == nil || s.Value.Scheme != "bearer" || len(doc.Security) != 1 {
		t.Errorf("security is %+v, %v", s, doc.Security)
	}
	schema := doc.Components.Schemas["ShopError"].Value.Properties["error"].Value
	if !schema.Properties["message"].Value.Type.Is("string") || len(schema.Required) != 2 {
		t.Errorf("the schema is %+v", schema)
	}
}

// What cannot be changed line by line is written anew; comments and order stay.
func TestMergeIntoBraces(t *testing.T) {
	t.Parallel()
	out := merge(t, parse(t, shop), theirs)
	for _, want := range []string{"# keep the quotes", "# things to buy", "# what it looks like", "# a thing", "# the end", "# not a comment", "\"Shop\""} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is gone", want)
		}
	}
	checkMerged(t, load(t, []byte(out)))
	if again := merge(t, parse(t, shop), out); again != out {
		t.Errorf("a second run changes something")
	}
}

// A later run takes what changed in the contract, and leaves what people wrote.
func TestMergeFollowsTheContract(t *testing.T) {
	t.Parallel()
	out := merge(t, parse(t, shop), block)
	later := strings.Replace(strings.Replace(shop, "  slow: {status: 429", "  slow: {status: 503", 1), "message: Gone.", "message: It is gone.", 1)
	after := merge(t, parse(t, later), out)
	doc := load(t, []byte(after))
	if doc.Components.Responses["Shop429"] != nil || doc.Paths.Value("/items").Get.Responses.Value("429") != nil {
		t.Errorf("the old status is still there:\n%s", after)
	}
	if doc.Paths.Value("/items").Get.Responses.Value("503") == nil || !strings.Contains(after, "It is gone.") {
		t.Errorf("what is new is missing:\n%s", after)
	}
	if fresh := merge(t, parse(t, later), block); fresh != after {
		t.Errorf("after two runs\n%s\nafter one\n%s", after, fresh)
	}
}

// OpenAPI 3.0 has another dialect of JSON Schema.
func TestMergeIntoOlderDocuments(t *testing.T) {
	t.Parallel()
	documents := map[string][]byte{}
	for _, api := range []string{"hume", "jobs", "heppu", "aionvision", "hebbrix", "problem"} {
		out, err := openapi.Merge(get(t, api), api+".yaml", []byte(strings.Replace(block, "3.1.0", "3.0.3", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := load(t, out).Validate(t.Context()); err != nil {
			t.Errorf("%s: %v\n%s", api, err, out)
		}
		documents[api+".yaml"] = out
	}
	lint(t, documents, "")
}

// JSON stays JSON, in its order and with its indentation.
func TestMergeIntoJSON(t *testing.T) {
	t.Parallel()
	document := `{
	"openapi": "3.1.0",
	"paths": {"/b": {"get": {"operationId": "b", "summary": "\u00e9 \"", "responses": {"200": {"description": "1.0"}}}}, "/a": {}},
	"info": {"version": "1", "title": "T", "x-number": 1.50}
}`
	out := merge(t, parse(t, shop), document)
	if !json.Valid([]byte(out)) || !strings.HasPrefix(out, "{\n\t\"openapi\"") || !strings.Contains(out, `"x-number": 1.50`) || !strings.Contains(out, `"é \""`) {
		t.Error(out)
	}
	if strings.Index(out, `"/b"`) > strings.Index(out, `"/a"`) || strings.Index(out, `"paths"`) > strings.Index(out, `"info"`) {
		t.Errorf("the order is another:\n%s", out)
	}
	if load(t, []byte(out)).Paths.Value("/b").Get.Responses.Value("429") == nil {
		t.Error("nothing was added")
	}
	if again := merge(t, parse(t, shop), out); again != out {
		t.Error("a second run changes something")
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ document, want string }{
		"no yaml":     {"a: [", "neither JSON nor YAML"},
		"no mapping":  {"- a", "not a mapping"},
		"swagger":     {"swagger: '2.0'\npaths: {}\n", "no OpenAPI 3 document"},
		"no paths":    {"openapi: 3.1.0\n", "no paths"},
		"their names": {strings.Replace(block, "        Item:\n", "        ShopError:\n", 1), "theirs.yaml:52: components.schemas.ShopError is there already"},
		"no schemas":  {"openapi: 3.1.0\npaths: {/a: {get: {}}}\ncomponents: {schemas: 1}\n", "should be a mapping"},
		"operation":   {"openapi: 3.1.0\npaths: {/a: {get: 1}}\n", "an operation should be a mapping"},
	} {
		if out, err := openapi.Merge(parse(t, shop), "theirs.yaml", []byte(x.document)); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Whatever the document: Merge ends without a panic, and what it makes can be
// merged again without change.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(theirs))
	f.Add([]byte(block))
	f.Add([]byte("openapi: 3.0.0\npaths: &a\n  /x: {get: {}}\n  /y: *b\n"))
	f.Add([]byte(`{"openapi":"3.1.0","paths":{"/x":{"get":{"responses":{}}}}}`))
	c := contract.MustParse([]byte(shop))
	f.Fuzz(func(t *testing.T, document []byte) {
		out, err := openapi.Merge(c, "f", document)
		if err != nil {
			return
		}
		again, err := openapi.Merge(c, "f", out)
		if err != nil || !bytes.Equal(out, again) {
			t.Errorf("a second run says %v\n%s\n---\n%s", err, out, again)
		}
	})
}
