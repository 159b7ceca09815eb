package contract

import (
	"slices"
	"time"
)

// Feature is something that only some plans include.
type Feature struct{ Name, Title string }

// Plan is what an account is granted.
type Plan struct {
	Name, Title, Price string
	Rates              []Rate
	Quotas             []Quota
	// Credits is the allowance as people read it, for example "200K/month".
	Credits  string
	Features []string
	// Storage is in bytes; 0: no bound.
	Storage int64
	// Concurrency is how many calls of operations with Slot may run at once; 0: no bound.
	Concurrency int
	Pos         Position
}

// Includes reports whether the plan grants a feature.
func (p *Plan) Includes(feature string) bool {
	return slices.Contains(p.Features, feature)
}

// Algorithm is how a rate is enforced.
type Algorithm string

const (
	// GCRA frees capacity evenly (ITU-T I.371 generic cell rate algorithm).
	GCRA Algorithm = "gcra"
	// FixedWindow frees all capacity at the end of a window that starts with the first call.
	FixedWindow Algorithm = "window"
)

// Rate is a limit of calls per time.
type Rate struct {
	Name  string
	Limit int64
	Per   time.Duration
	// Burst is how many calls may come at once; Limit when 0. GCRA only.
	Burst     int64
	Algorithm Algorithm
	// Scope is "key", "account" or "operation" (per key and operation).
	Scope string
	// Away is what happens when the limit's store is away.
	Away Away
}

// Away is what becomes of a call when the state of a limit is out of reach.
type Away string

// The policies.
const (
	// AwayOpen lets calls in unlimited.
	AwayOpen Away = "open"
	// AwayClosed refuses them with unavailable.
	AwayClosed Away = "closed"
	// AwayLocal has each process count by itself, the whole limit for each.
	AwayLocal Away = "local"
)

// Quota is an allowance per calendar period.
type Quota struct {
	Name   string
	Amount int64
	// Per is "month" or "day", in UTC.
	Per string
	// Away is what happens when the quota's store is away.
	Away Away
}

// LimitRules are defaults for all limits of the contract.
type LimitRules struct {
	Algorithm Algorithm
	Scope     string
	// Away of rates and concurrency; local unless the contract says otherwise.
	Away Away
	// CountersAway is Away of quotas, balances and storage; closed unless the
	// contract says otherwise.
	CountersAway Away
}

// Balance is something that accounts pay in beforehand and calls use up.
type Balance struct {
	Name, Title string
	Pos         Position
}

// Charge is what one call takes of a quota of the plan, or of a balance of the
// account. A plan that does not have the quota grants it without bound.
type Charge struct {
	Name   string
	Amount int64
}
