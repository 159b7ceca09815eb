package main

import (
	"strings"

	"github.com/failwell/failwell/contract"
)

// contractView is a contract as contract show --json prints it.
type contractView struct {
	API         string            `json:"api"`
	Title       string            `json:"title,omitempty"`
	BaseURL     string            `json:"base_url,omitempty"`
	Document    string            `json:"document,omitempty"`
	Support     string            `json:"support,omitempty"`
	OpenCodes   bool              `json:"open_codes"`
	Envelopes   []envelopeView    `json:"envelopes"`
	Codes       []codeJSON        `json:"codes"`
	Statuses    []statusView      `json:"statuses"`
	Headers     []headerView      `json:"headers"`
	Schemes     []schemeView      `json:"auth"`
	KeyPrefixes map[string]string `json:"key_prefixes"`
	Permissions []string          `json:"permissions"`
	Features    []string          `json:"features"`
	Limits      limitsView        `json:"limits"`
	Plans       []planView        `json:"plans"`
	Balances    []balanceView     `json:"balances"`
	Idempotency *idempotencyView  `json:"idempotency"`
	Retry       retryView         `json:"retry"`
	Operations  []operationView   `json:"operations"`
}

type envelopeView struct {
	Name      string `json:"name"`
	MediaType string `json:"media_type"`
}

type statusView struct {
	Status   int      `json:"status"`
	Name     string   `json:"name,omitempty"`
	Meanings []string `json:"meanings"`
}

type headerView struct {
	Name  string `json:"name"`
	On    string `json:"on"`
	Value string `json:"value"`
}

type schemeView struct {
	In     string `json:"in"`
	Name   string `json:"name"`
	Prefix string `json:"prefix,omitempty"`
}

type rateView struct {
	Name      string  `json:"name,omitempty"`
	Limit     int64   `json:"limit"`
	PerS      float64 `json:"per_s"`
	Burst     int64   `json:"burst"`
	Algorithm string  `json:"algorithm"`
	Scope     string  `json:"scope"`
	Away      string  `json:"away"`
}

// limitsView says what becomes of calls when the store is away.
type limitsView struct {
	Away         string `json:"away"`
	CountersAway string `json:"counters_away"`
}

type quotaView struct {
	Name   string `json:"name"`
	Amount int64  `json:"amount"`
	Per    string `json:"per"`
	Away   string `json:"away"`
}

type balanceView struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

type planView struct {
	Name     string      `json:"name"`
	Title    string      `json:"title,omitempty"`
	Price    string      `json:"price,omitempty"`
	Credits  string      `json:"credits,omitempty"`
	Rates    []rateView  `json:"rates"`
	Features []string    `json:"features"`
	Quotas   []quotaView `json:"quotas"`
	// Storage in bytes and Concurrency are 0 where there is no bound.
	Storage     int64 `json:"storage"`
	Concurrency int   `json:"concurrency"`
}

type idempotencyView struct {
	Header  string   `json:"header"`
	Methods []string `json:"methods"`
	KeepS   float64  `json:"keep_s"`
	// Replayed is the header of a replay, as "Name: value".
	Replayed    string   `json:"replayed,omitempty"`
	InFlight    string   `json:"in_flight"`
	WaitS       float64  `json:"wait_s"`
	LeaseS      float64  `json:"lease_s"`
	Unknown     string   `json:"unknown"`
	MaxResponse int64    `json:"max_response"`
	Headers     []string `json:"headers"`
	Away        string   `json:"away"`
}

type retryView struct {
	Attempts int               `json:"attempts"`
	FirstS   float64           `json:"first_s"`
	Factor   float64           `json:"factor"`
	CapS     float64           `json:"cap_s,omitempty"`
	TimeoutS float64           `json:"timeout_s,omitempty"`
	Network  string            `json:"network"`
	ByStatus map[string]string `json:"by_status"`
}

type operationView struct {
	ID         string     `json:"id"`
	Method     string     `json:"method"`
	Path       string     `json:"path"`
	Summary    string     `json:"summary,omitempty"`
	Public     bool       `json:"public"`
	Permission string     `json:"permission,omitempty"`
	Feature    string     `json:"feature,omitempty"`
	Rates      []rateView `json:"rates"`
	Cost       int64      `json:"cost"`
	// Charge is what a call takes of quotas and balances.
	Charge      map[string]int64 `json:"charge"`
	Slot        bool             `json:"slot"`
	Stores      bool             `json:"stores"`
	Idempotency string           `json:"idempotency,omitempty"`
	Unknown     string           `json:"unknown,omitempty"`
	Reconcile   string           `json:"reconcile,omitempty"`
}

