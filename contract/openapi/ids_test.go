package openapi_test

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/openapi"
)

// FastAPI gives all methods of an api_route the same operationId.
func TestOneIDForSeveralOperations(t *testing.T) {
	t.Parallel()
	document := "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths:\n  /proxy/{path}:\n"
	for _, method := range []string{"get", "put", "post", "delete", "patch"} {
		document += "    " + method + ": {operationId: proxy_proxy__path__get, responses: {}}\n"
	}
	document += "  /health:\n    get: {operationId: health, responses: {}}\n"
	operations, err := openapi.Import("a.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(operations))
	for i, o := range operations {
		ids[i] = o.ID
	}
	want := "GET /proxy/{path}, PUT /proxy/{path}, POST /proxy/{path}, DELETE /proxy/{path}, PATCH /proxy/{path}, health"
	if got := strings.Join(ids, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c, err := builtin.Get("problem")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WithOperations(operations); err != nil {
		t.Errorf("a contract does not take them: %v", err)
	}
}
