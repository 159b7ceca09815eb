package record

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// Result is what a step came to.
type Result string

// The results.
const (
	Passed  Result = "passed"
	Stopped Result = "stopped"
	Skipped Result = "skipped"
)

// Decision is one step on the way of a request, in plain words.
type Decision struct {
	// Step in one or two words, for example "key" or "limits".
	Step   string `json:"step"`
	Result Result `json:"result"`
	Detail string `json:"detail,omitempty"`
}

// order is the way of a request through a guard (docs/design.md), and which
// conditions end it where.
var order = []struct {
	step  string
	stage Stage
	ends  []condition.Condition
}{
	{"route", Routing, nil},
	{"key", Admission, []condition.Condition{
		condition.KeyMissing, condition.KeyMalformed, condition.KeyUnknown, condition.KeyExpired, condition.KeyRevoked, condition.KeyDeactivated,
	}},
	{"account", Admission, []condition.Condition{condition.PaymentRequired, condition.AccountSuspended}},
	{"permission", Admission, []condition.Condition{condition.PermissionDenied}},
	{"feature", Admission, []condition.Condition{condition.FeatureUnavailable}},
	{"load", Admission, []condition.Condition{condition.Overloaded}},
	{stepKey, Admission, []condition.Condition{
		condition.ParameterMissing, condition.ParameterInvalid, condition.FormatInvalid, condition.RequestMalformed,
		condition.IdempotencyMismatch, condition.IdempotencyInProgress, condition.IdempotencyOutcomeUnknown, condition.IdempotencyNotReplayable,
	}},
	{stepLimits, Admission, []condition.Condition{
		condition.RateLimited, condition.QuotaExhausted, condition.BalanceInsufficient, condition.StorageExhausted, condition.ConcurrencyExceeded,
	}},
	{"validation", Validation, nil},
	{"reservation", Reservation, nil},
	{"work", Handling, nil},
}

const (
	stepKey    = "idempotency"
	stepLimits = "limits"
)

// Decisions tells the way of the request through the steps, in order. What
// comes after the step that stopped it is skipped.
func (r *Record) Decisions() []Decision {
	stopped := r.stoppedAt()
	out := make([]Decision, 0, len(order))
	for i := range order {
		d := Decision{Step: order[i].step, Result: Passed}
		switch {
		case i == stopped:
			d.Result = Stopped
		case stopped >= 0 && i > stopped:
			d.Result = Skipped
		}
		if d.Result != Skipped {
			d.Detail = r.detail(d.Step, d.Result)
		}
		if d.Result == Passed && r.Idempotency.State == "" && (d.Step == stepKey || d.Step == "reservation") {
			d.Result = Skipped // it has no idempotency key
		}
		out = append(out, d)
	}
	return out
}

// stoppedAt is the index of the step that ended the request, -1 for none.
func (r *Record) stoppedAt() int {
	if r.Stage == Handling {
		if r.Code == "" {
			return -1
		}
		return len(order) - 1
	}
	if r.Stage == Admission && r.KeyStart == "" && (r.Condition == condition.Unavailable || r.Condition == condition.Internal) {
		return 1 // the key could not be looked up
	}
	last := -1
	for i := range order {
		if order[i].stage != r.Stage {
			continue
		}
		last = i
		if slices.Contains(order[i].ends, r.Condition) {
			return i
		}
	}
	return last
}

func (r *Record) detail(step string, result Result) string {
	why := ""
	if result == Stopped {
		why = string(r.Condition)
	}
	switch step {
	case "route":
		if r.Operation != "" && why == "" {
			return r.Operation
		}
	case "key":
		if r.KeyStart != "" && why == "" {
			return r.KeyStart + "…"
		}
	case "account":
		if r.Account != "" && why == "" {
			return strings.TrimSuffix(r.Account+" on plan "+r.Plan, " on plan ")
		}
	case stepLimits:
		return r.limitsDetail(why)
	case stepKey, "reservation":
		return strings.TrimSpace(string(r.Idempotency.State) + " " + why)
	case "work":
		return r.workDetail(why)
	}
	return why
}

func (r *Record) limitsDetail(why string) string {
	l := r.binding()
	switch {
	case l == nil:
		return why
	case why != "":
		return fmt.Sprintf("%s: %s had %d left of %s, %d needed", why, l.Title(), l.Before, l.Of(), l.Cost)
	}
	return fmt.Sprintf("%s is the tightest: %d left of %s", l.Title(), l.After, l.Of())
}

func (r *Record) workDetail(why string) string {
	if n := len(r.Tries); n > 0 {
		t := &r.Tries[n-1]
		text := fmt.Sprintf("%s answered %d after %v", t.To, t.Status, t.Took.Round(10*time.Microsecond))
		if t.Status == 0 {
			text = t.To + " gave no answer: " + t.Failed
		}
		return strings.TrimPrefix(why+": "+text, ": ")
	}
	return why
}

// Title names a limit for people.
func (l *Limit) Title() string {
	if l.Name == "" || l.Name == l.Kind {
		return "the " + l.Kind
	}
	return "the " + l.Kind + " " + l.Name
}

// Of is the limit itself in words: 60 per 1m0s, 1000 per month.
func (l *Limit) Of() string {
	switch {
	case l.Per > 0:
		return fmt.Sprintf("%d per %s", l.Max, strings.TrimSuffix(strings.TrimSuffix(l.Per.String(), "0s"), "0m"))
	case l.Period != "":
		return fmt.Sprintf("%d per %s", l.Max, l.Period)
	case l.Max > 0:
		return strconv.FormatInt(l.Max, 10)
	}
	return "what was paid in"
}

// Point is one limit as one request left it.
type Point struct {
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Max     int64     `json:"max,omitempty"`
	Left    int64     `json:"left"`
	Refused bool      `json:"refused,omitempty"`
}

// Points tells how a limit stood over time, the oldest first, out of records
// that are the newest first, as a page of them is. An empty name means the rates
// without one.
func Points(records []Record, name, kind string) []Point {
	var out []Point
	for i := len(records) - 1; i >= 0; i-- {
		r := &records[i]
		for j := range r.Limits {
			if l := &r.Limits[j]; l.Name == name && l.Kind == kind {
				out = append(out, Point{r.Ended, r.ID, l.Max, l.After, l.Refused})
			}
		}
	}
	return out
}
