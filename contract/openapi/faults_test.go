package openapi_test

import (
	"os"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract/openapi"
)

func TestFaultsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	const head = "openapi: 3.1.0\ninfo: {title: x, version: '1'}\n"
	for name, c := range map[string]struct{ doc, want string }{
		"not a document":         {"- 1\n", "a.yaml:1: the OpenAPI document is neither JSON nor YAML: the top is not a mapping, check brackets"},
		"broken":                 {"{\"openapi\": ", "a.yaml:1: the OpenAPI document is neither JSON nor YAML"},
		"swagger 2":              {"swagger: '2.0'\n", "a.yaml:1: Swagger 2.0 is not read, convert the document to OpenAPI 3"},
		"no version":             {"info: {}\n", "a.yaml:1: the document does not say which version"},
		"openapi 4":              {"openapi: 4.0.0\n", "a.yaml:1: OpenAPI 4.0.0 is not read, use OpenAPI 3.0 or 3.1"},
		"file reference":         {head + "paths:\n  /a:\n    $ref: /etc/passwd\n", `a.yaml:5: $ref "/etc/passwd" leads out of the document, and nothing is fetched, bundle`},
		"network reference":      {head + "components:\n  schemas:\n    A: {items: {$ref: 'http://127.0.0.1:1/x.json#/A'}}\n", `a.yaml:5: $ref "http://127.0.0.1:1/x.json#/A" leads out`},
		"dangling reference":     {head + "components:\n  schemas:\n    A: {$ref: '#/components/schemas/B'}\n", `a.yaml:5: $ref "#/components/schemas/B" leads nowhere, check the name`},
		"anchor":                 {head + "components:\n  schemas:\n    A: {$ref: '#b'}\n", `a.yaml:5: $ref "#b" names an anchor`},
		"unknown extension":      {head + "paths:\n  /a:\n    get:\n      responses: {}\n      x-failwell-permision: read\n", `a.yaml:7: an operation has no extension "x-failwell-permision", did you mean "x-failwell-permission"?`},
		"extension OpenAPI has":  {head + "paths:\n  /a:\n    get:\n      responses: {}\n      x-failwell-summary: read\n", `a.yaml:7: an operation has no extension "x-failwell-summary", OpenAPI says it with summary`},
		"bad duration":           {head + "paths:\n  /a:\n    x-failwell-timeout: soon\n    get: {responses: {}}\n", `a.yaml:5: timeout cannot be "soon", write a duration`},
		"extension in the wild":  {head + "x-failwell-rate: 1/s\n", `a.yaml:3: nothing reads "x-failwell-rate" here, put it into an operation`},
		"same requests":          {head + "paths:\n  /a/{x}:\n    get: {responses: {}}\n  /a/{y}.json:\n    get: {responses: {}}\n", `a.yaml:7: GET /a/{y}.json takes the same requests as the operation at line 5`},
		"half a brace":           {head + "paths:\n  /a/x}:\n    get: {responses: {}}\n", `a.yaml:4: the braces of "/a/x}" do not pair`},
		"schema that is none":    {head + "paths:\n  /a:\n    post:\n      responses: {}\n      requestBody:\n        content:\n          application/json:\n            schema: {type: strin}\n", "a.yaml:10: the schema cannot be used: at /type: value must be one of 'array', "},
		"variable in the path":   {head + "servers: [{url: 'http://h/{v}'}]\npaths:\n  /a:\n    get: {responses: {}}\n", `a.yaml:6: the server "http://h/{v}" has a variable without a default`},
		"references in a circle": {head + "components:\n  schemas:\n    A: {$ref: '#/components/schemas/B'}\n    B: {$ref: '#/components/schemas/A'}\n", `a.yaml:5: $ref "#/components/schemas/B" leads only to other references`},
		"too deep":               {head + "paths: " + strings.Repeat("{a: ", 300) + "1" + strings.Repeat("}", 300), "it refers to itself or nests deeper than 256 levels"},
		"alias without an end":   {head + "paths: &p\n  /a: *p\n", "a.yaml:1: the OpenAPI document is neither JSON nor YAML: "},
		"a structure kin denies": {head + "paths:\n  /a:\n    get: {responses: {}, parameters: 7}\n", "a.yaml:1: not a usable OpenAPI document: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operations, err := openapi.Import("a.yaml", []byte(c.doc))
			if err == nil {
				t.Fatalf("got %d operations, want a fault", len(operations))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %v", err, c.want)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	doc := "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths:\n  /b:\n    post: {responses: {}, x-failwell-cost: many}\n  /a:\n    get: {responses: {}, x-failwell-safe: perhaps}\n"
	_, err := openapi.Import("a.yaml", []byte(doc))
	want := "a.yaml:5: cost cannot be \"many\", write a whole number from 0 to 1000000000\na.yaml:7: safe cannot be \"perhaps\", write true or false"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestDataThatLooksLikeAReference(t *testing.T) {
	t.Parallel()
	doc := "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths:\n  /a:\n    post:\n      responses: {}\n      requestBody:\n        content:\n          application/json:\n" +
		"            schema: {type: object, properties: {$ref: {type: string}}}\n            example: {$ref: 'http://elsewhere/'}\n"
	if _, err := openapi.Import("a.yaml", []byte(doc)); err != nil {
		t.Error(err)
	}
}

func FuzzImport(f *testing.F) {
	for _, name := range []string{"ledger-3.1.json", "shop-3.0.yaml"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		operations, err := openapi.Import("f", data)
		if err != nil && operations != nil {
			t.Error("operations and an error")
		}
		for _, o := range operations {
			if o.Method == "" || !strings.HasPrefix(o.Path, "/") {
				t.Errorf("an operation without method or path: %+v", o)
			}
		}
	})
}
