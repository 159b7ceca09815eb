package gateway_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gateway"
)

// counted is the open contract with something of every limit.
const counted = open + `
auth: {schemes: [{in: header, name: X-Api-Key}]}
plans:
  small: {rate: {name: calls, limit: 1000, per: 1h, scope: account}, quota: {scans: 10/month}, storage: 1MB, concurrency: 3}
  large: {}
balances: {funds: {title: Prepaid funds}}
operations:
  POST /scan: {charge: {scans: 1}}
  POST /busy: {slot: true}
  POST /print: {charge: {funds: 30}}
  PUT /file: {stores: true}
`

func usageByName(t *testing.T, c *gateway.AdminClient, id string) map[string]gateway.LimitUsage {
	t.Helper()
	list, err := c.Usage(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]gateway.LimitUsage{}
	for _, u := range list {
		by[u.Kind+":"+u.Name] = u
	}
	return by
}

func (g *running) send(method, path, key, body string) *http.Response {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", key)
	resp, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp
}

// TestAccountsOverAdmin goes through the life of an account's limits.
func TestAccountsOverAdmin(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{Contract: counted})
	ctx := t.Context()
	key := g.newKey(c, admission.NewKey{Account: "acme"})
	if resp := g.send(http.MethodPost, "/print", key, ""); resp.StatusCode/100 != 4 {
		t.Errorf("without funds: %s", resp.Status)
	}
	for _, k := range []string{"payment-1", "payment-1", `"payment-1"`} { // an answer that was lost, and its repetitions
		u, err := c.Credit(ctx, "acme", "funds", 100, k)
		if err != nil || u == nil || u.Remaining != 100 || u.Kind != "balance" {
			t.Fatalf("credit: %+v %v", u, err)
		}
	}
	_, err := c.Credit(ctx, "acme", "funds", 101, "payment-1")
	if e, ok := errors.AsType[*failwell.Error](err); !ok || e.Status != http.StatusUnprocessableEntity || !errors.Is(err, admission.ErrOtherMove) || !errors.Is(err, failwell.IdempotencyMismatch) {
		t.Errorf("the same key and another amount: %v", err)
	}
	if u, err := c.Charge(ctx, "acme", "funds", 15, "extra minutes"); err != nil || u.Remaining != 85 {
		t.Errorf("charge: %+v %v", u, err)
	}
	for _, path := range []string{"/print", "/scan", "/scan"} {
		if resp := g.send(http.MethodPost, path, key, "x"); resp.StatusCode != 200 {
			t.Fatalf("%s: %s", path, resp.Status)
		}
	}
	if u, err := c.Charge(ctx, "acme", "storage", 1000, "stored a file"); err != nil || u.Used != 1000 {
		t.Errorf("storage that was taken: %+v %v", u, err)
	}
	all := usageByName(t, c, "acme")
	for what, want := range map[string]gateway.LimitUsage{
		"quota:scans":             {Limit: 10, Used: 2, Remaining: 8},
		"balance:funds":           {Remaining: 55},
		"storage:storage":         {Limit: 1_000_000, Used: 1000, Remaining: 999_000},
		"concurrency:concurrency": {Limit: 3, Remaining: 3},
	} {
		got := all[what]
		if got.Limit != want.Limit || got.Used != want.Used || got.Remaining != want.Remaining {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	if rate := all["rate:calls"]; rate.Limit != 1000 || rate.Used < 3 || rate.Reset.IsZero() {
		t.Errorf("the account's rate: %+v", rate)
	}
	if reset := all["quota:scans"].Reset; reset.Day() != 1 || reset.Before(time.Now()) || !all["balance:funds"].Reset.IsZero() {
		t.Errorf("resets: %+v", all)
	}
	if u, err := c.Credit(ctx, "acme", "storage", 400, "deleted a file"); err != nil || u.Used != 600 {
		t.Errorf("storage that was freed: %+v %v", u, err)
	}
	// What has no bound needs no credit.
	if _, err := c.SetPlan(ctx, "acme", "large"); err != nil {
		t.Fatal(err)
	}
	if u, err := c.Charge(ctx, "acme", "scans", 1e6, "many"); err != nil || u != nil {
		t.Errorf("a quota without bound: %+v %v", u, err)
	}
}

func TestAccountsAreRefused(t *testing.T) {
	t.Parallel()
	_, c := startWithAdmin(t, gateway.Settings{Contract: counted})
	ctx := t.Context()
	if _, err := c.PutAccount(ctx, admission.Account{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	_, few := c.Charge(ctx, "acme", "funds", 1, "k1")
	_, over := c.Charge(ctx, "acme", "scans", 11, "k2")
	_, nobody := c.Credit(ctx, "nobody", "funds", 1, "k3")
	_, typo := c.Credit(ctx, "acme", "fund", 1, "k4")
	_, zero := c.Credit(ctx, "acme", "funds", 0, "k5")
	_, endless := c.Credit(ctx, "acme", "funds", 1<<62, "k7")
	_, halfQuoted := c.Credit(ctx, "acme", "funds", 1, `"k8`)
	_, keyless := c.Credit(ctx, "acme", "funds", 1, "")
	_, stranger := c.Usage(ctx, "nobody")
	state := admission.AccountState("gone")
	_, badState := c.ChangeAccount(ctx, "acme", admission.AccountChange{State: &state})
	for name, x := range map[string]struct {
		err  error
		want error
		says string
	}{
		"too few funds":  {few, failwell.BalanceInsufficient, "below what this call needs"},
		"over the quota": {over, failwell.QuotaExhausted, ""},
		"no account":     {nobody, admission.ErrNoAccount, ""},
		"no usage":       {stranger, admission.ErrNoAccount, ""},
		"a typo":         {typo, admission.ErrInvalid, `did you mean "funds"?`},
		"nothing":        {zero, failwell.ValidationFailed, "amount is a number of 1 or more"},
		"endless":        {endless, failwell.ValidationFailed, "amount is a number of up to"},
		"half a quote":   {halfQuoted, failwell.ValidationFailed, "Idempotency-Key is not a whole quoted string"},
		"no key":         {keyless, failwell.ParameterMissing, "Idempotency-Key is missing"},
		"bad state":      {badState, admission.ErrInvalid, ""},
	} {
		if !errors.Is(x.err, x.want) || !strings.Contains(x.err.Error(), x.says) {
			t.Errorf("%s: %v", name, x.err)
		}
	}
	e, ok := errors.AsType[*failwell.Error](few)
	if !ok || !slices.ContainsFunc(e.Params, func(p contract.Value) bool { return p.Name == "balance" && p.Data == "funds" }) {
		t.Errorf("the refusal does not say of what: %+v", e)
	}
}

// TestChangeOfAnAccountIsWhole: what is refused changes nothing.
func TestChangeOfAnAccountIsWhole(t *testing.T) {
	t.Parallel()
	_, c := startWithAdmin(t, gateway.Settings{Contract: counted})
	ctx := t.Context()
	if _, err := c.PutAccount(ctx, admission.Account{ID: "acme", Plan: "small"}); err != nil {
		t.Fatal(err)
	}
	plan, state := "large", admission.AccountState("gone")
	if _, err := c.ChangeAccount(ctx, "acme", admission.AccountChange{Plan: &plan, State: &state}); !errors.Is(err, admission.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if a, err := c.Account(ctx, "acme"); err != nil || a.Plan != "small" {
		t.Errorf("%+v %v", a, err)
	}
	state, name := admission.AccountSuspended, "Acme & Sons"
	if a, err := c.ChangeAccount(ctx, "acme", admission.AccountChange{State: &state, Name: &name}); err != nil || a.State != state || a.Name != name || a.Plan != "small" {
		t.Errorf("%+v %v", a, err)
	}
	resp, err := c.HTTP.Post(c.URL+"/v1/accounts/acme/credit", "application/json", bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("without a token: %s", resp.Status)
	}
}