func viewOf(c *contract.Contract) contractView {
	v := contractView{
		API: c.API, Title: c.Title, BaseURL: c.BaseURL, Document: c.Document, Support: c.Support, OpenCodes: c.OpenCodes,
		Envelopes: []envelopeView{}, Codes: []codeJSON{}, Statuses: []statusView{}, Headers: []headerView{}, Schemes: []schemeView{},
		KeyPrefixes: map[string]string{}, Permissions: listed(c.Permissions), Features: []string{}, Plans: []planView{},
		Limits: limitsView{string(c.Limits.Away), string(c.Limits.CountersAway)}, Balances: []balanceView{}, Operations: []operationView{},
		Retry: retryView{
			Attempts: c.Client.Attempts, FirstS: c.Client.Backoff.First.Seconds(), Factor: c.Client.Backoff.Factor, CapS: c.Client.Backoff.Cap.Seconds(),
			TimeoutS: c.Client.Timeout.Seconds(), Network: string(c.Client.Network), ByStatus: map[string]string{},
		},
	}
	for _, e := range c.Envelopes {
		v.Envelopes = append(v.Envelopes, envelopeView{e.Name, e.MediaType})
	}
	for _, code := range c.Codes {
		x := c.Explain(code)
		v.Codes = append(v.Codes, codeOf(&x))
	}
	for _, r := range c.Statuses {
		v.Statuses = append(v.Statuses, statusView{r.Status, r.Name, listed(r.Meanings)})
	}
	for _, row := range headerRows(&c.Headers) {
		v.Headers = append(v.Headers, headerView{row[0], row[1], row[2]})
	}
	for _, s := range c.Auth.Schemes {
		v.Schemes = append(v.Schemes, schemeView{s.In, s.Name, strings.TrimSpace(s.Prefix)})
	}
	for _, e := range c.Auth.Key.Environments {
		v.KeyPrefixes[e.Name] = e.Prefix
	}
	for _, f := range c.Features {
		v.Features = append(v.Features, f.Name)
	}
	for _, x := range c.Plans {
		v.Plans = append(v.Plans, planView{
			x.Name, x.Title, x.Price, x.Credits, rateViews(x.Rates), listed(x.Features), quotaViews(x.Quotas), x.Storage, x.Concurrency,
		})
	}
	for _, b := range c.Balances {
		v.Balances = append(v.Balances, balanceView{b.Name, b.Title})
	}
	if i := &c.Idempotency; i.Header != "" {
		v.Idempotency = &idempotencyView{
			i.Header, listed(i.Methods), i.Keep.Seconds(), "", i.InFlight, i.Wait.Seconds(), i.Lease.Seconds(), i.Unknown, i.MaxResponse,
			listed(i.Headers), string(i.Away),
		}
		if i.Replayed.Name != "" {
			v.Idempotency.Replayed = i.Replayed.Name + ": " + i.Replayed.Value
		}
	}
	for _, a := range c.Client.ByStatus {
		v.Retry.ByStatus[ranges([]contract.StatusRange{a.Statuses})] = string(a.Retry)
	}
	for _, o := range c.Operations {
		charges := map[string]int64{}
		for _, charge := range o.Charges {
			charges[charge.Name] = charge.Amount
		}
		v.Operations = append(v.Operations, operationView{
			o.ID, o.Method, o.Path, o.Summary, o.Public, o.Permission, o.Feature, rateViews(o.Rates), max(o.Cost, 1), charges, o.Slot, o.Stores,
			o.Idempotency, o.Unknown, o.Reconcile,
		})
	}
	return v
}

func quotaViews(list []contract.Quota) []quotaView {
	out := make([]quotaView, 0, len(list))
	for _, q := range list {
		out = append(out, quotaView{q.Name, q.Amount, q.Per, string(q.Away)})
	}
	return out
}

func rateViews(list []contract.Rate) []rateView {
	out := make([]rateView, 0, len(list))
	for _, r := range list {
		out = append(out, rateView{r.Name, r.Limit, r.Per.Seconds(), r.Burst, string(r.Algorithm), r.Scope, string(r.Away)})
	}
	return out
}

// listed is the list, never null.
func listed(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
