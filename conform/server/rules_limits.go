package server

import (
	"fmt"
	"strconv"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

func limitRules() []rule {
	remaining := func(text string) func(*checker) promise {
		return func(k *checker) promise {
			name := k.contract.Headers.RateLimit.Remaining
			if name == "" {
				return promise{absent: "headers.rate_limit.remaining"}
			}
			return k.at("headers.rate_limit.remaining", name+text)
		}
	}
	return []rule{
		{
			id: "limit-code", group: groupLimits, title: "a used-up limit is told as such", severity: conform.Error,
			promise: func(k *checker) promise {
				code, status := k.contract.For(condition.RateLimited)
				return promise{text: "A call beyond the rate is answered with " + named(status, code) + ".", pos: code.Pos}
			},
			judge: each(judgeLimitCode), idle: needsLimits,
		},
		{
			id: "retry-after-enough", group: groupLimits, title: "who waits as told is let in", severity: conform.Error,
			promise: waitPromise("Who waits as long as ", " says is admitted."),
			judge:   each(judgeOnTime), idle: needsLimits,
		},
		{
			id: "retry-after-needed", group: groupLimits, title: "the wait is not longer than it has to be", severity: conform.Warning,
			promise: waitPromise("Who comes before ", " is over is refused: the wait is no longer than it has to be."),
			judge:   each(judgeEarly), idle: func(k *checker) string {
				if why := needsLimits(k); why != "" || k.stopped {
					return why
				}
				return "the wait is too short to come before it is over"
			},
		},
		{
			id: "remaining-truthful", group: groupLimits, title: "what is said to be left is there", severity: conform.Error,
			promise: remaining(" of 1 or more means that the next call is admitted, and a refused one has 0."),
			judge:   judgeRemaining, idle: needsLimits,
		},
		{
			id: "remaining-steady", group: groupLimits, title: "what is left only falls, but for what time gives back", severity: conform.Error,
			promise: remaining(" falls with each call, and rises by what time gives back."),
			judge:   judgeSteady, idle: needsLimits,
		},
		{
			id: "reset-steady", group: groupLimits, title: "the instant of reset stands still without calls", severity: conform.Warning,
			promise: func(k *checker) promise {
				name := k.contract.Headers.RateLimit.Reset
				if name == "" {
					return promise{absent: "headers.rate_limit.reset"}
				}
				return k.at("headers.rate_limit.reset", name+" names an instant that refused calls do not move.")
			},
			judge: judgeReset, idle: needsLimits,
		},
	}
}

// waitPromise is about the wait that a refusal names; a contract may say
// nothing of Retry-After and still tell it elsewhere.
func waitPromise(before, after string) func(*checker) promise {
	return func(k *checker) promise {
		if _, ok := k.contract.Place("headers", "retry_after"); ok {
			return k.at("headers.retry_after", before+k.contract.Headers.RetryAfter.Name+after)
		}
		if _, ok := k.contract.Place("client", "hints"); ok {
			return k.at("client.hints", before+"the hint of a refusal"+after)
		}
		return promise{absent: "headers.retry_after and no client.hints"}
	}
}

func judgeLimitCode(k *checker, x *exchange) (bool, *fault) {
	if x.kind != kindFill && x.kind != kindFull || x.err != nil || !k.limited(x) {
		return false, nil
	}
	code, _ := k.contract.For(condition.RateLimited)
	if got := x.failure.Code; got == code || got != nil && got.Means(condition.RateLimited) {
		return true, nil
	}
	return true, seen(x.outcome())
}

func judgeOnTime(k *checker, x *exchange) (bool, *fault) {
	if x.kind != kindOnTime || x.err != nil {
		return false, nil
	}
	if k.limited(x) {
		return true, seen(fmt.Sprintf("%s, %v after a wait of %v was asked for", x.outcome(), sinceToldOf(x), x.before.failure.RetryAfter))
	}
	return true, nil
}

func judgeEarly(k *checker, x *exchange) (bool, *fault) {
	if x.kind != kindEarly || x.err != nil {
		return false, nil
	}
	if !k.limited(x) {
		return true, seen(fmt.Sprintf("%s, %v after a wait of %v was asked for", x.outcome(), sinceToldOf(x), x.before.failure.RetryAfter))
	}
	return true, nil
}

func sinceToldOf(x *exchange) time.Duration {
	return (x.at - x.before.at - x.before.took).Round(10 * time.Millisecond)
}

// filling are the calls that used a limit up, in order, the refused one last.
func (k *checker) filling(all []*exchange) (list []*exchange) {
	for _, x := range all {
		if (x.kind == kindFill || x.kind == kindFull) && x.err == nil {
			list = append(list, x)
		}
	}
	return list
}

func (k *checker) remaining(x *exchange) (int64, bool) {
	n, err := strconv.ParseInt(x.header.Get(k.contract.Headers.RateLimit.Remaining), 10, 64)
	return n, err == nil
}

func judgeRemaining(k *checker, all []*exchange) (tried int, broken []fault) {
	list := k.filling(all)
	for i, x := range list {
		left, ok := k.remaining(x)
		if !ok || x.operation.Cost > 1 {
			continue
		}
		name := k.contract.Headers.RateLimit.Remaining
		switch {
		case k.limited(x):
			tried++
			if left > 0 {
				broken = append(broken, fault{x: x, seen: fmt.Sprintf("%s with %s: %d", statusText(x.status), name, left)})
			}
		case i+1 < len(list):
			tried++
			if left > 0 && k.limited(list[i+1]) {
				broken = append(broken, fault{x: list[i+1], with: []*exchange{x}, seen: fmt.Sprintf("%s after %s: %d", statusText(list[i+1].status), name, left)})
			}
		}
	}
	return tried, broken
}

// judgeSteady allows for what comes back while the calls are made: all of the
// limit within the shortest window of the contract.
func judgeSteady(k *checker, all []*exchange) (tried int, broken []fault) {
	list := k.filling(all)
	for i := 1; i < len(list); i++ {
		x, before := list[i], list[i-1]
		now, ok := k.remaining(x)
		then, also := k.remaining(before)
		if !ok || !also {
			continue
		}
		tried++
		limit, _ := strconv.ParseInt(x.header.Get(k.contract.Headers.RateLimit.Limit), 10, 64)
		passed := x.at + x.took - before.at
		back := 1 + int64(float64(max(limit, 1))*float64(passed)/float64(k.shortestWindow()))
		if now > then+back && !k.newWindow(before, x) {
			broken = append(broken, fault{x: x, with: []*exchange{before}, seen: fmt.Sprintf("%d left, after %d were", now, then)})
		}
	}
	return tried, broken
}

// newWindow reports whether the reset that one answer named has come before the next.
func (k *checker) newWindow(before, x *exchange) bool {
	at, ok := k.reset(before)
	return ok && !x.now.Before(at)
}

func (k *checker) shortestWindow() time.Duration {
	shortest := time.Duration(0)
	look := func(rates []contract.Rate) {
		for _, r := range rates {
			if shortest == 0 || r.Per < shortest {
				shortest = r.Per
			}
		}
	}
	for _, p := range k.contract.Plans {
		look(p.Rates)
	}
	for _, o := range k.contract.Operations {
		look(o.Rates)
	}
	if shortest == 0 {
		return time.Minute
	}
	return shortest
}

// judgeReset compares two refusals, which take nothing of the limit.
func judgeReset(k *checker, all []*exchange) (tried int, broken []fault) {
	var before *exchange
	for _, x := range k.filling(all) {
		if !k.limited(x) {
			continue
		}
		if before == nil {
			before = x
			continue
		}
		then, ok := k.reset(before)
		now, also := k.reset(x)
		if !ok || !also {
			continue
		}
		tried++
		// Whole seconds are rounded, and so is the clock that they are counted from.
		if moved := now.Sub(then); moved > time.Second || moved < -time.Second {
			if k.newWindow(before, x) {
				continue
			}
			broken = append(broken, fault{x: x, with: []*exchange{before}, seen: "it has moved by " + moved.String()})
		}
	}
	return tried, broken
}
