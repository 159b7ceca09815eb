package contract_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

const counting = goodContract + `auth: {schemes: [{in: header, name: Authorization, prefix: Bearer}]}
plans:
  free:
    rate: [60/min, {limit: 5, per: 1s, away: closed}]
    quota:
      credits: 1000/month
      scans: {amount: 3, per: day, away: open}
    storage: 1GB
    concurrency: 2
balances:
  funds: {title: Prepaid funds}
  spare_parts:
idempotency: {header: Idempotency-Key}
operations:
  POST /a: {charge: {credits: 2, funds: 7}, slot: true, stores: true, rate: 1/s}
  POST /b: {unknown: reconcile, reconcile: "/b?of=$key"}
  POST /c: {idempotency: off}
`

func parsed(t *testing.T, source string) *contract.Contract {
	t.Helper()
	c, err := contract.Parse("x.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a contract does not say has the documented default.
func TestDefaultsOfLimits(t *testing.T) {
	t.Parallel()
	c := parsed(t, counting)
	free := c.DefaultPlan
	for what, got := range map[string]struct{ got, want any }{
		"limits": {c.Limits, contract.LimitRules{Algorithm: contract.GCRA, Scope: "key", Away: contract.AwayLocal, CountersAway: contract.AwayClosed}},
		"rates":  {[]contract.Away{free.Rates[0].Away, free.Rates[1].Away, c.Operations[0].Rates[0].Away}, []contract.Away{"local", "closed", "local"}},
		"quotas": {free.Quotas, []contract.Quota{
			{Name: "credits", Amount: 1000, Per: "month", Away: contract.AwayClosed}, {Name: "scans", Amount: 3, Per: "day", Away: contract.AwayOpen},
		}},
		"charges":  {c.Operations[0].Charges, []contract.Charge{{Name: "credits", Amount: 2}, {Name: "funds", Amount: 7}}},
		"balances": {[]string{c.Balances[0].Title, c.Balances[1].Title}, []string{"Prepaid funds", "spare parts"}},
	} {
		if diff := cmp.Diff(got.want, got.got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	c = parsed(t, counting+"limits: {away: open, counters_away: local}\n")
	if got := c.DefaultPlan; got.Rates[0].Away != contract.AwayOpen || got.Rates[1].Away != contract.AwayClosed || got.Quotas[0].Away != contract.AwayLocal || got.Quotas[1].Away != contract.AwayOpen {
		t.Errorf("what limits says: %+v", got)
	}
}

func TestDefaultsOfIdempotency(t *testing.T) {
	t.Parallel()
	want := contract.Idempotency{
		Header: "Idempotency-Key", Methods: []string{"POST", "PUT", "PATCH"}, Keep: 24 * time.Hour, InFlight: "reject", Wait: 10 * time.Second,
		Lease: 30 * time.Second, Unknown: "reject", MaxResponse: 1 << 20, Away: contract.AwayClosed,
	}
	got := parsed(t, counting).Idempotency
	got.Pos = contract.Position{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if none := parsed(t, goodContract).Idempotency; none.Lease != 0 || none.Methods != nil {
		t.Errorf("without a header there is no promise: %+v", none)
	}
	// A record that is kept shortly does not need a lease to be written.
	if short := parsed(t, goodContract+"idempotency: {header: K, keep: 5s}\n").Idempotency; short.Lease != 5*time.Second {
		t.Errorf("lease %v", short.Lease)
	}
}

// Operations of another API are held to the plans of this contract.
func TestOtherOperationsAreHeldToThePlans(t *testing.T) {
	t.Parallel()
	c := parsed(t, counting)
	charged := &contract.Operation{ID: "x", Method: "POST", Path: "/x", Charges: []contract.Charge{{Name: "credits", Amount: 1}}, Slot: true}
	if _, err := c.WithOperations([]*contract.Operation{charged}); err != nil {
		t.Error(err)
	}
	if _, err := parsed(t, goodContract).WithOperations([]*contract.Operation{charged}); err == nil {
		t.Error("a contract without plans takes charges")
	}
}

// What limits and idempotency refuse has a code, also in a contract that names
// none of it.
func TestRefusalsOfLimitsHaveCodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*contract.Contract{"small": parsed(t, goodContract), "shop": shop(t)} {
		for of, least := range map[condition.Condition]int{
			condition.QuotaExhausted: 400, condition.BalanceInsufficient: 400, condition.StorageExhausted: 400, condition.ConcurrencyExceeded: 400,
			condition.IdempotencyMismatch: 400, condition.IdempotencyInProgress: 400, condition.IdempotencyOutcomeUnknown: 400,
			condition.IdempotencyNotReplayable: 400, condition.Overloaded: 500, condition.Unavailable: 500,
		} {
			if code, status := c.For(of); code == nil || status/100 != least/100 {
				t.Errorf("%s: %s is told with %v under %d", name, of, code, status)
			}
		}
	}
}
