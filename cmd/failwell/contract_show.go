package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
)

type contractShowCmd struct {
	Contract string `arg:""             help:"A built-in name or a file." name:"name|file"`
	JSON     bool   `help:"Print JSON."`
}

// Run prints the contract in tables.
func (x *contractShowCmd) Run(_ context.Context, c *console) error {
	spec, err := loadContract(x.Contract)
	if err != nil {
		return err
	}
	if x.JSON {
		return c.json(viewOf(spec))
	}
	p := c.painterFor(c.stdout)
	if err := c.printf("%s  %s\n", p.bold(spec.API), spec.Title); err != nil {
		return err
	}
	if err := c.pairs(p, [][2]string{
		{"base url", spec.BaseURL}, {"document", spec.Document}, {"support", spec.Support}, {"envelopes", envelopes(spec)},
		{"credentials", schemes(spec)}, {"keys", keyForms(spec)}, {"permissions", strings.Join(spec.Permissions, ", ")}, {"idempotency", idempotency(&spec.Idempotency)},
	}); err != nil {
		return err
	}
	for _, t := range []struct {
		title string
		heads []string
		rows  [][]string
	}{
		{"codes", []string{"CODE", "STATUS", "RETRY", "CONDITIONS"}, codeRows(spec)},
		{"statuses", []string{"STATUS", "NAME", "MEANING"}, statusRows(spec)},
		{"headers", []string{"HEADER", "SENT", "VALUE"}, headerRows(&spec.Headers)},
		{"plans", []string{"PLAN", "PRICE", "RATE", "CREDITS", "FEATURES"}, planRows(spec)},
		{"allowances", []string{"PLAN", "LIMIT", "GRANTS", "STORE AWAY"}, allowanceRows(spec)},
		{"balances", []string{"BALANCE", "TITLE"}, balanceRows(spec)},
		{"retry", []string{"RULE", "VALUE"}, retryRows(spec)},
		{"operations", []string{"METHOD", "PATH", "PERMISSION", "FEATURE", "RATE", "TAKES"}, operationRows(spec)},
	} {
		if len(t.rows) == 0 {
			continue
		}
		if err := errors.Join(c.print("\n"), c.table(p, t.title, t.heads, t.rows)); err != nil {
			return err
		}
	}
	return nil
}

func envelopes(c *contract.Contract) string {
	parts := make([]string, 0, len(c.Envelopes))
	for _, e := range c.Envelopes {
		parts = append(parts, e.Name+" ("+e.MediaType+")")
	}
	return strings.Join(parts, ", ")
}

func schemes(c *contract.Contract) string {
	parts := make([]string, 0, len(c.Auth.Schemes))
	for _, s := range c.Auth.Schemes {
		parts = append(parts, fmt.Sprintf("%s %s: %s…", s.In, s.Name, s.Prefix))
	}
	return strings.Join(parts, " or ")
}

func keyForms(c *contract.Contract) string {
	parts := make([]string, 0, len(c.Auth.Key.Environments))
	for _, e := range c.Auth.Key.Environments {
		parts = append(parts, fmt.Sprintf("%s… (%s)", e.Prefix, e.Name))
	}
	return strings.Join(parts, ", ")
}

func idempotency(i *contract.Idempotency) string {
	if i.Header == "" {
		return ""
	}
	s := fmt.Sprintf("%s on %s", i.Header, strings.Join(i.Methods, ", "))
	if i.Keep > 0 {
		s += ", kept " + brief(i.Keep)
	}
	if i.Replayed.Name != "" {
		s += fmt.Sprintf("; a replay has %s: %s", i.Replayed.Name, i.Replayed.Value)
	}
	duplicate := "is refused while the first runs"
	if i.InFlight == "wait" {
		duplicate = "waits for the first, up to " + brief(i.Wait)
	}
	unknown := map[string]string{"reject": "is refused", "reexecute": "is run again", "reconcile": "is asked for upstream"}[i.Unknown]
	away := map[contract.Away]string{contract.AwayClosed: "refused", contract.AwayOpen: "run unprotected"}[i.Away]
	return s + fmt.Sprintf("; a duplicate %s; what ended unknown %s; without the store, writes with a key are %s", duplicate, unknown, away)
}

