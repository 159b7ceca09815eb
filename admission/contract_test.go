package admission

import (
	"testing"

	"github.com/failwell/failwell/contract"
)

// parseContract makes a contract with something of everything that admission
// decides on.
func parseContract(t testing.TB, operations string) *contract.Contract {
	t.Helper()
	c, err := contract.Parse("acme.yaml", []byte(`failwell: 1
api: acme
envelopes:
  standard:
    body:
      error: {code: $code, message: $message}
auth:
  schemes:
    - {in: header, name: X-API-Key}
  key:
    prefixes: {live: acme_, test: acme_test_}
permissions: [read, write]
validation: {missing: parameter_missing, structure: request_malformed, codes: {uniqueItems: twice}}
features:
  graph: {title: Knowledge graph}
  export: {title: Export}
plans:
  free: {title: Free, price: $0, credits: 1K/month, rate: 60/min}
  pro: {title: Pro, price: $99/month, credits: 200K/month, rate: [1200/min, {name: daily, limit: 10000, per: 24h, algorithm: window, scope: account}], features: [graph]}
  big: {title: Big, features: [graph, export]}
errors:
  unauthorized:
    status: 401
    is: [key_missing, key_malformed, key_unknown, key_expired, key_revoked, key_deactivated]
    message: No.
  forbidden:
    status: 403
    is: [account_suspended, permission_denied, feature_unavailable]
    message: No.
  unpaid: {status: 402, is: [payment_required], message: Pay.}
  bad: {status: 400, is: [request_malformed], message: Bad.}
  missing: {status: 404, is: [resource_missing], message: Nothing.}
  slow: {status: 429, is: [rate_limited], message: Slow.}
  internal: {status: 500, is: [internal], message: Oops.}
operations:
`+operations))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
