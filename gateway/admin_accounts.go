package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/store/meter"
)

type accountList struct {
	Accounts []admission.Account `json:"accounts"`
}

// LimitUsage is how one limit of an account stands.
type LimitUsage struct {
	// Name is what the contract calls it.
	Name string `json:"name"`
	// Kind is "rate", "quota", "balance", "storage" or "concurrency".
	Kind string `json:"kind"`
	// Limit is what the plan grants and Used what is used of it; a balance has neither.
	Limit     int64 `json:"limit,omitempty"`
	Used      int64 `json:"used"`
	Remaining int64 `json:"remaining"`
	// Reset is when a period ends; zero where time frees nothing.
	Reset time.Time `json:"reset,omitzero"`
}

type usageAnswer struct {
	Limits []LimitUsage `json:"limits"`
}

// amountRequest is what POST /v1/accounts/{id}/credit and /charge take.
type amountRequest struct {
	// Name of a balance or a quota, or "storage".
	Name   string `json:"name"`
	Amount int64  `json:"amount"`
}

// amountAnswer says how the limit stands afterwards; Limit is absent where the
// plan grants it without bound.
type amountAnswer struct {
	Limit *LimitUsage `json:"limit,omitempty"`
}

func (a *admin) accountRoutes() []route {
	moves := func(pattern, summary, more, changes string, f func(*admission.Controller, context.Context, string, string, int64, string) error) route {
		return route{
			pattern: pattern, summary: summary, more: more, role: RoleOperate, changes: changes, header: []parameter{idempotencyKey},
			in: amountRequest{}, out: amountAnswer{}, handle: a.moving(f),
		}
	}
	return []route{
		{pattern: "GET /v1/accounts", summary: "Accounts by id", more: "Only an empty page is the end.", role: RoleRead, query: pageParameters, out: accountList{}, handle: a.listAccounts},
		{pattern: "GET /v1/accounts/{id}", summary: "An account", role: RoleRead, out: admission.Account{}, handle: one((*admission.Keyring).Account, a)},
		{
			pattern: "PUT /v1/accounts/{id}", summary: "Open an account, or replace what is known of it", role: RoleOperate, changes: "account.put",
			in: admission.Account{}, out: admission.Account{}, handle: a.putAccount,
		},
		{
			pattern: "PATCH /v1/accounts/{id}", summary: "Change an account", more: "Members that are absent stay as they are.", role: RoleOperate, changes: "account.change",
			in: admission.AccountChange{}, out: admission.Account{}, handle: a.changeAccount,
		},
		{pattern: "GET /v1/accounts/{id}/usage", summary: "How an account's limits stand", role: RoleRead, out: usageAnswer{}, handle: a.usage},
		moves("POST /v1/accounts/{id}/credit", "Pay into a balance, or give back to a quota", "", "account.credit", (*admission.Controller).Credit),
		moves("POST /v1/accounts/{id}/charge", "Take from a balance or a quota", "", "account.charge", (*admission.Controller).Charge),
	}
}

func (a *admin) control() *admission.Controller { return a.gateway.live.Load().admission }

func (a *admin) listAccounts(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	accounts, err := a.keys().Accounts(r.Context(), after, limit)
	if err != nil {
		return keyError(err)
	}
	return answer(w, http.StatusOK, accountList{append([]admission.Account{}, accounts...)})
}

func (a *admin) putAccount(w http.ResponseWriter, r *http.Request) error {
	var account admission.Account
	if err := read(r, &account); err != nil {
		return err
	}
	id := r.PathValue("id")
	if account.ID != "" && account.ID != id {
		return invalid("the id in the body is not the one in the path")
	}
	account.ID = id
	entryOf(r.Context()).about("", "plan", account.Plan, "state", string(account.State))
	if err := a.keys().PutAccount(r.Context(), account); err != nil {
		return keyError(err)
	}
	return one((*admission.Keyring).Account, a)(w, r)
}

