package failwell_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store"
)

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header       { return n.h }
func (*nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (*nowhere) WriteHeader(int)             {}
func (*nowhere) FlushError() error           { return nil }

// BenchmarkRecord is what a record costs a request, written to a store in memory.
func BenchmarkRecord(b *testing.B) {
	c := contract.MustParse([]byte(`failwell: 1
api: counted
envelopes: {standard: {body: {code: $code, message: $message, request_id: $request_id}}}
auth: {schemes: [{in: header, name: X-Api-Key}], key: {prefixes: {live: fw_live_}}}
plans: {free: {rate: 1000000000/s}, none: {rate: 1/h}}
operations:
  GET /items: {}
errors:
  bad: {status: 400, is: [request_malformed, permission_denied, resource_missing], message: Bad.}
  unknown: {status: 401, is: [key_unknown], message: Who?}
  slow: {status: 429, is: [rate_limited], retry: after_wait, message: Slow down and come back in $retry_after seconds.}
  broken: {status: 500, is: [internal, unavailable], message: Broken.}
`))
	for name, plan := range map[string]string{"served": "free", "refused": "none"} {
		for _, on := range []bool{false, true} {
			b.Run(name+map[bool]string{false: "/off", true: "/on"}[on], func(b *testing.B) {
				s := &store.Memory{}
				control := &admission.Controller{Contract: c, Store: s}
				if err := control.Keys().PutAccount(b.Context(), admission.Account{ID: "acme", Plan: plan, State: admission.AccountActive}); err != nil {
					b.Fatal(err)
				}
				secret, _, err := control.Keys().Create(b.Context(), admission.NewKey{Account: "acme"})
				if err != nil {
					b.Fatal(err)
				}
				guard := &failwell.Guard{Contract: c, Admission: control}
				if on {
					l := &record.Log{Store: &store.Memory{}, MaxRate: -1}
					defer l.Close(context.Background())
					guard.Recorder = l
				}
				handler := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/items", nil)
				b.ReportAllocs()
				for b.Loop() {
					r.Header = http.Header{"X-Api-Key": {secret}}
					handler.ServeHTTP(&nowhere{http.Header{}}, r)
				}
			})
		}
	}
}