func codeRows(c *contract.Contract) [][]string {
	rows := make([][]string, 0, len(c.Codes))
	for _, code := range c.Codes {
		name := code.Error()
		if code.Wire != code.Name {
			name = fmt.Sprintf("%s (%s)", code.Error(), code.Name)
			if code.Wire == "" {
				name = "- (" + code.Name + ")"
			}
		}
		status := strconv.Itoa(code.Status)
		if len(code.Others) > 0 {
			status += ", " + ranges(code.Others)
		}
		means := make([]string, 0, len(code.Is))
		for _, m := range code.Is {
			s := string(m.Condition)
			if m.Status != 0 && m.Status != code.Status {
				s += fmt.Sprintf(" (%d)", m.Status)
			}
			means = append(means, s)
		}
		rows = append(rows, []string{name, status, string(code.Retry), strings.Join(means, ", ")})
	}
	return rows
}

func statusRows(c *contract.Contract) [][]string {
	rows := make([][]string, 0, len(c.Statuses))
	for _, r := range c.Statuses {
		rows = append(rows, []string{strconv.Itoa(r.Status), r.Name, strings.Join(r.Meanings, " / ")})
	}
	return rows
}

func headerRows(h *contract.Headers) [][]string {
	var rows [][]string
	add := func(name string, on contract.On, value string) {
		if name == "" {
			return
		}
		when := "always"
		if !on.All {
			when = strings.Trim(strings.ReplaceAll(fmt.Sprint(on.Statuses), " ", ", "), "[]")
		}
		rows = append(rows, []string{name, when, value})
	}
	all := contract.On{All: true}
	add(h.RequestID.Name, all, "request id")
	add(h.ProcessTime.Name, all, "time that the work took, in "+h.ProcessTime.Unit)
	add(h.RetryAfter.Name, h.RetryAfter.On, "wait, "+string(h.RetryAfter.Format))
	add(h.RateLimit.Limit, h.RateLimit.On, "calls per window")
	add(h.RateLimit.Remaining, h.RateLimit.On, "calls left")
	add(h.RateLimit.Reset, h.RateLimit.On, "when all are free again, "+string(h.RateLimit.ResetFormat))
	add(h.Code, all, "code of an error")
	return rows
}

func planRows(c *contract.Contract) [][]string {
	rows := make([][]string, 0, len(c.Plans))
	for _, x := range c.Plans {
		rows = append(rows, []string{x.Name, x.Price, rates(x.Rates), x.Credits, strings.Join(x.Features, ", ")})
	}
	return rows
}

func rates(list []contract.Rate) string {
	parts := make([]string, 0, len(list))
	for _, r := range list {
		per, ok := map[time.Duration]string{time.Second: "s", time.Minute: "min", time.Hour: "h", 24 * time.Hour: "day"}[r.Per]
		if !ok {
			per = brief(r.Per)
		}
		parts = append(parts, fmt.Sprintf("%d/%s", r.Limit, per))
	}
	return strings.Join(parts, ", ")
}

// brief writes 24h0m0s as 24h.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func retryRows(c *contract.Contract) [][]string {
	r := &c.Client
	growth := fmt.Sprintf("%s, then %g times as long each time", brief(r.Backoff.First), r.Backoff.Factor)
	if r.Backoff.Cap > 0 {
		growth += ", up to " + brief(r.Backoff.Cap)
	}
	if j := r.Backoff.Jitter; j.Add > 0 {
		growth += ", plus up to " + brief(j.Add)
	} else if j.High > 0 {
		growth += fmt.Sprintf(", times %g to %g", j.Low, j.High)
	}
	rows := [][]string{{"tries", strconv.Itoa(r.Attempts)}, {"waits", growth}}
	if r.Timeout > 0 {
		rows = append(rows, []string{"timeout of one", brief(r.Timeout)})
	}
	for _, h := range r.Hints {
		where := h.Header
		if where == "" {
			where = "body " + strings.Join(h.Body, ".")
		}
		rows = append(rows, []string{"hint", fmt.Sprintf("%s (%s)", where, h.Unit)})
	}
	statuses := make([]int, 0, len(r.DefaultWaits))
	for status := range r.DefaultWaits {
		statuses = append(statuses, status)
	}
	slices.Sort(statuses)
	for _, status := range statuses {
		rows = append(rows, []string{fmt.Sprintf("%d without hint", status), "wait " + brief(r.DefaultWaits[status])})
	}
	for _, a := range r.ByStatus {
		rows = append(rows, []string{ranges([]contract.StatusRange{a.Statuses}), string(a.Retry)})
	}
	return append(rows, []string{"no response", string(r.Network)})
}

func operationRows(c *contract.Contract) [][]string {
	rows := make([][]string, 0, len(c.Operations))
	for _, o := range c.Operations {
		permission := o.Permission
		if o.Public {
			permission = "(public)"
		}
		rows = append(rows, []string{o.Method, o.Path, permission, o.Feature, rates(o.Rates), takes(o)})
	}
	return rows
}
