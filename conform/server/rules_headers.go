package server

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/hint"
)

func headerRules() []rule {
	return []rule{
		{
			id: "process-time", group: groupHeaders, title: "every answer tells how long it took", severity: conform.Warning,
			promise: func(k *checker) promise {
				return k.place("headers.process_time.name", k.contract.Headers.ProcessTime.Name+" on every response, a number of "+k.contract.Headers.ProcessTime.Unit+".")
			},
			judge: each(judgeProcessTime),
		},
		{
			id: "rate-limit-headers", group: groupHeaders, title: "answers tell how the limit stands", severity: conform.Error,
			promise: promiseRateHeaders, judge: each(judgeRateHeaders),
			idle: func(k *checker) string {
				if k.contract.Headers.RateLimit.On.All {
					return needsKey(k)
				}
				return needsLimits(k)
			},
		},
		{
			id: "rate-limit-fields", group: groupHeaders, title: "RateLimit and RateLimit-Policy are structured fields", severity: conform.Warning,
			promise: func(k *checker) promise {
				if !k.contract.Headers.RateLimit.IETF {
					return promise{absent: "headers.rate_limit.ietf"}
				}
				return k.place("headers.rate_limit.ietf", "RateLimit and RateLimit-Policy beside the others, as lists of RFC 9651.")
			},
			judge: each(judgeFields), idle: needsKey,
		},
		{
			id: "retry-after", group: groupHeaders, title: "Retry-After is there and has its form", severity: conform.Error,
			promise: func(k *checker) promise {
				h := &k.contract.Headers.RetryAfter
				return k.place("headers.retry_after", h.Name+onWords(h.On)+" where there is something to wait for, as "+formWords(h.Format)+".")
			},
			judge: each(judgeRetryAfter),
			idle:  needsLimits,
		},
		{
			id: "allow", group: groupHeaders, title: "405 lists the methods that there are", severity: conform.Warning,
			promise: func(k *checker) promise {
				return k.at("operations", "Allow with the methods of the path on every 405 (RFC 9110 section 15.5.6).")
			},
			judge: each(judgeAllow),
		},
		{
			id: "head", group: groupHeaders, title: "HEAD is answered like GET, without a body", severity: conform.Warning,
			promise: func(k *checker) promise {
				return k.at("operations", "The status of GET, and no body (RFC 9110 section 9.3.2).")
			},
			judge: judgeHead, idle: needsKey,
		},
	}
}

func judgeProcessTime(k *checker, x *exchange) (bool, *fault) {
	name := k.contract.Headers.ProcessTime.Name
	if x.err != nil || x.kind == kindWire {
		return false, nil
	}
	value := x.header.Get(name)
	if ms, err := strconv.ParseFloat(value, 64); err != nil || ms < 0 {
		return true, seen(name + ": " + cmp.Or(value, "none"))
	}
	return true, nil
}

func promiseRateHeaders(k *checker) promise {
	h := &k.contract.Headers.RateLimit
	var names []string
	for _, name := range []string{h.Limit, h.Remaining, h.Reset} {
		if name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return promise{absent: "headers.rate_limit with names"}
	}
	text := strings.Join(names, ", ") + onWords(h.On)
	if h.Reset != "" {
		text += ", the last as " + formWords(h.ResetFormat)
	}
	return k.at("headers.rate_limit", text+".")
}

// onWords say on which answers a header is.
func onWords(on contract.On) string {
	if on.All {
		return " on every response"
	}
	list := make([]string, len(on.Statuses))
	for i, s := range on.Statuses {
		list[i] = strconv.Itoa(s)
	}
	return " on " + strings.Join(list, ", ")
}

func formWords(f contract.TimeFormat) string {
	switch f {
	case contract.EpochSeconds:
		return "seconds since 1970"
	case contract.EpochMillis:
		return "milliseconds since 1970"
	case contract.DeltaSeconds:
		return "whole seconds from now"
	case contract.DeltaMillis:
		return "milliseconds from now"
	case contract.HTTPDate:
		return "an HTTP date"
	case contract.RFC3339, contract.RFC3339Milli:
		return "an instant of RFC 3339"
	}
	return string(f)
}

// counted reports whether an answer came after its limit was looked at: a
// success of a call with a key, or what the limit itself refused.
func (k *checker) counted(x *exchange) bool {
	if x.err != nil || x.kind == kindWire || x.request.key != validKey || x.operation == nil {
		return false
	}
	if k.limited(x) {
		return true
	}
	// A success in place of a refusal is for others to tell.
	return x.succeeded() && x.kind != kindRefusal && k.everyPlanHasRates()
}

func (k *checker) everyPlanHasRates() bool {
	return len(k.contract.Plans) > 0 && !slices.ContainsFunc(k.contract.Plans, func(p *contract.Plan) bool { return len(p.Rates) == 0 })
}

