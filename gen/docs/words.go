package docs

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// brief writes 24h0m0s as 24h, and 1.8s as it is.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// per names the window of a rate.
func per(d time.Duration) string {
	switch d {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return brief(d)
}

// grouped writes 1200000 as 1,200,000.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesOf writes a size in the unit in which it is round.
func bytesOf(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{
		{"TB", 1e12}, {"TiB", 1 << 40}, {"GB", 1e9}, {"GiB", 1 << 30}, {"MB", 1e6}, {"MiB", 1 << 20}, {"kB", 1e3}, {"KiB", 1 << 10},
	} {
		if n >= u.size && n%u.size == 0 {
			return grouped(n/u.size) + " " + u.name
		}
	}
	return grouped(n) + " bytes"
}

func rateOf(r contract.Rate) text {
	s := fmt.Sprintf("%s per %s", grouped(r.Limit), per(r.Per))
	if r.Burst > 0 && r.Burst != r.Limit {
		s += fmt.Sprintf(", at most %s at once", grouped(r.Burst))
	}
	return plain(s)
}

func ratesOf(list []contract.Rate) text {
	parts := make([]text, 0, len(list))
	for _, r := range list {
		parts = append(parts, rateOf(r))
	}
	return joined("; ", parts)
}

// scopeOf says whose calls a rate counts.
func scopeOf(scope string) string {
	switch scope {
	case "account":
		return "all keys of an account together"
	case "operation":
		return "each key in each operation"
	}
	return "each key"
}

// refills says how a rate frees up.
func refills(a contract.Algorithm) string {
	if a == contract.FixedWindow {
		return "all at once, at the end of a window that begins with the first call"
	}
	return "evenly, as time goes by"
}

func rangesOf(list []contract.StatusRange) string {
	parts := make([]string, 0, len(list))
	for _, r := range list {
		switch {
		case r.From == r.To:
			parts = append(parts, strconv.Itoa(r.From))
		case r.From%100 == 0 && r.To == r.From+99:
			parts = append(parts, strconv.Itoa(r.From/100)+"xx")
		default:
			parts = append(parts, fmt.Sprintf("%d to %d", r.From, r.To))
		}
	}
	return strings.Join(parts, ", ")
}

// classOf is the class of a status, as chips are coloured by.
func classOf(status int) string { return strconv.Itoa(status/100) + "xx" }

// reasonOf is the name of a Status: the API's own, or RFC 9110's.
func reasonOf(c *contract.Contract, status int) string {
	if row, ok := c.Status(status); ok && row.Name != "" {
		return row.Name
	}
	return http.StatusText(status)
}

// adviceOf says in a word or two, and in a sentence, whether to repeat a call.
func adviceOf(r condition.Retry) (word, sentence string) {
	switch r {
	case condition.Never:
		return "no", "The same call cannot succeed. Change it first."
	case condition.AfterWait:
		return "after the wait", "Send the call again once the wait that the response names is over."
	case condition.Backoff:
		return "with growing waits", "Send the call again after a wait that grows from try to try."
	case condition.SameKey:
		return "with the same key", "Send the call again after a wait; a write only under the same idempotency key."
	case condition.NewKey:
		return "with a new key", "Send the call again under a fresh idempotency key."
	case condition.AfterAction:
		return "after acting", "Send the call again once somebody has acted, as told below."
	case condition.RetryUnknown:
	}
	return "not told", "Nothing is promised about a repetition."
}

// actorOf says who has to act.
func actorOf(f condition.Fault) (word, sentence string) {
	switch f {
	case condition.FaultCaller:
		return "you", "The request, the key or the plan has to change."
	case condition.FaultUpstream:
		return "a service behind the API", "Nothing in the request is wrong. Something that the API depends on failed."
	case condition.FaultServer:
	}
	return "the API", "Nothing in the request is wrong. The API itself has to recover."
}

// kindOf colours advice.
func kindOf(r condition.Retry) string {
	switch {
	case r.Retryable():
		return "yes"
	case r == condition.Never:
		return "no"
	}
	return "warn"
}

// onOf says on which responses a header is.
func onOf(on contract.On) text {
	if on.All {
		return plain("every response")
	}
	parts := make([]string, 0, len(on.Statuses))
	for _, s := range on.Statuses {
		parts = append(parts, strconv.Itoa(s))
	}
	return plain(strings.Join(parts, ", "))
}

// formOf says how an instant or a wait is written.
func formOf(f contract.TimeFormat) string {
	switch f {
	case contract.RFC3339:
		return "a date and time (RFC 3339)"
	case contract.RFC3339Milli:
		return "a date and time with milliseconds (RFC 3339)"
	case contract.EpochSeconds:
		return "seconds since 1970"
	case contract.EpochMillis:
		return "milliseconds since 1970"
	case contract.DeltaSeconds:
		return "seconds from now"
	case contract.DeltaMillis:
		return "milliseconds from now"
	case contract.HTTPDate:
		return "an HTTP date"
	}
	return ""
}
