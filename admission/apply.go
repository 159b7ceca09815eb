package admission

import (
	"context"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// limit is a rate of a plan or an operation under the name of its counts.
type limit struct {
	name string
	rate *contract.Rate
}

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
		out = append(out, limit{name, r})
	}
	return out
}

// scratch is what a decision over limits needs, kept for the next one.
type scratch struct {
	demands  []Demand
	outcomes []Outcome
}

func (s *state) scratch() *scratch {
	x, ok := s.scratches.Get().(*scratch)
	if !ok {
		x = &scratch{}
	}
	x.demands = x.demands[:0]
	return x
}

func (d *deciding) cost() int64 {
	if d.call.Operation == nil {
		return 1
	}
	return max(d.call.Operation.Cost, 1)
}

// limits are those of the operation; the contract's own are prepared.
func (d *deciding) limits(o *contract.Operation) []limit {
	if o == nil {
		return nil
	}
	if prepared, ok := d.rates[o]; ok {
		return prepared
	}
	return limitsOf("operation/"+o.ID, o.Rates)
}

// limit takes cost from all limits of the plan and the operation, or from none.
func (d *deciding) limit(ctx context.Context, cost int64) bool {
	own := d.limits(d.call.Operation)
	if len(d.plan.rates)+len(own) == 0 {
		return true
	}
	s := d.state.scratch()
	defer d.state.scratches.Put(s)
	d.demand(s, d.plan.rates, cost)
	d.demand(s, own, cost)
	return d.take(ctx, s, d.v.Account.ID)
}

// public takes from the operation's own rates, counted per source.
func (d *deciding) public(ctx context.Context) bool {
	own := d.limits(d.call.Operation)
	if len(own) == 0 {
		return true
	}
	s := d.state.scratch()
	defer d.state.scratches.Put(s)
	source := block(d.call.Source)
	for _, l := range own {
		s.demands = append(s.demands, Demand{Limit: l.name, Subject: source, Rate: l.rate, Cost: d.cost()})
	}
	return d.take(ctx, s, source)
}

// look reports how the limits stand on a call that is refused for another
// reason, and charges nothing.
func (d *deciding) look(ctx context.Context) {
	of, facts := d.v.Condition, len(d.v.Facts)
	d.limit(ctx, 0)
	d.v.Condition, d.v.Facts, d.v.Cause = of, d.v.Facts[:facts], nil
}

func (d *deciding) demand(s *scratch, limits []limit, cost int64) {
	for _, l := range limits {
		x := Demand{Limit: l.name, Subject: d.v.Key.ID, Rate: l.rate, Cost: cost}
		switch l.rate.Scope {
		case "account":
			x.Subject = d.v.Account.ID
		case "operation":
			if d.call.Operation != nil {
				x.Operation = d.call.Operation.ID
			}
		}
		s.demands = append(s.demands, x)
	}
}

func (d *deciding) take(ctx context.Context, s *scratch, owner string) bool {
	if n := len(s.demands); cap(s.outcomes) < n {
		s.outcomes = make([]Outcome, n)
	}
	s.outcomes = s.outcomes[:len(s.demands)]
	admitted, err := d.state.limiter.Take(ctx, owner, s.demands, s.outcomes)
	if err != nil {
		return d.undecided(condition.Unavailable, err)
	}
	i := binding(s.outcomes)
	bound := s.outcomes[i]
	for j := range s.outcomes {
		bound.Remaining = min(bound.Remaining, s.outcomes[j].Remaining)
	}
	d.report(s.demands[i].Rate, &bound)
	clear(s.demands) // keep nobody's strings
	if admitted {
		return true
	}
	return d.refuse(condition.RateLimited)
}

// report sets what headers and, on a refusal, facts say of a limit. A cost that
// no wait makes room for gets no RetryAfter.
func (d *deciding) report(rate *contract.Rate, o *Outcome) {
	d.v.Limit = LimitState{Rate: rate, Remaining: o.Remaining, Reset: o.Reset}
	if !o.Refused {
		return
	}
	if !o.Never {
		d.v.RetryAfter, d.v.HasRetryAfter = o.RetryAfter, true
	}
	d.fact("limit", rate.Limit)
	d.fact("remaining", o.Remaining)
	d.fact("reset", o.Reset)
	d.fact("window_seconds", int64((rate.Per+time.Second-1)/time.Second))
}
