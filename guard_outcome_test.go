package failwell_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

// TestOutcomeTellsTheDecision: why admission refused, and that it was asked.
func TestOutcomeTellsTheDecision(t *testing.T) {
	t.Parallel()
	c := contract.MustParse([]byte(`failwell: 1
api: counted
envelopes: {standard: {body: {code: $code, message: $message}}}
auth: {schemes: [{in: header, name: X-Api-Key}]}
plans: {free: {quota: {scans: 1/month}}}
operations:
  POST /scan: {charge: {scans: 1}}
  GET /open: {public: true}
errors:
  bad: {status: 400, is: [request_malformed, permission_denied, resource_missing], message: Bad.}
  unknown: {status: 401, is: [key_unknown], message: Who?}
  slow: {status: 429, is: [rate_limited], message: Slow.}
  broken: {status: 500, is: [internal, unavailable], message: Broken.}
`))
	control := &admission.Controller{Contract: c, Store: &store.Memory{}, StoreTimeout: time.Minute}
	secret, _, err := control.Keys().Create(t.Context(), admission.NewKey{Account: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	var last failwell.Outcome
	guard := &failwell.Guard{Contract: c, Admission: control, OnDone: func(_ *http.Request, o failwell.Outcome) { last = o }}
	handler := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, x := range []struct {
		method, path, key string
		want              failwell.Condition
		asked             bool
	}{
		{"POST", "/scan", "", failwell.KeyMissing, true},
		{"POST", "/scan", secret, "", true},
		{"POST", "/scan", secret, failwell.QuotaExhausted, true},
		{"GET", "/open", "", "", true},
		{"GET", "/nowhere", secret, "", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), x.method, x.path, nil)
		r.Header.Set("X-Api-Key", x.key)
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if last.Refusal != x.want || last.Decided > 0 != x.asked {
			t.Errorf("%s %s: %q after %v", x.method, x.path, last.Refusal, last.Decided)
		}
	}
}
