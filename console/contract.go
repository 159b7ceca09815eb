package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
)

// plansView shows what plans grant, side by side.
type plansView struct {
	Plans    []*contract.Plan
	Default  string
	Rows     []planRow
	Balances []*contract.Balance
}

type planRow struct {
	Title string
	Cells []string
}

func (c *Console) plans(v *view) error {
	spec := c.Contract()
	page := plansView{Plans: spec.Plans, Default: c.defaultPlan(), Balances: spec.Balances}
	row := func(title string, of func(*contract.Plan) string) {
		r, said := planRow{Title: title}, false
		for _, p := range spec.Plans {
			cell := of(p)
			said = said || cell != ""
			r.Cells = append(r.Cells, cell)
		}
		if said {
			page.Rows = append(page.Rows, r)
		}
	}
	row("Price", func(p *contract.Plan) string { return p.Price })
	row("Rate", func(p *contract.Plan) string { return lines(p.Rates, rateOf) })
	row("Quota", func(p *contract.Plan) string {
		return lines(p.Quotas, func(q contract.Quota) string { return fmt.Sprintf("%s %s a %s", count(q.Amount), q.Name, q.Per) })
	})
	row("Credits, as told", func(p *contract.Plan) string { return p.Credits })
	row("Storage", func(p *contract.Plan) string {
		if p.Storage == 0 {
			return ""
		}
		return size(p.Storage)
	})
	row("At once", func(p *contract.Plan) string {
		if p.Concurrency == 0 {
			return ""
		}
		return count(int64(p.Concurrency))
	})
	for _, f := range spec.Features {
		row(strings.ReplaceAll(f.Name, "_", " "), func(p *contract.Plan) string {
			if p.Includes(f.Name) {
				return "included"
			}
			return ""
		})
	}
	return c.show(v, http.StatusOK, "plans", "Plans", &page)
}

func lines[T any](list []T, of func(T) string) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = of(x)
	}
	return strings.Join(parts, "\n")
}

func rateOf(r contract.Rate) string {
	text := fmt.Sprintf("%s per %s", count(r.Limit), per(r.Per))
	if r.Burst > 0 && r.Burst != r.Limit {
		text += fmt.Sprintf(", %s at once", count(r.Burst))
	}
	if r.Scope != "" {
		text += " and " + r.Scope
	}
	return text
}

func per(d time.Duration) string {
	switch d {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return span(d)
}

// contractView is the catalogue and what goes with it.
type contractView struct {
	Contract   *contract.Contract
	Codes      []contract.Explanation
	Operations []*contract.Operation
	Keep       string
}

func (c *Console) showContract(v *view) error {
	spec := c.Contract()
	page := contractView{Contract: spec, Operations: spec.Operations, Keep: span(spec.Idempotency.Keep)}
	for _, code := range spec.Codes {
		page.Codes = append(page.Codes, spec.Explain(code))
	}
	slices.SortStableFunc(page.Codes, func(a, b contract.Explanation) int { return a.Status - b.Status })
	return c.show(v, http.StatusOK, "contract", "Contract", &page)
}
