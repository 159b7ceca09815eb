package hint

import (
	"strings"
	"time"
)

// The three HTTP dates (IMF-fixdate, RFC 850, asctime) and the numeric zones
// that some servers write instead of GMT.
var httpDates = []string{
	"Mon, 02 Jan 2006 15:04:05 GMT",
	time.RFC850,
	time.ANSIC,
	time.RFC1123,
	time.RFC1123Z,
	"Mon, 2 Jan 2006 15:04:05 MST",
}

// RFC 3339, and the two liberties that servers take: a blank for the T, and no
// zone, which is read as UTC.
var rfc3339Forms = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04:05.999999999 MST",
}

func until(value string, forms []string, now time.Time) (time.Duration, bool) {
	for _, form := range forms {
		if at, err := time.Parse(form, value); err == nil {
			return wait(at, now)
		}
	}
	return 0, false
}

// duration reads one or more numbers with units, glued or spaced, and ISO 8601.
func duration(s string) (time.Duration, bool) {
	s = strings.ToLower(s)
	if rest, ok := strings.CutPrefix(s, "p"); ok && len(rest) > 1 {
		return isoDuration(rest)
	}
	var total time.Duration
	for parts := 0; s != ""; parts++ {
		n := span(s, "0123456789.")
		if n == 0 || parts == 8 {
			return 0, false
		}
		v, ok := number(s[:n])
		if !ok {
			return 0, false
		}
		s = strings.TrimLeft(s[n:], " ")
		n = span(s, "abcdefghijklmnopqrstuvwxyzµμ")
		unit, ok := unitOf(s[:n])
		if !ok {
			return 0, false
		}
		d, ok := scale(v, unit)
		if !ok || total+d < total {
			return 0, false
		}
		total += d
		s = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(s[n:], " ,"), "and "), " ")
	}
	return total, true
}

// isoDuration reads what follows the P of PT1M30S and P1DT2H (lower-cased).
func isoDuration(s string) (time.Duration, bool) {
	units := map[byte]time.Duration{'d': day, 'w': 7 * day}
	var total time.Duration
	for s != "" {
		if s[0] == 't' {
			units = map[byte]time.Duration{'h': time.Hour, 'm': time.Minute, 's': time.Second}
			s = s[1:]
			continue
		}
		n := span(s, "0123456789.")
		if n == 0 || n == len(s) {
			return 0, false
		}
		v, ok := number(s[:n])
		unit, known := units[s[n]]
		if !ok || !known {
			return 0, false
		}
		d, ok := scale(v, unit)
		if !ok || total+d < total {
			return 0, false
		}
		total += d
		s = s[n+1:]
	}
	return total, true
}

const day = 24 * time.Hour

func unitOf(word string) (time.Duration, bool) {
	switch word {
	case "ns":
		return time.Nanosecond, true
	case "us", "µs", "μs":
		return time.Microsecond, true
	case "ms", "msec", "msecs", "millis", "millisecond", "milliseconds":
		return time.Millisecond, true
	case "s", "sec", "secs", "second", "seconds":
		return time.Second, true
	case "m", "min", "mins", "minute", "minutes":
		return time.Minute, true
	case "h", "hr", "hrs", "hour", "hours":
		return time.Hour, true
	case "d", "day", "days":
		return day, true
	}
	return 0, false
}

// span is the length of the prefix of s made of the runes in set.
func span(s, set string) int {
	for i, r := range s {
		if !strings.ContainsRune(set, r) {
			return i
		}
	}
	return len(s)
}
