package admission

import (
	"context"
	"time"

	"github.com/failwell/failwell/contract"
)

// Limiter decides over all the limits that a call touches at once. LocalLimiter
// is the one in this process; others may keep their state in a store.
//
// Take admits a call if every demand has room, and then charges all of them;
// otherwise it charges none, so that a refused call costs nothing. It fills
// outcomes[i] for demands[i]; both slices have the same length and belong to
// the caller, who may reuse them. Concurrent calls are exact: of any number of
// calls of cost 1 against a limit of n, n are admitted. All demands of a call
// belong to owner, who may be used to place their state together. A demand of
// cost 0 is charged nothing and never refused; it only asks how things stand.
//
// An error means that no decision could be made and nothing was charged.
type Limiter interface {
	Take(ctx context.Context, owner string, demands []Demand, outcomes []Outcome) (admitted bool, err error)
}

// Demand is what a call asks of one limit.
type Demand struct {
	// Limit identifies the limit: the plan or the operation that it belongs to
	// and its name there. It survives the reload of a contract in which only
	// the numbers changed, and so do the counts.
	Limit string
	// Subject is who is counted: the id of a key or an account, or a source.
	Subject string
	// Operation is set if each operation is counted by itself.
	Operation string
	Rate      *contract.Rate
	Cost      int64
}

// Outcome is one limit after a decision.
type Outcome struct {
	// Remaining calls of cost 1 that would be admitted now.
	Remaining int64
	// Reset is when all of the limit is free again if no call comes before. It is
	// kept, not derived, so that it does not move without traffic.
	Reset time.Time
	// Refused says that this limit had no room for the call.
	Refused bool
	// RetryAfter is how long until it has, exact. Meaningful when Refused is
	// set and Never is not.
	RetryAfter time.Duration
	// Never says that the cost is above the burst: waiting does not help.
	Never bool
}

// binding is the outcome that headers and facts speak of: when refused, the
// limit that makes the call wait longest; else the one with the least left,
// and of these the one that frees last.
func binding(outcomes []Outcome) int {
	best := 0
	for i := range outcomes {
		if tighter(&outcomes[i], &outcomes[best]) {
			best = i
		}
	}
	return best
}

func tighter(a, b *Outcome) bool {
	switch {
	case a.Refused != b.Refused:
		return a.Refused
	case a.Never != b.Never:
		return a.Never
	case a.Refused && a.RetryAfter != b.RetryAfter:
		return a.RetryAfter > b.RetryAfter
	case a.Remaining != b.Remaining:
		return a.Remaining < b.Remaining
	}
	return a.Reset.After(b.Reset)
}
