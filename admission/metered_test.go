package admission

import (
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

// meteredContract has a limit of each kind. limits and idempotency are lines to add.
func meteredContract(t testing.TB, lines string) *contract.Contract {
	t.Helper()
	c, err := contract.Parse("metered.yaml", []byte(`failwell: 1
api: metered
envelopes:
  standard:
    body:
      error: {code: $code, message: $message}
auth:
  schemes:
    - {in: header, name: X-API-Key}
  key:
    prefixes: {live: mt_}
`+lines+`
balances:
  funds: {title: Prepaid funds}
plans:
  only: {rate: 30/min, quota: {credits: 20/month, renders: 3/day}, storage: 1KB, concurrency: 2}
  wide: {rate: 1000/min, quota: {renders: 100/day}}
errors:
  unauthorized: {status: 401, is: [key_missing, key_malformed, key_unknown, key_expired, key_revoked, key_deactivated], message: No.}
  forbidden: {status: 403, is: [account_suspended, permission_denied, feature_unavailable], message: No.}
  unpaid: {status: 402, is: [payment_required], message: Pay.}
  bad: {status: 400, is: [request_malformed], message: Bad.}
  missing: {status: 404, is: [resource_missing], message: Nothing.}
  slow: {status: 429, is: [rate_limited], message: Slow.}
  internal: {status: 500, is: [internal], message: Oops.}
operations:
  GET /free: {}
  POST /spend: {charge: {credits: 5}}
  POST /render: {charge: {renders: 1}}
  POST /pay: {charge: {funds: 10}}
  POST /put: {stores: true, max_body: 400B}
  POST /run: {slot: true}
  POST /all: {charge: {credits: 5, renders: 1, funds: 10}, stores: true, slot: true, max_body: 200B, rate: 20/min}
`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// metered is a site on that contract, with one key.
type metered struct {
	*site
	secret string
}

func newMetered(t testing.TB, lines string) *metered {
	t.Helper()
	return newMeteredOn(t, meteredContract(t, lines))
}

func newMeteredOn(t testing.TB, c *contract.Contract) *metered {
	t.Helper()
	s := &site{t: t, clock: newFakeClock()}
	s.Controller = &Controller{
		Contract: c, Clock: s.clock.Now, Store: &store.Memory{Clock: s.clock.Now}, StoreTimeout: time.Minute,
	}
	m := &metered{site: s}
	m.secret, _ = s.create(NewKey{})
	return m
}

func (m *metered) fund(amount int64) {
	m.t.Helper()
	if err := m.Credit(m.t.Context(), "acct", "funds", amount, ""); err != nil {
		m.t.Fatal(err)
	}
}

func (m *metered) charge(name string, amount int64) {
	m.t.Helper()
	if err := m.Charge(m.t.Context(), "acct", name, amount, ""); err != nil {
		m.t.Fatal(err)
	}
}

// begin makes a call that is not settled.
func (m *metered) begin(id string, size int64) (*Call, *Verdict) {
	m.t.Helper()
	call, v := &Call{Credential: m.secret, Operation: operation(m.t, m.Contract, id), Size: size, RequestID: "req_same"}, &Verdict{}
	m.Admit(m.t.Context(), call, v)
	return call, v
}

// try makes a call and settles it as done.
func (m *metered) try(id string, size int64) *Verdict {
	m.t.Helper()
	call, v := m.begin(id, size)
	if v.Admitted {
		m.Settle(m.t.Context(), call, v, Done)
	}
	return v
}

func (m *metered) usage(name string) Usage {
	m.t.Helper()
	list, err := m.Usage(m.t.Context(), "acct")
	if err != nil {
		m.t.Fatal(err)
	}
	for _, u := range list {
		if u.Name == name {
			return u
		}
	}
	m.t.Fatalf("no usage of %q in %+v", name, list)
	return Usage{}
}

func fact(v *Verdict, name string) any {
	for i := range v.Facts {
		if v.Facts[i].Name == name {
			return v.Facts[i].Data
		}
	}
	return nil
}
