package contract

import (
	"strings"
	"time"
)

// ServerTime is the server's clock where a response says what time it is, and
// fallback where it does not: with it, an instant in a hint means the wait that
// the server had in mind, however wrong either clock is (RFC 9110 section
// 6.6.1). It is the time that [Contract.Decode] should be given. header maps
// names, in any case, to values.
func ServerTime(header map[string][]string, fallback time.Time) time.Time {
	values, ok := header["Date"]
	if !ok {
		for name, v := range header {
			if strings.EqualFold(name, "Date") {
				values = v
			}
		}
	}
	if len(values) == 0 {
		return fallback
	}
	// The three forms of RFC 9110 section 5.6.7.
	for _, form := range []string{httpDate, time.RFC850, time.ANSIC} {
		if date, err := time.Parse(form, strings.TrimSpace(values[0])); err == nil {
			return date
		}
	}
	return fallback
}
