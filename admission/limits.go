package admission

import (
	"cmp"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store/meter"
)

// LimitState is what one limit looks like after a decision.
type LimitState struct {
	// Name is what the contract calls the limit; "" for a rate without a name.
	Name string
	// Rule is the limit's rule; nil when no limit was touched. It is shared and
	// must not be changed.
	Rule *meter.Rule
	// Cost is what the call asked for, in units.
	Cost int64
	// Remaining units that a call could have now: calls, units of a quota or a
	// balance, bytes, slots.
	Remaining int64
	// Reset is the instant at which all of the limit is free again if no call
	// comes before, or at which its period ends. It does not move without
	// traffic. Zero for a limit that time does not free.
	Reset time.Time
	// Refused says that this limit had no room for the call.
	Refused bool
	// Binding says that this is the limit that decides what a refused caller is
	// told; of limits that all had room, it is the tightest.
	Binding bool
	// Local says that the store was away and this process counted by itself.
	Local bool
}

// limit is a limit of a plan, an operation or an account, under the name of its
// state.
type limit struct {
	name string
	// title is the name in the contract, and label what people are shown for it.
	title, label string
	scope        string
	away         contract.Away
	rule         meter.Rule
}

// counters are scoped to the account, whatever rates are.
const perAccount = "account"

// limitsOf names rates by what must stay for counts to stay: where they belong,
// their name, window and algorithm. Numbers may change in a reload.
func limitsOf(where string, rates []contract.Rate) []limit {
	out := make([]limit, 0, len(rates))
	seen := map[string]int{}
	for i := range rates {
		r := &rates[i]
		name := where + "/" + r.Name + "/" + r.Per.String() + "/" + string(r.Algorithm)
		if seen[name]++; seen[name] > 1 {
			name += "/" + strconv.Itoa(seen[name])
		}
		l := limit{name: name, title: r.Name, scope: r.Scope, away: cmp.Or(r.Away, contract.AwayLocal)}
		l.rule = meter.Rule{Kind: meter.Rate, Limit: r.Limit, Burst: r.Burst, Per: r.Per}
		if r.Algorithm == contract.FixedWindow {
			l.rule.Kind = meter.Window
		}
		out = append(out, l)
	}
	return out
}

// planLimits is a plan and its limits, ready for use. Its counters have names
// without the plan's, so that what was used stays used on another plan.
type planLimits struct {
	plan    *contract.Plan
	rates   []limit
	quotas  []limit
	storage *limit
	slots   *limit
}

func planLimitsOf(c *contract.Contract, p *contract.Plan) *planLimits {
	counters := cmp.Or(c.Limits.CountersAway, contract.AwayClosed)
	l := &planLimits{plan: p, rates: limitsOf("plan/"+p.Name, p.Rates)}
	for i := range p.Quotas {
		q := &p.Quotas[i]
		x := limit{name: "quota/" + q.Name + "/" + q.Per, title: q.Name, scope: perAccount, away: cmp.Or(q.Away, counters)}
		x.rule = meter.Rule{Kind: meter.Allowance, Limit: q.Amount}
		if q.Per == "day" {
			x.rule.Period = meter.Day
		}
		l.quotas = append(l.quotas, x)
	}
	if p.Storage > 0 {
		l.storage = &limit{name: "storage", title: "storage", scope: perAccount, away: counters,
			rule: meter.Rule{Kind: meter.Capacity, Limit: p.Storage}}
	}
	if p.Concurrency > 0 {
		l.slots = &limit{name: "concurrency", title: "concurrency", scope: perAccount, away: cmp.Or(c.Limits.Away, contract.AwayLocal),
			rule: meter.Rule{Kind: meter.Slots, Limit: int64(p.Concurrency)}}
	}
	return l
}

func balancesOf(c *contract.Contract) []limit {
	out := make([]limit, 0, len(c.Balances))
	for _, b := range c.Balances {
		out = append(out, limit{name: "balance/" + b.Name, title: b.Name, label: b.Title, scope: perAccount,
			away: cmp.Or(c.Limits.CountersAway, contract.AwayClosed), rule: meter.Rule{Kind: meter.Balance}})
	}
	return out
}

// charged finds the quota of the plan or the balance that a charge is for; nil
// for a quota that the plan grants without bound.
func (p *planLimits) charged(balances []limit, name string) *limit {
	for _, of := range [][]limit{p.quotas, balances} {
		for i := range of {
			if of[i].title == name {
				return &of[i]
			}
		}
	}
	return nil
}

// binding is the outcome that decides what a refused caller is told: one that
// no wait helps, then one that somebody has to free, then the one that makes
// the call wait longest. When all have room, it is the one with the least left,
// and of these the one that frees last.
func binding(outcomes []meter.Outcome) int {
	best := 0
	for i := range outcomes {
		if tighter(&outcomes[i], &outcomes[best]) {
			best = i
		}
	}
	return best
}

func tighter(a, b *meter.Outcome) bool {
	switch {
	case a.Refused != b.Refused:
		return a.Refused
	case a.Never != b.Never:
		return a.Never
	case a.Timeless != b.Timeless:
		return a.Refused && a.Timeless
	case a.Refused && a.RetryAfter != b.RetryAfter:
		return a.RetryAfter > b.RetryAfter
	case a.Remaining != b.Remaining:
		return a.Remaining < b.Remaining
	}
	return a.Reset.After(b.Reset)
}
