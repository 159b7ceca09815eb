package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// allowance is what a contract can grant besides rates.
type allowance struct {
	// name is how a user asks for it; rule is about its refusal.
	name, rule string
	// is the condition of a refusal.
	is condition.Condition
	// what is in words, and where a contract declares it.
	what, declared string
	// takes reports whether a call of an operation takes of it, and how much.
	takes func(*contract.Contract, *contract.Operation) int64
	// granted reports whether any account can have it bounded.
	granted func(*contract.Contract) bool
}

const concurrency = "concurrency"

// allowances are all that can be used up, in the order in which that is done.
func allowances() []allowance {
	planned := func(bounded func(*contract.Plan) bool) func(*contract.Contract) bool {
		return func(c *contract.Contract) bool { return slices.ContainsFunc(c.Plans, bounded) }
	}
	flagged := func(is func(*contract.Operation) bool) func(*contract.Contract, *contract.Operation) int64 {
		return func(_ *contract.Contract, o *contract.Operation) int64 {
			if is(o) {
				return 1
			}
			return 0
		}
	}
	return []allowance{
		{
			name: concurrency, rule: "concurrency-code", is: condition.ConcurrencyExceeded, what: "A call beyond those that may run at once", declared: "plan with concurrency",
			takes:   flagged(func(o *contract.Operation) bool { return o.Slot }),
			granted: planned(func(p *contract.Plan) bool { return p.Concurrency > 0 }),
		},
		{
			name: "storage", rule: "storage-code", is: condition.StorageExhausted, what: "A call that would keep more than the storage holds", declared: "plan with storage",
			takes:   flagged(func(o *contract.Operation) bool { return o.Stores }),
			granted: planned(func(p *contract.Plan) bool { return p.Storage > 0 }),
		},
		{
			name: "quota", rule: "quota-code", is: condition.QuotaExhausted, what: "A call beyond the quota", declared: "plan with a quota",
			takes:   func(c *contract.Contract, o *contract.Operation) int64 { return charged(o, quotaNames(c)) },
			granted: planned(func(p *contract.Plan) bool { return len(p.Quotas) > 0 }),
		},
		{
			name: "balance", rule: "balance-code", is: condition.BalanceInsufficient, what: "A call that costs more than the balance holds", declared: "balances",
			takes: func(c *contract.Contract, o *contract.Operation) int64 {
				names := make([]string, 0, len(c.Balances))
				for _, b := range c.Balances {
					names = append(names, b.Name)
				}
				return charged(o, names)
			},
			granted: func(c *contract.Contract) bool { return len(c.Balances) > 0 },
		},
	}
}

// Allowances are what [Config.UseUp] can name.
func Allowances() []string {
	all := allowances()
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.name
	}
	return names
}

func quotaNames(c *contract.Contract) (names []string) {
	for _, p := range c.Plans {
		for _, q := range p.Quotas {
			names = append(names, q.Name)
		}
	}
	return names
}

func charged(o *contract.Operation, of []string) (most int64) {
	for _, x := range o.Charges {
		if slices.Contains(of, x.Name) {
			most = max(most, x.Amount)
		}
	}
	return most
}

// taker is the operation that takes most of an allowance; nil when none can be
// called.
func (k *checker) taker(a *allowance) (best *contract.Operation) {
	most := int64(0)
	for _, o := range k.operations() {
		amount := a.takes(k.contract, o)
		if _, known := k.call(o); !known || o.Public || amount == 0 {
			continue
		}
		if amount > most || amount == most && safeMethod(o.Method) && !safeMethod(best.Method) {
			best, most = o, amount
		}
	}
	return best
}

// useUp plans the calls that use allowances up.
func (p *planner) useUp() {
	for _, a := range allowances() {
		if !slices.Contains(p.config.UseUp, a.name) || !a.granted(p.contract) {
			continue
		}
		o := p.taker(&a)
		if o == nil {
			continue
		}
		r, _ := p.call(o)
		x := probe{
			kind: kindSpend, subject: "until the " + a.name + " is used up", operation: o, effect: Writes, request: r,
			rule: a.rule, want: []condition.Condition{a.is},
		}
		if a.name == concurrency {
			x.kind, x.subject = kindCrowd, fmt.Sprintf("one of %d at once", p.crowd())
		}
		p.add(x)
	}
}

// crowd is a call more than any plan lets run at once.
func (k *checker) crowd() int {
	most := 0
	for _, p := range k.contract.Plans {
		most = max(most, p.Concurrency)
	}
	return most + 1
}

// spend calls until the allowance refuses, and once more.
func (k *checker) spend(ctx context.Context, p *probe) error {
	for calls := 0; ; calls++ {
		if k.config.MaxRequests-k.count < 2 {
			k.left[p.rule] = fmt.Sprintf("%d calls did not use it up, and more may not be sent", calls)
			return nil
		}
		x, err := k.patient(ctx, fresh(p), nil)
		if err != nil {
			return err
		}
		if x.succeeded() {
			continue
		}
		if !k.allowanceRefused(x) {
			k.left[p.rule] = p.line() + " was answered with " + x.outcome()
			return nil
		}
		again := fresh(p)
		again.subject = "right after the " + strings.TrimSuffix(p.rule, "-code") + " was used up"
		_, err = k.patient(ctx, again, nil)
		return err
	}
}

