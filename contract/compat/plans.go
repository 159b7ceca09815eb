package compat

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract"
)

// plans compares what accounts are granted.
func (d *differ) plans() {
	old, now := d.old, d.now
	changed(d, "plan-default", []string{"plans"}, "accounts without a plan", "the plan", old.DefaultPlan, now.DefaultPlan)
	d.outage([]string{"limits", "away"}, "rates and concurrency", old.Away, now.Away)
	d.outage([]string{"limits", "counters_away"}, "quotas, balances and storage", old.CountersAway, now.CountersAway)
	both(old.Plans, now.Plans, func(name string, _ *Plan) {
		d.say("plan-removed", []string{"plans"}, "plan "+name, "is gone")
	}, func(name string, _ *Plan) {
		d.say("plan-added", []string{"plans", name}, "plan "+name, "is new")
	}, func(name string, was, is *Plan) {
		path, subject := []string{"plans", name}, "plan "+name
		d.rates(append(path, "rate"), subject, was.Rates, is.Rates)
		d.quotas(append(path, "quota"), subject, was.Quotas, is.Quotas)
		d.names("feature-removed", "feature-added", append(path, "features"), subject, "the feature", was.Features, is.Features)
		d.bound(append(path, "storage"), subject, "storage", was.Storage, is.Storage, sizeText)
		d.bound(append(path, "concurrency"), subject, "calls at once", int64(was.Concurrency), int64(is.Concurrency), countText)
	})
}

func countText(n int64) string {
	if n == 0 {
		return "no bound"
	}
	return strconv.FormatInt(n, 10)
}

// bound compares limits of which 0 is none.
func (d *differ) bound(path []string, subject, what string, old, now int64, text func(int64) string) {
	rule := "limit-raised"
	switch {
	case old == now:
		return
	case old == 0:
		rule = "limit-added"
	case now == 0:
		rule = "limit-removed"
	case now < old:
		rule = "limit-lowered"
	}
	d.say(rule, path, subject, "%s: %s became %s", what, text(old), text(now))
}

func (d *differ) quotas(path []string, subject string, old, now map[string]Quota) {
	text := func(q Quota) string { return fmt.Sprintf("%d a %s", q.Amount, q.Per) }
	both(old, now, func(name string, was Quota) {
		d.say("limit-removed", path, subject, "the quota %s of %s is gone", name, text(was))
	}, func(name string, is Quota) {
		d.say("limit-added", append(path, name), subject, "the quota %s is %s", name, text(is))
	}, func(name string, was, is Quota) {
		rule := "limit-lowered"
		if is.Amount >= was.Amount && (is.Per == was.Per || is.Per == "day") { // at most the old month's amount on any day
			rule = "limit-raised"
		}
		changed(d, rule, append(path, name), subject, "the quota "+name, text(was), text(is))
		d.outage(append(path, name), subject+", quota "+name, was.Away, is.Away)
	})
}

// outage compares what becomes of calls while the store is away.
func (d *differ) outage(path []string, subject, old, now string) {
	order := []string{string(contract.AwayClosed), string(contract.AwayLocal), string(contract.AwayOpen)}
	rule := "outage-stricter"
	if slices.Index(order, now) > slices.Index(order, old) {
		rule = "outage-looser"
	}
	changed(d, rule, path, subject, "without the store,", old, now)
}

// rates compares sets of rates. A new one that never refuses what the old ones
// let through takes nothing away, however it is written.
func (d *differ) rates(path []string, subject string, old, now []Rate) {
	pairs := pairRates(old, now)
	for i, r := range now {
		at := slices.Concat(path, []string{strconv.Itoa(i)})
		was := pairs[i]
		implied := slices.ContainsFunc(old, func(o Rate) bool { return o.implies(r) })
		switch {
		case was == nil && implied:
			d.say("limit-raised", at, subject, "the rate %s, within what was granted, is new", r)
		case was == nil:
			d.say("limit-added", at, subject, "the rate %s is new", r)
		case !was.same(r) && implied:
			d.say("limit-raised", at, subject, "the rate %s became %s", *was, r)
		case !was.same(r):
			d.say("limit-lowered", at, subject, "the rate %s became %s", *was, r)
		}
		if was != nil {
			changed(d, "limit-renamed", at, subject, "name of the rate "+r.String()+",", was.Name, r.Name)
			d.outage(at, subject+", rate "+r.String(), was.Away, r.Away)
		}
	}
	for i := range old {
		used := false
		for _, p := range pairs {
			used = used || p == &old[i]
		}
		if !used {
			d.say("limit-removed", path, subject, "the rate %s is gone", old[i])
		}
	}
}

// pairRates finds the old form of each new rate: of the same name, else over
// the same time, else what is left in order.
func pairRates(old, now []Rate) []*Rate {
	pairs := make([]*Rate, len(now))
	free := make([]bool, len(old))
	for i := range free {
		free[i] = true
	}
	for _, alike := range []func(a, b Rate) bool{
		func(a, b Rate) bool { return a.Name != "" && a.Name == b.Name },
		func(a, b Rate) bool { return a.Name == "" && b.Name == "" && a.Per == b.Per && a.Scope == b.Scope },
		func(a, b Rate) bool { return a.Per == b.Per },
		func(_, _ Rate) bool { return true },
	} {
		for i := range now {
			for j := range old {
				if pairs[i] == nil && free[j] && alike(old[j], now[i]) {
					pairs[i], free[j] = &old[j], false
				}
			}
		}
	}
	return pairs
}

// String is the rate in words.
func (r Rate) String() string {
	s := fmt.Sprintf("%d per %s", r.Limit, shown(r.Per))
	if r.Burst != r.Limit {
		s += fmt.Sprintf(", %d at once", r.Burst)
	}
	if r.Algorithm == contract.FixedWindow {
		s += " in windows"
	}
	return s + " by " + r.Scope
}

func (r Rate) same(x Rate) bool {
	r.Name, r.Away = x.Name, x.Away
	return r == x
}

// scopes from the narrowest: what an account has in all, each of its keys has at most.
var scopes = []string{"operation", "key", "account"}

// implies reports whether callers who keep within r are never refused by x. The
// arithmetic is that of leaky buckets: r lets at most burst + t × rate calls
// through in any time t, and twice its limit at once where two windows meet.
func (r Rate) implies(x Rate) bool {
	if r.Per <= 0 || x.Per <= 0 || slices.Index(scopes, x.Scope) > slices.Index(scopes, r.Scope) {
		return false
	}
	if r.Algorithm == contract.FixedWindow && x.Algorithm == contract.FixedWindow && r.Per == x.Per {
		return r.Limit <= x.Limit
	}
	burst := float64(r.Burst)
	if r.Algorithm == contract.FixedWindow {
		burst = 2 * float64(r.Limit)
	}
	if x.Algorithm == contract.FixedWindow {
		return burst+r.perSecond()*x.Per.Seconds() <= float64(x.Limit)
	}
	return burst <= float64(x.Burst) && r.perSecond() <= x.perSecond()
}

func (r Rate) perSecond() float64 { return float64(r.Limit) * float64(time.Second) / float64(r.Per) }
