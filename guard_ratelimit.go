package failwell

import (
	"net/http"
	"strconv"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store/meter"
)

// rateHeaders tells how the limits of the call stand: the rate that binds in the
// contract's own headers, and all of them in the IETF's.
func (x *exchange) rateHeaders(h http.Header, names *contract.RateLimitHeaders) {
	values := headerValues{room: make([]string, 0, 5)}
	set := func(key, value string) {
		if key != "" {
			h[key] = values.of(value)
		}
	}
	if limit := &x.verdict.Limit; limit.Rule != nil {
		keys := &x.guard.state.rateKeys
		set(keys.limit, strconv.FormatInt(limit.Rule.Limit, 10))
		set(keys.remaining, strconv.FormatInt(limit.Remaining, 10))
		if keys.reset != "" {
			set(keys.reset, x.guard.instantHeader(limit.Reset, names.ResetFormat))
		}
	}
	if names.IETF {
		policy, state := ietfFields(x.verdict.Limits, x.guard.now())
		if len(policy) > 0 {
			set("Ratelimit-Policy", string(policy))
			set("Ratelimit", string(state))
		}
	}
}

// ietfFields writes the fields of draft-ietf-httpapi-ratelimit-headers-10: lists
// of policies and of how they stand, under the same names. A balance is left
// out: it has no quota that could be told.
func ietfFields(limits []admission.LimitState, now time.Time) (policy, state []byte) {
	for i := range limits {
		l := &limits[i]
		if l.Rule.Kind == meter.Balance {
			continue
		}
		if len(policy) > 0 {
			policy, state = append(policy, ", "...), append(state, ", "...)
		}
		start := len(policy)
		policy = appendPolicyName(policy, limits, i)
		state = append(state, policy[start:]...)
		policy = strconv.AppendInt(append(policy, ";q="...), l.Rule.Limit, 10)
		policy = appendUnit(policy, l)
		if window := windowOf(l); window > 0 {
			policy = strconv.AppendInt(append(policy, ";w="...), ceilUnits(window, time.Second), 10)
		}
		state = strconv.AppendInt(append(state, ";r="...), l.Remaining, 10)
		if !l.Reset.IsZero() {
			state = strconv.AppendInt(append(state, ";t="...), ceilUnits(l.Reset.Sub(now), time.Second), 10)
		}
	}
	return policy, state
}

// appendUnit tells the unit where it is not requests. The draft registers three;
// for a quota in units of its own, its name is truer than any of them.
func appendUnit(dst []byte, l *admission.LimitState) []byte {
	switch l.Rule.Kind {
	case meter.Capacity:
		return append(dst, `;qu="content-bytes"`...)
	case meter.Slots:
		return append(dst, `;qu="concurrent-requests"`...)
	case meter.Allowance:
		return appendText(append(dst, ";qu="...), l.Name)
	case meter.Rate, meter.Window, meter.Balance:
	}
	return dst
}

// windowOf is the length of a window, or of the present period.
func windowOf(l *admission.LimitState) time.Duration {
	switch {
	case l.Rule.Kind != meter.Allowance:
		return l.Rule.Per
	case l.Rule.Period == meter.Day:
		return 24 * time.Hour
	}
	return l.Reset.Sub(l.Reset.AddDate(0, -1, 0))
}

// appendPolicyName makes names differ that a plan and an operation both use.
func appendPolicyName(dst []byte, limits []admission.LimitState, i int) []byte {
	name := policyName(&limits[i])
	same := 1
	for j := range i {
		if policyName(&limits[j]) == name {
			same++
		}
	}
	if same > 1 {
		name += "-" + strconv.Itoa(same)
	}
	return appendText(dst, name)
}

func policyName(l *admission.LimitState) string {
	if l.Name != "" {
		return l.Name
	}
	return "default"
}

// appendText appends a string of RFC 9651 section 3.3.3, which has no letters
// beyond ASCII.
func appendText(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"', c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < ' ', c > '~':
			dst = append(dst, '_')
		default:
			dst = append(dst, byte(c))
		}
	}
	return append(dst, '"')
}