// fresh is a call of its own, under an idempotency key of its own.
func fresh(p *probe) *probe {
	next := *p
	if next.request.once != "" {
		next.request.once = freshKey()
	}
	return &next
}

// throng makes a call more at once than may run, and one when all have ended.
func (k *checker) throng(ctx context.Context, p *probe) error {
	if k.config.MaxRequests-k.count <= k.crowd() {
		k.left[p.rule] = fmt.Sprintf("%d calls at once are more than may be sent", k.crowd())
		return nil
	}
	all := make([]*probe, k.crowd())
	for i := range all {
		all[i] = fresh(p)
	}
	if err := k.together(ctx, all); err != nil {
		return err
	}
	if !slices.ContainsFunc(k.seen[len(k.seen)-len(all):], k.allowanceRefused) {
		k.left[p.rule] = fmt.Sprintf("%d calls at once were let in: they end too soon, or this key's plan has no such bound", len(all))
		return nil
	}
	after := fresh(p)
	after.kind, after.subject, after.rule = kindFreed, "when the calls at once have ended", ruleFreed
	_, err := k.patient(ctx, after, nil)
	return err
}

// allowanceRefused reports whether an answer is a limit's: what its code is, is
// for the rules.
func (k *checker) allowanceRefused(x *exchange) bool {
	if x.err != nil || x.status < http.StatusBadRequest && !x.failed || k.hindered(x) {
		return false
	}
	switch x.failure.Condition {
	case condition.RateLimited, condition.QuotaExhausted, condition.BalanceInsufficient, condition.StorageExhausted,
		condition.ConcurrencyExceeded, condition.PaymentRequired:
		return true
	}
	return k.means(x) || k.statusFits(x)
}

const ruleFreed = "concurrency-freed"

// useUpRules are about what --use-up uses up.
func useUpRules() (list []rule) {
	titles := map[string]string{
		concurrency: "too many calls at once are told as such", "storage": "a full storage is told as such",
		"quota": "a used-up quota is told as such", "balance": "a balance that does not suffice is told as such",
	}
	for _, a := range allowances() {
		promised := func(k *checker) promise {
			if !a.granted(k.contract) {
				return promise{absent: a.declared}
			}
			code, status := k.contract.For(a.is)
			return promise{text: a.what + " is answered with " + named(status, code) + ".", pos: code.Pos}
		}
		idle := func(k *checker) string {
			switch {
			case !slices.Contains(k.config.UseUp, a.name):
				return "needs --use-up " + a.name
			case k.key(validKey) == "":
				return "needs --key"
			case k.taker(&a) == nil:
				return "no operation that takes of it can be called without further ado"
			}
			return k.left[a.rule]
		}
		list = append(list, rule{
			id: a.rule, group: groupLimits, title: titles[a.name], severity: conform.Error, promise: promised, idle: idle,
			judge: each(func(k *checker, x *exchange) (bool, *fault) {
				if x.rule != a.rule || !k.allowanceRefused(x) {
					return false, nil
				}
				if k.means(x) {
					return true, nil
				}
				return true, seen(x.outcome())
			}),
		})
		if a.name == concurrency {
			list = append(list, rule{
				id: ruleFreed, group: groupLimits, title: "a call that has ended makes room for another", severity: conform.Error, idle: idle,
				promise: func(k *checker) promise {
					p := promised(k)
					if p.text != "" {
						p.text = "A call counts while it runs: when it has ended, another is let in."
					}
					return p
				},
				judge: each(judgeFreed),
			})
		}
	}
	return list
}

func judgeFreed(_ *checker, x *exchange) (bool, *fault) {
	if x.kind != kindFreed || x.err != nil {
		return false, nil
	}
	if x.failed && x.failure.Condition == condition.ConcurrencyExceeded {
		return true, seen(x.outcome())
	}
	return x.succeeded(), nil
}

// untilRefused is a loop that calls until it is refused, and prints the last answer.
func (k *checker) untilRefused(x *exchange, line string) string {
	return fmt.Sprintf(`for i in $(seq %d); do %sr=$(%s); case "$r" in HTTP/*' '[45]*) break;; esac; done; printf '%%s\n' "$r"`, k.spent(x.rule)+1, ownKey(x), line)
}

// ownKey gives each call of a loop an idempotency key of its own, where it needs one.
func ownKey(x *exchange) string {
	if x.request.once == "" {
		return ""
	}
	return "ID=" + unheard + "-$(date +%s)-$$-$i; "
}

// spent counts the calls that used an allowance up.
func (k *checker) spent(rule string) (n int) {
	for _, x := range k.seen {
		if x.rule == rule {
			n++
		}
	}
	return n
}
