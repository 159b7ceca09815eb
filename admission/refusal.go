package admission

import (
	"slices"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store/meter"
)

// Refusal is the error of a charge that a limit has no room for, or that could
// not be made. errors.Is finds its Condition and its Cause.
type Refusal struct {
	Condition condition.Condition
	// Facts are public, by the names in docs/contract.md.
	Facts []contract.Value
	// RetryAfter is how long to wait before the charge has a chance, exact.
	RetryAfter    time.Duration
	HasRetryAfter bool
	// Cause is private: for logs, never to be sent.
	Cause error
}

// Error tells the condition and, for logs, the cause.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return "admission: " + string(r.Condition) + ": " + r.Cause.Error()
	}
	return "admission: " + string(r.Condition)
}

// Unwrap serves errors.Is and errors.As.
func (r *Refusal) Unwrap() []error {
	if r.Cause != nil {
		return []error{r.Condition, r.Cause}
	}
	return []error{r.Condition}
}

func (r *Refusal) fact(name string, data any) {
	r.Facts = append(r.Facts, contract.Value{Name: name, Data: data})
}

// of says why a limit has refused.
func (r *Refusal) of(l *limit, cost int64, o *meter.Outcome) {
	if !o.Never && !o.Timeless {
		r.RetryAfter, r.HasRetryAfter = o.RetryAfter, true
	}
	rule := &l.rule
	if l.label != "" {
		r.fact("limit_title", l.label)
	}
	switch rule.Kind {
	case meter.Allowance:
		r.Condition = condition.QuotaExhausted
		r.fact("limit_name", l.title)
		r.fact("period", periodName(rule.Period))
		r.counter(rule.Limit, cost, o)
		r.fact("reset", o.Reset)
	case meter.Balance:
		r.Condition = condition.BalanceInsufficient
		r.fact("limit_name", l.title)
		r.fact("remaining", o.Remaining)
		r.fact("needed", cost)
	case meter.Capacity:
		r.Condition = condition.StorageExhausted
		r.counter(rule.Limit, cost, o)
	case meter.Slots:
		r.Condition = condition.ConcurrencyExceeded
		r.fact("limit", rule.Limit)
		r.fact("used", rule.Limit-o.Remaining)
	case meter.Rate, meter.Window:
		r.Condition = condition.RateLimited
		r.Facts = slices.Grow(r.Facts, 4)
		r.fact("limit", rule.Limit)
		r.fact("remaining", o.Remaining)
		r.fact("reset", o.Reset)
		r.fact("window_seconds", int64((rule.Per+time.Second-1)/time.Second))
	}
}

func (r *Refusal) counter(limit, cost int64, o *meter.Outcome) {
	r.fact("limit", limit)
	r.fact("used", limit-o.Remaining)
	r.fact("remaining", o.Remaining)
	r.fact("needed", cost)
}

func periodName(p meter.Period) string {
	if p == meter.Day {
		return "day"
	}
	return "month"
}
