package openapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/openapi"
)

func load(t *testing.T, file string) map[string]*contract.Operation {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	operations, err := openapi.Import(file, data)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*contract.Operation{}
	for _, o := range operations {
		byID[o.ID] = o
	}
	if len(byID) != len(operations) {
		t.Fatalf("%d operations, but only %d ids", len(operations), len(byID))
	}
	return byID
}

// outline is an operation without its schemas.
type outline struct {
	Route, Summary, Permission string
	Public, BodyRequired       bool
	MediaTypes, Parameters     []string
}

func outlines(operations map[string]*contract.Operation) map[string]outline {
	out := map[string]outline{}
	for id, o := range operations {
		x := outline{Route: o.Method + " " + o.Path, Summary: o.Summary, Permission: o.Permission, Public: o.Public, BodyRequired: o.BodyRequired, MediaTypes: o.MediaTypes}
		for _, p := range o.Parameters {
			s := p.In + " " + p.Name
			if p.Required {
				s += " required"
			}
			if p.Schema == nil {
				s += " unchecked"
			}
			x.Parameters = append(x.Parameters, s)
		}
		out[id] = x
	}
	return out
}

func TestOperationsOfAFastAPIDocument(t *testing.T) {
	t.Parallel()
	operations := load(t, "ledger-3.1.json")
	jsonOnly := []string{"application/json"}
	want := map[string]outline{
		"healthz_healthz_get":     {Route: "GET /api/v1/healthz", Summary: "Healthz", Public: true},
		"list_books_books__get":   {Route: "GET /api/v1/books/{$}", Summary: "List Books", Permission: "read", Parameters: []string{"query limit", "query tag", "header x-trace"}},
		"create_book_books__post": {Route: "POST /api/v1/books/{$}", Summary: "Create Book", Permission: "write", BodyRequired: true, MediaTypes: jsonOnly},
		"read_book":               {Route: "GET /api/v1/books/{book_id}", Summary: "Read Book", Parameters: []string{"path book_id required"}},
		"delete_book":             {Route: "DELETE /api/v1/books/{book_id}", Summary: "Delete Book", Parameters: []string{"path book_id required"}},
		"upload":                  {Route: "POST /api/v1/files", Summary: "Upload", BodyRequired: true, MediaTypes: []string{"multipart/form-data"}},
	}
	if diff := cmp.Diff(want, outlines(operations)); diff != "" {
		t.Error(diff)
	}
	routable(t, operations)
	if upload := operations["upload"]; upload.Body != nil || !strings.Contains(fmt.Sprint(upload.Form), "file:map[") {
		t.Errorf("a form is taken for JSON, or for none: %v, %v", upload.Body, upload.Form)
	}
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	operations := load(t, "ledger-3.1.json")
	o := operations["create_book_books__post"]
	want := &contract.Operation{
		Permission: "write", Feature: "books", Cost: 5, Timeout: 20 * time.Second, MaxBody: 64 << 10, BodyCondition: "parameter_invalid", Translate: true, Idempotency: "required",
		Rates: []contract.Rate{{Limit: 10, Per: time.Minute}, {Limit: 100, Per: 24 * time.Hour, Algorithm: contract.FixedWindow}},
	}
	got := &contract.Operation{
		Permission: o.Permission, Feature: o.Feature, Cost: o.Cost, Timeout: o.Timeout, MaxBody: o.MaxBody, BodyCondition: o.BodyCondition,
		Translate: o.Translate, Idempotency: o.Idempotency, Rates: o.Rates,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(contract.Operation{})); diff != "" {
		t.Error(diff)
	}
	if !operations["delete_book"].Safe || operations["read_book"].Safe {
		t.Error("x-failwell-safe was not read where it stands, and only there")
	}
}

func TestOperationsOfAnOpenAPI30Document(t *testing.T) {
	t.Parallel()
	operations := load(t, "shop-3.0.yaml")
	want := map[string]outline{
		"listProducts":            {Route: "GET /v2/products", Public: true, Permission: "catalogue", Parameters: []string{"query page", "query ids unchecked"}},
		"createProduct":           {Route: "POST /v2/products", Permission: "catalogue", BodyRequired: true, MediaTypes: []string{"application/json"}},
		"PATCH /v2/products/{id}": {Route: "PATCH /v2/products/{id}", MediaTypes: []string{"application/merge-patch+json", "application/x-www-form-urlencoded"}, Parameters: []string{"path id required", "query lang required"}},
		"photo":                   {Route: "GET /v2/products/{id}/{photo__format}", Public: true, Parameters: []string{"path id required"}},
		"internalOnly":            {Route: "POST /admin/internal"},
	}
	if diff := cmp.Diff(want, outlines(operations)); diff != "" {
		t.Error(diff)
	}
	routable(t, operations)
	for id, want := range map[string]string{"listProducts": "100/1m0s", "createProduct": "5/1s"} {
		r := operations[id].Rates
		if len(r) != 1 || (time.Duration(r[0].Limit).Nanoseconds() == 0) || want != rate(r[0]) {
			t.Errorf("%s has rates %v, want %s", id, r, want)
		}
	}
	if diff := cmp.Diff(map[string]any{"name": "Lamp", "price": json.Number("12.5")}, operations["createProduct"].Sample); diff != "" {
		t.Error("sample:", diff)
	}
}

func rate(r contract.Rate) string { return jsonOf(r.Limit) + "/" + r.Per.String() }

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// routable fails when ServeMux refuses a path.
func routable(t *testing.T, operations map[string]*contract.Operation) {
	t.Helper()
	mux := http.NewServeMux()
	for _, o := range operations {
		mux.Handle(o.Method+" "+o.Path, http.NotFoundHandler())
	}
}

func TestSchemasKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	ledger, shop := load(t, "ledger-3.1.json"), load(t, "shop-3.0.yaml")
	book, product := ledger["create_book_books__post"].Body, shop["createProduct"].Body
	parameter := func(o *contract.Operation, name string) any {
		i := slices.IndexFunc(o.Parameters, func(p contract.Parameter) bool { return p.Name == name })
		return o.Parameters[i].Schema
	}
	page := parameter(shop["listProducts"], "page")
	for _, c := range []struct {
		name   string
		schema any
		data   string
		ok     bool
	}{
		{"plain", book, `{"title":"a","kind":"bank"}`, true},
		{"missing", book, `{"kind":"bank"}`, false},
		{"enum behind a reference", book, `{"title":"a","kind":"gold"}`, false},
		{"reference with sibling", book, `{"title":"a","kind":7}`, false},
		{"recursive, good", book, `{"title":"a","children":[{"title":"b","children":[]}]}`, true},
		{"recursive, bad", book, `{"title":"a","children":[{"title":"b","children":[{}]}]}`, false},
		{"null where allowed", book, `{"title":"a","note":null}`, true},
		{"null where not", book, `{"title":null}`, false},
		{"bounds are numbers in 3.1", book, `{"title":"a","share":0}`, false},
		{"inside the bounds", book, `{"title":"a","share":0.5}`, true},
		{"unlisted member", book, `{"title":"a","x":1}`, false},
		{"look-ahead is left to the upstream", book, `{"title":"a","opening":"12.50"}`, true},

		{"read-only need not be sent", product, `{"name":"Lamp"}`, true},
		{"required all the same", product, `{"price":1}`, false},
		{"exclusive minimum", product, `{"name":"Lamp","price":0}`, false},
		{"inclusive maximum", product, `{"name":"Lamp","price":1000}`, true},
		{"over the maximum", product, `{"name":"Lamp","price":1001}`, false},
		{"nullable", product, `{"name":"Lamp","colour":null}`, true},
		{"nullable is still typed", product, `{"name":"Lamp","colour":1}`, false},
		{"nullable enum", product, `{"name":"Lamp","size":null}`, true},
		{"nullable enum, other", product, `{"name":"Lamp","size":"XL"}`, false},
		{"nullable reference", product, `{"name":"Lamp","category":null}`, true},
		{"nullable reference, bad", product, `{"name":"Lamp","category":{"label":"a","parent":{}}}`, false},
		{"large number, exact", product, `{"name":"Lamp","serial":9223372036854775808}`, false},
		{"merged member", product, `{"name":"Lamp","created":1}`, false},
		{"shared parameter", page, `1`, true},
		{"shared parameter, exclusive", page, `0`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := validate(t, c.schema, c.data)
			if (err == nil) != c.ok {
				t.Errorf("%s: %v, want valid: %v", c.data, err, c.ok)
			}
		})
	}
}

func validate(t *testing.T, schema any, data string) error {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("s.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("s.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(v)
}

func TestSilenceAboutSecurityIsNoInvitation(t *testing.T) {
	t.Parallel()
	const head = "openapi: 3.1.0\ninfo: {title: x, version: '1'}\n"
	const path = "paths:\n  /a:\n    get: {responses: {}%s}\n"
	for name, c := range map[string]struct {
		doc    string
		public bool
	}{
		"nothing said":       {head + strings.ReplaceAll(path, "%s", ""), false},
		"none at all":        {head + "security: []\n" + strings.ReplaceAll(path, "%s", ""), true},
		"global":             {head + "security: [{k: []}]\n" + strings.ReplaceAll(path, "%s", ""), false},
		"taken back":         {head + "security: [{k: []}]\n" + strings.ReplaceAll(path, "%s", ", security: []"), true},
		"optional":           {head + strings.ReplaceAll(path, "%s", ", security: [{k: []}, {}]"), true},
		"asked for":          {head + "security: []\n" + strings.ReplaceAll(path, "%s", ", security: [{k: []}]"), false},
		"public by our word": {head + strings.ReplaceAll(path, "%s", ", x-failwell-public: true"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operations, err := openapi.Import("a.yaml", []byte(c.doc))
			if err != nil {
				t.Fatal(err)
			}
			if operations[0].Public != c.public {
				t.Errorf("public: %v, want %v", operations[0].Public, c.public)
			}
		})
	}
}

func TestContractTakesOperationsFromItsFile(t *testing.T) {
	t.Parallel()
	const text = `failwell: 1
api: shop
openapi: shop.yaml
permissions: [read]
envelopes: {plain: {body: {code: $code, message: $message}}}
errors:
  bad: {is: [request_malformed, internal], status: 400, message: Something is wrong.}
`
	shop := "openapi: 3.0.0\ninfo: {title: x, version: '1'}\npaths:\n  /a:\n    get:\n      x-failwell-permission: reed\n      x-failwell-cost: -1\n      responses: {}\n"
	_, err := contract.ReadFrom(fstest.MapFS{"c.yaml": {Data: []byte(text)}, "shop.yaml": {Data: []byte(shop)}}, "c.yaml", openapi.Import)
	faults, ok := errors.AsType[contract.Faults](err)
	if !ok {
		t.Fatalf("got %v, want faults", err)
	}
	const want = `shop.yaml:7: cost cannot be "-1", write a whole number from 0 to 1000000000`
	if !strings.Contains(faults.Error(), want) {
		t.Errorf("got %s\nwant %s", faults, want)
	}
	for _, f := range faults {
		if strings.Contains(f.What, "\n") {
			t.Errorf("%q has more than one line", f.What)
		}
	}
}
