package contract

import (
	"fmt"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract/condition"
)

// Advice lists what a contract may say, but its author has probably not meant:
// work that is charged twice when it is repeated, limits that nothing touches.
// It is in file order and empty for most contracts.
func (c *Contract) Advice() Faults {
	p := &parser{file: c.File}
	for _, o := range c.Operations {
		p.adviseOnRepetition(c, o)
	}
	if len(c.Operations) > 0 {
		p.adviseOnUnused(c)
	}
	p.adviseOnRefusals(c)
	if p.sorted() == nil {
		return nil
	}
	return p.faults
}

// adviseOnRepetition: whoever repeats a charged call after a lost answer pays
// twice, unless a key tells that it is the same call.
func (p *parser) adviseOnRepetition(c *Contract, o *Operation) {
	if len(o.Charges) == 0 || o.Safe || slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, o.Method) {
		return
	}
	var hint string
	switch {
	case c.Idempotency.Header == "":
		hint = "add \"idempotency: {header: Idempotency-Key}\" to the contract"
	case !slices.Contains(c.Idempotency.Methods, o.Method):
		hint = "add " + o.Method + " to idempotency.methods"
	case o.Idempotency == "off":
		hint = "leave \"idempotency: off\" out"
	default:
		return
	}
	p.fault(o.Pos, hint, "operation %s %s is charged again when a lost answer makes a caller repeat it", o.Method, o.Path)
}

// adviseOnUnused: a limit that no operation touches looks enforced and is not.
func (p *parser) adviseOnUnused(c *Contract) {
	charged := map[string]bool{}
	slots, stores := false, false
	for _, o := range c.Operations {
		for _, charge := range o.Charges {
			charged[charge.Name] = true
		}
		slots, stores = slots || o.Slot, stores || o.Stores
	}
	for _, x := range c.Plans {
		var idle []string
		for _, q := range x.Quotas {
			if !charged[q.Name] {
				idle = append(idle, fmt.Sprintf("the quota %q", q.Name))
			}
		}
		if x.Storage > 0 && !stores {
			idle = append(idle, "storage")
		}
		if x.Concurrency > 0 && !slots {
			idle = append(idle, "concurrency")
		}
		if idle != nil {
			p.fault(x.Pos, "give operations charge, stores or slot, or let the service charge them", "plan %q limits %s, which no operation takes", x.Name, strings.Join(idle, ", "))
		}
	}
	for _, b := range c.Balances {
		if !charged[b.Name] {
			p.fault(b.Pos, "give operations \"charge: {"+b.Name+": …}\", or let the service charge it", "no operation takes the balance %q", b.Name)
		}
	}
}

// adviseOnRefusals: a caller who is told to wait for an allowance that comes
// back next month, or for money, waits in vain.
func (p *parser) adviseOnRefusals(c *Contract) {
	quotas := c.quotaNames()
	seen := map[condition.Condition]bool{}
	for _, o := range c.Operations {
		for _, charge := range o.Charges {
			of := condition.BalanceInsufficient
			if slices.Contains(quotas, charge.Name) {
				of = condition.QuotaExhausted
			}
			code, _ := c.For(of)
			own := slices.ContainsFunc(code.Is, func(m Meaning) bool { return m.Condition == of })
			if seen[of] || own {
				continue
			}
			seen[of] = true
			p.fault(o.Pos, "add it to \"is:\" of a code, with retry: after_action", "%s, which operation %s %s can run into, is told as %q", of, o.Method, o.Path, code.Name)
		}
	}
}
