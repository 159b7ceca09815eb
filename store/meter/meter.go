package meter

import (
	"context"
	"errors"
	"time"
)

// Kind is how a limit counts.
type Kind uint8

// The kinds.
const (
	// Rate frees capacity evenly: the generic cell rate algorithm (ITU-T I.371).
	Rate Kind = iota
	// Window frees all capacity at the end of a window that begins with the first call.
	Window
	// Allowance is so many units per calendar month or day, in UTC.
	Allowance
	// Balance is what was paid in and is used up; time gives nothing back.
	Balance
	// Capacity is so many bytes at once: taken, and freed by whoever deletes.
	Capacity
	// Slots are calls that may run at once. Each is always held.
	Slots
)

// Counts reports whether k is a counter.
func (k Kind) Counts() bool { return k >= Allowance }

// Period is the calendar of an Allowance.
type Period uint8

// The periods begin at 00:00 UTC, of the first day for a month.
const (
	Month Period = iota
	Day
)

// Rule is one limit's rule. Units are calls, units of an allowance or a
// balance, bytes, or slots.
type Rule struct {
	Kind Kind
	// Limit is units per window or period, bytes, or slots; of no meaning for Balance.
	Limit int64
	// Burst is how many units may come at once; 0 means Limit. Rate only.
	Burst int64
	// Per is the length of the window. Rate and Window.
	Per time.Duration
	// Period of an Allowance.
	Period Period
}

// Demand is what a call asks of one limit. Limit, Subject and Operation
// together name the limit's state; the rule may change while it lasts.
type Demand struct {
	// Limit is the plan or the operation that the limit belongs to and its name there.
	Limit string
	// Subject is who is counted: the id of a key or an account, or a source.
	Subject string
	// Operation is set if each operation is counted by itself.
	Operation string
	Rule      *Rule
	// Cost in units, never negative. 0 only asks how things stand.
	Cost int64
}

// Outcome is one limit after a decision.
type Outcome struct {
	// Remaining units that a call could have now.
	Remaining int64
	// Reset is when all of a rate is free again if no call comes before, or when
	// a period ends. It is kept, so it does not move without traffic. Zero for
	// kinds that time does not free.
	Reset time.Time
	// Refused says that this limit had no room for the call.
	Refused bool
	// RetryAfter is how long until it has: exact for rates, where it is an
	// appointment (see Taking.Caller), and allowances. Never above one window,
	// the longest one of the call's rates where several count.
	RetryAfter time.Duration
	// Timeless says that a refusal has no RetryAfter, because no clock frees the
	// limit: somebody else has to pay, delete or finish.
	Timeless bool
	// Never says that the cost is above what the limit holds: waiting does not help.
	Never bool
}

// Taking is one decision over all the limits that a call touches.
type Taking struct {
	// Owner is whom all of it belongs to, an account or a source. Its state is
	// kept together.
	Owner string
	// Caller tells callers apart that are refused together, 0 when nobody knows.
	// Each is given an appointment of its own: successive instants at which a
	// unit is free, so that a crowd that obeys comes back one by one and each
	// gets in. A Caller who comes back early keeps the appointment.
	Caller uint32
	// Hold names what is taken from counters until Settle; "" takes it for good.
	// Required where a demand is of kind Slots. A hold that is there already is
	// claimed and renewed, and not charged again, so that repetitions of one call
	// are charged once.
	Hold string
	// Claim is the number of who goes by the hold, from 1 to MaxUnits, which no
	// other Taking under the Hold has: by it Settle tells them apart. Required with
	// Hold. A hold tells MaxClaims apart: once there were more, none is given back
	// by itself, and whoever settles the hold ends it.
	Claim uint64
	// Renew says that the claim is one that has been taken, to be kept longer: a
	// keeper that gives back what nobody waited for leaves it alone.
	Renew bool
	// Lease is how long Slots and Capacity stay held when nobody settles, so that
	// a crash frees them. Required with Hold.
	Lease time.Duration
	// Keep is how long an Allowance or a Balance remembers the hold; then the
	// charge is final, since the work may have been done. Required with Hold.
	Keep time.Duration
	// Demands and Outcomes have the same length and belong to the caller.
	Demands  []Demand
	Outcomes []Outcome
	// Admitted is the decision.
	Admitted bool
}

// Settlement ends what a Taking began.
type Settlement struct {
	Owner string
	// Hold as in the Taking. Settling a hold that is not there, or not there any
	// more, changes nothing.
	Hold string
	// Claim as in the Taking: the settlement changes nothing where the hold does
	// not have this claim, because it was settled before. So it can be repeated, however
	// late and whoever has taken under the same name meanwhile. 0 ends the hold
	// whoever claims it.
	Claim uint64
	// Left gives the claim on the hold back without an outcome, because the work
	// was not begun. The hold is freed when nobody else claims it. Changes name
	// the limits; Kept is not looked at.
	Left bool
	// Whole ends the hold also where it does not have the Claim, and keeps nothing
	// then: for who knows that the claim is all that may be left to settle.
	Whole bool
	// Once says that the changes are corrections that must not happen twice, for
	// example money paid in. They are made if no counter has the Hold, which is
	// then remembered for so long; where it is there already, nothing changes.
	// It is looked for and kept in each counter by itself, with a charge of 0.
	Once    time.Duration
	Changes []Change
}

// Change is what becomes of one demand.
type Change struct {
	Demand // Cost is what was taken
	// Kept is what stays taken. Less than Cost gives back, more takes more even
	// where there is no room: the work has been done.
	Kept int64
}

// Meter keeps the state of limits and decides.
//
// Take admits a call if every demand has room, and then charges all of them;
// otherwise it charges none, so that a refused call costs nothing. It fills in
// Outcomes and Admitted. Of any number of concurrent calls of cost 1 against a
// limit of n, exactly n are admitted, unless the Meter's own documentation
// states an overshoot. Demands of cost 0 are never refused.
//
// Settle with a Hold makes a held charge final, or gives it back; without one it
// corrects a charge by Kept minus Cost: rates and counters, never below zero.
//
// After an error nobody knows whether anything was charged; it is never due to
// a limit. Both may be called from any goroutine. A Taking is not kept.
type Meter interface {
	Take(ctx context.Context, t *Taking) error
	Settle(ctx context.Context, s *Settlement) error
}

// ErrInvalid says that a Taking or a Settlement breaks a rule of this package.
var ErrInvalid = errors.New("meter: invalid argument")
