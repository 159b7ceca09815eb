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
	if date, ok := fixedDate(values[0]); ok {
		return date
	}
	// The three forms of RFC 9110 section 5.6.7.
	for _, form := range []string{httpDate, time.RFC850, time.ANSIC} {
		if date, err := time.Parse(form, strings.TrimSpace(values[0])); err == nil {
			return date
		}
	}
	return fallback
}

// fixedDate reads the form in which servers of this century write dates, a tenth
// of what time.Parse takes. What is not quite in that form is left to the others.
func fixedDate(s string) (time.Time, bool) {
	const form, months = "Mon, 02 Jan 2006 15:04:05 GMT", "JanFebMarAprMayJunJulAugSepOctNovDec"
	if len(s) != len(form) || s[3:5] != ", " || s[7] != ' ' || s[11] != ' ' || s[16] != ' ' || s[19] != ':' || s[22] != ':' || s[25:] != " GMT" {
		return time.Time{}, false
	}
	const letters = 3
	month := strings.Index(months, s[8:11])
	if month%letters != 0 || strings.Index("SunMonTueWedThuFriSat", s[:letters])%letters != 0 {
		return time.Time{}, false
	}
	number := func(at int) int {
		tens, ones := int(s[at]-'0'), int(s[at+1]-'0')
		if tens > 9 || ones > 9 {
			return -1
		}
		return 10*tens + ones
	}
	day, century, year := number(5), number(12), number(14)
	hour, minute, second := number(17), number(20), number(23)
	if day < 1 || century < 0 || year < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	date := time.Date(100*century+year, time.Month(month/letters+1), day, hour, minute, second, 0, time.UTC)
	return date, date.Day() == day
}
