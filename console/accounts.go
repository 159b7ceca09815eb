package console

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/record"
)

// account is what is shown of one, as /v1/accounts has it.
type account struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Plan  string `json:"plan,omitempty"`
	State string `json:"state"`
}

// usage is how one limit of an account stands.
type usage struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	Limit     int64     `json:"limit"`
	Used      int64     `json:"used"`
	Remaining int64     `json:"remaining"`
	Reset     time.Time `json:"reset"`
}

// Short reports whether less than a tenth is left.
func (u usage) Short() bool { return u.Limit > 0 && u.Remaining*10 < u.Limit }

type accountsView struct {
	Accounts []account
	Next     string
	Plans    []*contract.Plan
	Default  string
}

func (c *Console) accounts(v *view) error {
	// Whoever types an id wants to see that account.
	if id := strings.TrimSpace(v.r.URL.Query().Get("id")); id != "" {
		return back(v, Path+"accounts/"+url.PathEscape(id))
	}
	var list struct {
		Accounts []account `json:"accounts"`
	}
	if err := c.ask(v.r, v.token, http.MethodGet, listPath("accounts", v.r), nil, &list); err != nil {
		return err
	}
	page := accountsView{Accounts: list.Accounts, Plans: c.Contract().Plans, Default: c.defaultPlan()}
	if n := len(list.Accounts); n == 100 {
		page.Next = list.Accounts[n-1].ID
	}
	return c.show(v, http.StatusOK, "accounts", "Accounts", &page)
}

func (c *Console) defaultPlan() string {
	if p := c.Contract().DefaultPlan; p != nil {
		return p.Name
	}
	return ""
}

func (c *Console) openAccount(v *view) error {
	form := v.r.Form
	a := account{ID: strings.TrimSpace(form.Get("id")), Name: strings.TrimSpace(form.Get("name")), Plan: form.Get("plan"), State: "active"}
	if a.ID == "" {
		v.tell(true, "An account needs an id.")
		return back(v, Path+"accounts")
	}
	at := "/v1/accounts/" + url.PathEscape(a.ID)
	if err := c.ask(v.r, v.token, http.MethodGet, at, nil, &account{}); err == nil {
		v.tell(true, "This account exists already.")
		return back(v, Path+"accounts/"+url.PathEscape(a.ID))
	}
	if err := c.ask(v.r, v.token, http.MethodPut, at, a, nil); err != nil {
		return c.told(v, err, Path+"accounts")
	}
	v.tell(false, "The account is open.")
	return back(v, Path+"accounts/"+url.PathEscape(a.ID))
}

type accountView struct {
	account

	Plans     []*contract.Plan
	Default   string
	Usage     []usage
	Payable   []string // names that can be paid in or given back
	Keys      []keyRow
	Kept      bool
	Limits    []limitView
	Recent    []record.Record
	Shown     int
	PaymentID string
}

func (c *Console) account(v *view) error {
	id := v.r.PathValue("id")
	at := "/v1/accounts/" + url.PathEscape(id)
	page := accountView{Plans: c.Contract().Plans, Default: c.defaultPlan(), Kept: c.Records != nil, PaymentID: "console-" + rand.Text()}
	if err := c.ask(v.r, v.token, http.MethodGet, at, nil, &page.account); err != nil {
		if notThere(err) {
			c.refuse(v.w, v.r, http.StatusNotFound, "No such account", "No account has the id "+cut(id, 80)+".")
			return nil
		}
		return err
	}
	var limits struct {
		Limits []usage `json:"limits"`
	}
	if err := c.ask(v.r, v.token, http.MethodGet, at+"/usage", nil, &limits); err != nil {
		return err
	}
	page.Usage = limits.Limits
	for _, u := range page.Usage {
		if u.Kind == "balance" || u.Kind == "quota" {
			page.Payable = append(page.Payable, u.Name)
		}
	}
	var list struct {
		Keys []key `json:"keys"`
	}
	if err := c.ask(v.r, v.token, http.MethodGet, "/v1/keys?"+queryOf([]string{"account", id, "limit", pageSize}), nil, &list); err != nil {
		return err
	}
	page.Keys = c.rows(list.Keys)
	if c.Records != nil {
		found, err := c.Records.Search(v.r.Context(), record.Query{Account: id, Limit: shownRequests})
		if err != nil {
			return err
		}
		page.Shown, page.Recent = len(found.Records), found.Records[:min(len(found.Records), 15)]
		for _, l := range limitViews(found.Records) {
			if l.Kind == "quota" || l.Kind == "balance" || l.Kind == "storage" { // rates are of its keys
				page.Limits = append(page.Limits, l)
			}
		}
	}
	return c.show(v, http.StatusOK, "account", "Account "+page.ID, &page)
}

func (c *Console) changeAccount(v *view) error {
	id, form := v.r.PathValue("id"), v.r.Form
	at, here := "/v1/accounts/"+url.PathEscape(id), Path+"accounts/"+url.PathEscape(id)
	switch v.r.PathValue("change") {
	case "standing":
		change := map[string]string{"plan": form.Get("plan"), "state": form.Get("state"), "name": strings.TrimSpace(form.Get("name"))}
		if err := c.ask(v.r, v.token, http.MethodPatch, at, change, nil); err != nil {
			return c.told(v, err, here)
		}
		v.tell(false, "The account is changed.")
		return back(v, here)
	case "credit":
		amount, err := strconv.ParseInt(strings.TrimSpace(form.Get("amount")), 10, 64)
		if err != nil || amount < 1 {
			v.tell(true, "An amount is a whole number of 1 or more.")
			return back(v, here)
		}
		// The form carries the key, so that sending it twice pays once.
		header := map[string]string{"Idempotency-Key": form.Get("payment")}
		if err := c.askWith(v.r, v.token, http.MethodPost, at+"/credit", header, map[string]any{"name": form.Get("limit"), "amount": amount}, nil); err != nil {
			return c.told(v, err, here)
		}
		v.tell(false, count(amount)+" credited to "+form.Get("limit")+".")
		return back(v, here)
	}
	c.nothingHere(v.w, v.r)
	return nil
}
