package failwell_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

// A handler returns what happened; the contract decides what is said about it.
func ExampleGuard() {
	api := contract.MustParse([]byte(`
failwell: 1
api: agents
envelopes:
  standard: {body: {error: {code: $code, message: $message, details?: {"...": $params}}}}
errors:
  unauthorized: {status: 401, is: [key_unknown], message: The API key is not valid.}
  forbidden: {status: 403, is: [permission_denied], message: This key may not do that.}
  bad_request: {status: 400, is: [request_malformed], message: The request is not valid.}
  not_found: {status: 404, is: [resource_missing], message: There is nothing here.}
  name_taken: {status: 409, is: [resource_conflict], params: {name: string}, message: The name $name is taken.}
  slow_down: {status: 429, is: [rate_limited], message: Too many requests.}
  broken: {status: 500, is: [internal, unavailable], message: Something went wrong on our side.}
`))
	nameTaken := api.MustCode("name_taken") // a typo dies at start

	guard := &failwell.Guard{Contract: api, Logger: slog.New(slog.DiscardHandler)}
	mux := http.NewServeMux()
	mux.Handle("POST /agents", guard.HandleFunc(func(http.ResponseWriter, *http.Request) error {
		cause := errors.New("duplicate key value violates agents_name_key")
		return failwell.New(nameTaken, cause).With("name", "Reception")
	}))
	handler := guard.Wrap(mux)

	for _, path := range []string{"/agents", "/nowhere"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, http.NoBody))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 409 {"error":{"code":"name_taken","message":"The name Reception is taken.","details":{"name":"Reception"}}}
	// 404 {"error":{"code":"not_found","message":"There is nothing here."}}
}
