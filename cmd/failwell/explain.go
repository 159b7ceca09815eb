package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

type explainCmd struct {
	Code     string `arg:""                                                                                                                 help:"Error code, condition or HTTP status. Absent: a response is read from stdin, as curl -i prints it." optional:""`
	Contract string `help:"Contract to go by: a built-in name or a file. Absent: all built-in ones for a code, conventions for a response." placeholder:"NAME|FILE"                                                                                   short:"c"`
	JSON     bool   `help:"Print JSON."`
}

// Run explains a code or a response.
func (x *explainCmd) Run(_ context.Context, c *console) error {
	if x.Code != "" {
		return x.code(c)
	}
	return x.response(c, time.Now())
}

// whoActs words a fault.
func whoActs(f condition.Fault) string {
	switch f {
	case condition.FaultCaller:
		return "the caller's: the request, the key or the plan has to change"
	case condition.FaultServer:
		return "the API's own"
	case condition.FaultUpstream:
		return "of something behind the API"
	}
	return ""
}

// advice words when to send the call again.
func advice(x *contract.Explanation) string {
	wait := ""
	if x.HasRetryAfter {
		wait = ", not before " + x.RetryAfter.String() + " from now"
		if x.RetryAfter == 0 {
			wait = ", at once if you like"
		}
	}
	switch x.Retry {
	case condition.Never:
		return "never as it is: the same call fails again"
	case condition.AfterWait:
		if wait == "" {
			return "after the wait that the response names"
		}
		return "after a wait" + wait
	case condition.Backoff:
		return "yes, with growing waits" + growth(x) + wait
	case condition.SameKey:
		return "yes, a write only under the same idempotency key" + wait
	case condition.NewKey:
		return "only under a fresh idempotency key"
	case condition.AfterAction:
		return "after somebody acted, see what to do" + wait
	case condition.RetryUnknown:
	}
	return ""
}

// growth words a contract's backoff.
func growth(x *contract.Explanation) string {
	b := x.Retries
	if b == nil {
		return ""
	}
	s := fmt.Sprintf(": %v, then %g times as long each time", b.First, b.Factor)
	if b.Cap > 0 {
		s += fmt.Sprintf(" up to %v", b.Cap)
	}
	return s + fmt.Sprintf(", %d tries in all", x.Attempts)
}

func words[T ~string](list []T) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = string(x)
	}
	return strings.Join(parts, ", ")
}
