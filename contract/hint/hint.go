// Package hint reads how long a server asks a caller to wait.
//
// Servers say it in seconds, milliseconds, as an instant or as a duration, in
// headers and in bodies. A caller that knows the unit, because a contract
// declares it, names it; a caller that does not passes [Auto] and the form and
// the magnitude of the value decide.
//
// The package is pure: the present is an argument. It may be used concurrently.
package hint

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit says what a value measures.
type Unit string

// The units. Fractions are accepted in every numeric unit.
const (
	// Auto lets the form decide, see [Parse].
	Auto Unit = "auto"
	// Seconds counts from now (RFC 9110 section 10.2.3, delay-seconds).
	Seconds Unit = "seconds"
	// Milliseconds counts from now.
	Milliseconds Unit = "milliseconds"
	// EpochSeconds is an instant, counted from 1970-01-01T00:00:00Z.
	EpochSeconds Unit = "epoch_s"
	// EpochMilliseconds is an instant, counted like EpochSeconds.
	EpochMilliseconds Unit = "epoch_ms"
	// DeltaSeconds is Seconds, in the words of reset headers.
	DeltaSeconds Unit = "delta_s"
	// HTTPDate is an instant in one of the three forms of RFC 9110 section 5.6.7.
	HTTPDate Unit = "http_date"
	// RFC3339 is an instant such as 2026-01-31T09:15:00Z.
	RFC3339 Unit = "rfc3339"
	// Duration is a number with a unit: 20ms, 6m0s, 1.5 seconds, PT30S.
	Duration Unit = "duration"
)

// maxValue bounds what is read: nothing meant as a wait is longer.
const maxValue = 256

// Magnitudes that tell bare numbers apart under Auto. A wait of 1e9 seconds is
// 31 years, so larger numbers are instants; as an instant in seconds, 1e11 lies
// in the year 5138, so larger numbers are milliseconds, and so on.
const (
	leastEpochSeconds = 1e9
	leastEpochMillis  = 1e11
	leastEpochMicros  = 1e14
	leastEpochNanos   = 1e17
)

// Parse reads value as a wait from now.
//
// The result is never negative: an instant in the past and a negative count
// mean a wait of zero. Values that are no number of the unit, NaN, infinities
// and waits beyond the range of [time.Duration] (292 years) are refused.
//
// Auto tries, in this order: a bare number, RateLimit fields, an HTTP date, RFC
// 3339 and a duration. A bare number below 1e9 counts seconds from now, even
// where a server meant milliseconds: nothing in the value tells these apart, so
// a header or member that is known to hold milliseconds needs its unit named.
// Larger numbers are instants in seconds, milliseconds, microseconds or
// nanoseconds.
func Parse(value string, unit Unit, now time.Time) (wait time.Duration, ok bool) {
	if len(value) > maxValue {
		return 0, false
	}
	value = strings.Trim(value, " \t\r\n\"'")
	if value == "" {
		return 0, false
	}
	switch unit {
	case Seconds, DeltaSeconds:
		return count(value, time.Second)
	case Milliseconds:
		return count(value, time.Millisecond)
	case EpochSeconds:
		return epoch(value, time.Second, now)
	case EpochMilliseconds:
		return epoch(value, time.Millisecond, now)
	case HTTPDate:
		return until(value, httpDates, now)
	case RFC3339:
		return until(value, rfc3339Forms, now)
	case Duration:
		return duration(value)
	case Auto:
		return auto(value, now)
	}
	return 0, false
}

func auto(value string, now time.Time) (time.Duration, bool) {
	if v, ok := number(value); ok {
		switch {
		case v >= leastEpochNanos:
			return epoch(value, time.Nanosecond, now)
		case v >= leastEpochMicros:
			return epoch(value, time.Microsecond, now)
		case v >= leastEpochMillis:
			return epoch(value, time.Millisecond, now)
		case v >= leastEpochSeconds:
			return epoch(value, time.Second, now)
		}
		return count(value, time.Second)
	}
	if r, ok := ParseRateLimit(value); ok && r.HasReset {
		return r.Reset, true
	}
	if d, ok := until(value, httpDates, now); ok {
		return d, true
	}
	if d, ok := until(value, rfc3339Forms, now); ok {
		return d, true
	}
	if d, ok := duration(value); ok {
		return d, true
	}
	// Several windows in one field, nearest first: "12, 3600".
	if head, _, found := strings.Cut(value, ","); found {
		if v, ok := number(strings.TrimSpace(head)); ok && v < leastEpochSeconds {
			return count(strings.TrimSpace(head), time.Second)
		}
	}
	return 0, false
}

// number accepts plain decimal notation only: strconv alone would take "inf",
// "nan" and hexadecimal.
func number(s string) (float64, bool) {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}

func count(s string, unit time.Duration) (time.Duration, bool) {
	v, ok := number(s)
	if !ok {
		return 0, false
	}
	return scale(v, unit)
}

// scale multiplies, refusing what time.Duration cannot hold.
func scale(v float64, unit time.Duration) (time.Duration, bool) {
	if v <= 0 {
		return 0, true
	}
	d := math.Round(v * float64(unit))
	if d >= math.MaxInt64 {
		return 0, false
	}
	return time.Duration(d), true
}

func epoch(s string, unit time.Duration, now time.Time) (time.Duration, bool) {
	v, ok := number(s)
	if !ok {
		return 0, false
	}
	perSecond := float64(time.Second / unit)
	whole, part := math.Modf(v / perSecond)
	// Years past 9999 are refused: time arithmetic beyond is meaningless here.
	if math.Abs(whole) > 253402300799 {
		return 0, false
	}
	return wait(time.Unix(int64(whole), int64(math.Round(part*1e6))*1e3), now)
}

// wait refuses differences that time.Time.Sub would saturate.
func wait(at, now time.Time) (time.Duration, bool) {
	d := at.Sub(now)
	switch {
	case d == math.MaxInt64:
		return 0, false
	case d < 0:
		return 0, true
	}
	return d, true
}
