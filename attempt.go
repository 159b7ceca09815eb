package failwell

import (
	"net/http"
	"slices"
	"time"
)

// Attempt is one try of a call.
type Attempt struct {
	// At is when it began, Duration how long it took until the response's
	// headers, and for a failure its body, were there.
	At       time.Time
	Duration time.Duration
	// Status is 0 when no response came.
	Status int
	// Code is the code as sent, else the name of the condition; "" for a success.
	Code      string
	Condition Condition
	RequestID string
	// Reason says in a few words what went wrong, without credentials.
	Reason string
	// Wait is how long the client then waited before it tried again.
	Wait time.Duration
	// Stopped says why there was no further attempt; "" when there was one.
	Stopped Stop
}

// Stop is why a call was not repeated.
type Stop string

// The reasons, in the order in which they are looked at. The first that holds
// is reported.
const (
	// StopCancelled: the caller's context ended.
	StopCancelled Stop = "cancelled"
	// StopDeadline: the wait would outlast the caller's deadline, or it passed.
	StopDeadline Stop = "deadline"
	// StopPartial: part of the call was done.
	StopPartial Stop = "partial"
	// StopAdvice: repeating cannot help, or only after somebody acted.
	StopAdvice Stop = "advice"
	// StopUnsafe: the call may have had an effect, and no key protects it.
	StopUnsafe Stop = "unsafe"
	// StopBody: the request's body cannot be sent again.
	StopBody Stop = "body"
	// StopAttempts: all attempts were made.
	StopAttempts Stop = "attempts"
	// StopMaxWait: the wait is longer than [Transport].MaxWait.
	StopMaxWait Stop = "max_wait"
	// StopBudget: the transport's [Budget] is used up.
	StopBudget Stop = "budget"
)

// String is the reason in words.
func (s Stop) String() string {
	switch s {
	case StopCancelled:
		return "cancelled by the caller"
	case StopDeadline:
		return "the caller's deadline is too near"
	case StopPartial:
		return "part of the call was done"
	case StopAdvice:
		return "repeating cannot help"
	case StopUnsafe:
		return "not repeated, since it may have had an effect and carries no idempotency key"
	case StopBody:
		return "not repeated, since its body cannot be sent again without GetBody"
	case StopAttempts:
		return "all attempts were made"
	case StopMaxWait:
		return "the wait is longer than the client waits"
	case StopBudget:
		return "the retry budget is used up"
	default:
		return string(s)
	}
}

// Attempts returns the tries that a call through a [Transport] took, in their
// order: those before the response, and the one that brought it. It is nil for a
// success at the first try, which leaves no trace, and for any other response.
func Attempts(resp *http.Response) []Attempt {
	if resp == nil {
		return nil
	}
	if c := recorded(resp); c != nil {
		c.telling.Lock()
		defer c.telling.Unlock()
		c.tell()
		return slices.Clone(c.attempts)
	}
	return nil
}