func judgeRateHeaders(k *checker, x *exchange) (bool, *fault) {
	h := &k.contract.Headers.RateLimit
	if !k.counted(x) || !h.On.Holds(x.status) {
		return false, nil
	}
	var limit, remaining int64 = -1, -1
	for _, want := range []struct {
		name string
		into *int64
	}{{h.Limit, &limit}, {h.Remaining, &remaining}} {
		if want.name == "" {
			continue
		}
		n, err := strconv.ParseInt(x.header.Get(want.name), 10, 64)
		if err != nil || n < 0 {
			return true, seen(want.name + ": " + cmp.Or(x.header.Get(want.name), "none") + " on " + statusText(x.status))
		}
		*want.into = n
	}
	if limit >= 0 && remaining > limit {
		return true, seen(h.Remaining + " is " + strconv.FormatInt(remaining, 10) + " of " + strconv.FormatInt(limit, 10))
	}
	if h.Reset == "" {
		return true, nil
	}
	if _, ok := k.reset(x); !ok {
		return true, seen(h.Reset + ": " + cmp.Or(x.header.Get(h.Reset), "none") + " on " + statusText(x.status))
	}
	return true, nil
}

// farReset is longer than any window; what lies beyond is in another unit.
const farReset = 45 * 24 * time.Hour

// reset is the instant at which all of the limit is free again.
func (k *checker) reset(x *exchange) (time.Time, bool) {
	h := &k.contract.Headers.RateLimit
	value := x.header.Get(h.Reset)
	wait, ok := hint.Parse(value, h.ResetFormat.Unit(), x.now)
	if !ok || wait > farReset {
		return time.Time{}, false
	}
	if h.ResetFormat == contract.EpochSeconds || h.ResetFormat == contract.EpochMillis {
		// A moment that has passed is no wait, and yet a moment.
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		at := time.Unix(n, 0)
		if h.ResetFormat == contract.EpochMillis {
			at = time.UnixMilli(n)
		}
		return at, at.After(x.now.Add(-farReset))
	}
	return x.now.Add(wait), true
}

func judgeFields(k *checker, x *exchange) (bool, *fault) {
	if !k.counted(x) || !k.contract.Headers.RateLimit.On.Holds(x.status) {
		return false, nil
	}
	for _, name := range []string{"RateLimit-Policy", "RateLimit"} {
		values := x.header.Values(name)
		if len(values) == 0 {
			return true, seen("no " + name + " on " + statusText(x.status))
		}
		if _, err := httpsfv.UnmarshalList(values); err != nil {
			return true, seen(name + ": " + strings.Join(values, ", "))
		}
	}
	return true, nil
}

func judgeRetryAfter(k *checker, x *exchange) (bool, *fault) {
	h := &k.contract.Headers.RetryAfter
	if x.err != nil || x.status < http.StatusBadRequest || !h.On.Holds(x.status) {
		return false, nil
	}
	value := x.header.Get(h.Name)
	if value == "" {
		if x.failure.Condition != condition.RateLimited {
			return false, nil
		}
		return true, seen(statusText(x.status) + " without " + h.Name)
	}
	unit := h.Format.Unit()
	whole := h.Format == contract.DeltaSeconds || h.Format == contract.DeltaMillis
	if _, err := strconv.ParseUint(value, 10, 63); whole && err != nil {
		return true, seen(h.Name + ": " + value)
	}
	if wait, ok := hint.Parse(value, unit, x.now); !ok || wait > farReset {
		return true, seen(h.Name + ": " + value)
	}
	return true, nil
}

func judgeAllow(k *checker, x *exchange) (bool, *fault) {
	if x.err != nil || x.kind == kindHead || x.status != http.StatusMethodNotAllowed || x.operation == nil {
		return false, nil
	}
	value := x.header.Get("Allow")
	var missing []string
	for _, o := range k.contract.Operations {
		if o.Path == x.operation.Path && !slices.ContainsFunc(strings.Split(value, ","), func(m string) bool { return strings.TrimSpace(m) == o.Method }) {
			missing = append(missing, o.Method)
		}
	}
	if len(missing) > 0 {
		f := seen("Allow: " + cmp.Or(value, "none"))
		f.promise, f.pos = "Allow with "+strings.Join(missing, ", "), x.operation.Pos
		return true, f
	}
	return true, nil
}

func judgeHead(k *checker, all []*exchange) (tried int, broken []fault) {
	for _, head := range all {
		if head.kind != kindHead || head.err != nil || k.hindered(head) || head.status == http.StatusTooManyRequests {
			continue
		}
		for _, get := range all {
			if get.kind != kindPlain || get.request.path != head.request.path || get.err != nil || k.hindered(get) {
				continue
			}
			tried++
			if get.status != head.status {
				twin := *head
				twin.before = get
				broken = append(broken, fault{x: &twin, seen: statusText(head.status) + " where GET has " + statusText(get.status), pos: head.operation.Pos})
			}
			break
		}
	}
	return tried, broken
}
