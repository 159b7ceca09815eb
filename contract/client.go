package contract

import (
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/hint"
)

// ClientRules is how a caller of the API should behave.
type ClientRules struct {
	// Attempts counts all tries of one call, the first included; 1 means no retry.
	Attempts int
	// Timeout of one attempt; 0 means none is promised.
	Timeout time.Duration
	Backoff Backoff
	// Hints are asked in order; the first that is present and sane is the wait.
	Hints []Hint
	// MaxHint is the longest hint that a caller waits for by itself; a longer
	// one ends the call at once. 0 means no bound but the caller's deadline.
	MaxHint time.Duration
	// DefaultWaits stand in for a missing hint, by status.
	DefaultWaits map[int]time.Duration
	// Network is the advice for a call that got no response at all.
	Network condition.Retry
	// ByStatus is the advice for responses whose code is unknown or says nothing.
	ByStatus []StatusAdvice
	// Classes are the documented names of typed errors.
	Classes []Class
	// Log lists what the API's document asks callers to log.
	Log []string
	// Advice is the document's guidance to callers, in own words.
	Advice []string
}

// Backoff is first × factor^n, capped, with jitter, for the n-th retry from 0.
type Backoff struct {
	First  time.Duration
	Factor float64
	// Cap is the longest wait before jitter; 0 means none.
	Cap    time.Duration
	Jitter Jitter
}

// Jitter spreads waits: the wait is multiplied by a factor drawn evenly from
// Low to High (1 to 1 when both are 0) and then a duration drawn evenly from 0
// to Add is added.
type Jitter struct {
	Low, High float64
	Add       time.Duration
}

// Wait returns the wait before retry n (from 0). random is drawn evenly from
// [0, 1) by the caller, who thereby owns the randomness.
func (b Backoff) Wait(n int, random float64) time.Duration {
	wait := float64(b.First)
	for range n {
		wait *= max(b.Factor, 1)
		if b.Cap > 0 && wait >= float64(b.Cap) {
			wait = float64(b.Cap)
			break
		}
		if wait > float64(maxWait) {
			wait = float64(maxWait)
			break
		}
	}
	if b.Jitter.High > 0 {
		wait *= b.Jitter.Low + random*(b.Jitter.High-b.Jitter.Low)
	}
	wait += random * float64(b.Jitter.Add)
	return time.Duration(min(wait, float64(maxWait)))
}

// maxWait keeps arithmetic on waits far from overflow.
const maxWait = 10 * 365 * 24 * time.Hour

// Hint is where a response says how long to wait.
type Hint struct {
	// Header or Body is set: a header's name, or the dotted path of a member.
	Header string
	Body   []string
	Unit   hint.Unit

	// name is the header's in canonical form. limits says that it tells of a limit,
	// and may be on any response.
	name   string
	limits bool
}

// StatusAdvice is retry advice for a range of statuses.
type StatusAdvice struct {
	Statuses StatusRange
	Retry    condition.Retry
}

// Class is a typed error of the API's own clients.
type Class struct {
	Name string
	// Base is the class it derives from, "" for a root.
	Base       string
	Statuses   []StatusRange
	Conditions []condition.Condition
	// Languages in which it is documented.
	Languages []string
}