func (a *admin) changeAccount(w http.ResponseWriter, r *http.Request) error {
	var change admission.AccountChange
	if err := read(r, &change); err != nil {
		return err
	}
	entryOf(r.Context()).noteChange(&change)
	account, err := a.keys().ChangeAccount(r.Context(), r.PathValue("id"), change)
	if err != nil {
		return keyError(err)
	}
	return answer(w, http.StatusOK, account)
}

func (e *AuditEntry) noteChange(c *admission.AccountChange) {
	if c.Name != nil {
		e.about("", "name", *c.Name)
	}
	if c.Plan != nil {
		e.about("", "plan", *c.Plan)
	}
	if c.State != nil {
		e.about("", "state", string(*c.State))
	}
}

func (a *admin) usage(w http.ResponseWriter, r *http.Request) error {
	limits, err := usageOf(r.Context(), a.control(), r.PathValue("id"))
	if err != nil {
		return keyError(err)
	}
	return answer(w, http.StatusOK, usageAnswer{limits})
}

// moving handles what is paid into a limit, or taken from it. It happens once for
// each idempotency key, which must be there: an answer can get lost, and who
// then repeats the call without one pays twice.
func (a *admin) moving(move func(*admission.Controller, context.Context, string, string, int64, string) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var request amountRequest
		if err := read(r, &request); err != nil {
			return err
		}
		key, problem := admission.PlainKey(r.Header.Get("Idempotency-Key"))
		if problem != "" {
			return invalid("the header Idempotency-Key " + problem)
		}
		if key == "" {
			e := failwell.FromCondition(failwell.ParameterMissing, nil)
			e.Message = "the header Idempotency-Key is missing, send one that is new for each payment and the same for its repetitions"
			return e
		}
		if request.Amount < 1 {
			return invalid("amount is a number of 1 or more")
		}
		if request.Amount > meter.MaxUnits {
			return invalid(fmt.Sprintf("amount is a number of up to %d", int64(meter.MaxUnits)))
		}
		id := r.PathValue("id")
		entryOf(r.Context()).about("", "name", request.Name, "amount", strconv.FormatInt(request.Amount, 10))
		if err := move(a.control(), r.Context(), id, request.Name, request.Amount, key); err != nil {
			return keyError(err)
		}
		limits, err := usageOf(r.Context(), a.control(), id)
		if err != nil {
			return keyError(err)
		}
		return answer(w, http.StatusOK, amountAnswer{LimitNamed(limits, request.Name)})
	}
}

// LimitNamed finds the limit that a credit or a charge by this name is about;
// nil where there is none. Rates may have the same name.
func LimitNamed(limits []LimitUsage, name string) *LimitUsage {
	for i := range limits {
		if limits[i].Name == name && limits[i].Kind != kindRate {
			return &limits[i]
		}
	}
	return nil
}

func usageOf(ctx context.Context, c *admission.Controller, account string) ([]LimitUsage, error) {
	list, err := c.Usage(ctx, account)
	if err != nil {
		return nil, err
	}
	limits := make([]LimitUsage, len(list))
	for i, u := range list {
		limits[i] = UsageOf(u)
	}
	return limits, nil
}

const kindRate = "rate"

// UsageOf words what a Controller says of a limit.
func UsageOf(u admission.Usage) LimitUsage {
	kind := map[meter.Kind]string{meter.Allowance: "quota", meter.Balance: "balance", meter.Capacity: "storage", meter.Slots: "concurrency"}[u.Kind]
	if kind == "" {
		kind = kindRate
	}
	return LimitUsage{Name: u.Name, Kind: kind, Limit: u.Limit, Used: u.Used, Remaining: u.Remaining, Reset: u.Reset}
}

// limitRefused tells the admin API's caller what a limit has refused.
func limitRefused(r *admission.Refusal) error {
	e := failwell.FromCondition(r.Condition, r)
	e.Params, e.RetryAfter, e.HasRetryAfter = r.Facts, r.RetryAfter, r.HasRetryAfter
	return e
}
