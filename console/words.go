package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/record"
)

// words are what templates can say.
func (c *Console) words() template.FuncMap {
	return template.FuncMap{
		"ago":       func(t time.Time) string { return ago(c.now().Sub(t)) },
		"in":        func(t time.Time) string { return span(t.Sub(c.now())) },
		"past":      func(t time.Time) bool { return !t.After(c.now()) },
		"clock":     func(t time.Time) string { return clockOf(t.UTC(), c.now().UTC()) },
		"day":       func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"stamp":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"took":      took,
		"span":      span,
		"count":     count,
		"bytes":     size,
		"class":     classOf,
		"statusOf":  statusOf,
		"reason":    http.StatusText,
		"plural":    plural,
		"spaced":    func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
		"query":     func(pairs ...string) template.URL { return template.URL(queryOf(pairs)) }, //nolint:gosec // url.Values has encoded it
		"join":      func(list []string) string { return strings.Join(list, ", ") },
		"json":      asJSON,
		"share":     share,
		"reference": c.reference,
		"since":     func(t time.Time) string { return span(c.now().Sub(t)) },
		"list":      func(all ...any) []any { return all },
		"rowPath":   rowPath,
		"tableOf":   tableOf,
		"wide":      func(n int) int64 { return int64(n) },
		"low":       func(n int64) int64 { return n / 10 },
		"nanos":     func(d time.Duration) int64 { return int64(d) },
		"up":        func(y float64) float64 { return y + 6 },
		"rate":      func(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) },
		"healthy":   healthy,
		"pretty":    pretty,
		"limitOf":   limitOf,
		"limitAt":   func(r *record.Record, i int) *record.Limit { return &r.Limits[i] },
		"wait": func(d time.Duration) string {
			if d < time.Second {
				return took(d)
			}
			return span((d + time.Second - 1).Truncate(time.Second)) // as headers have it
		},
		"titleOf": func(l *record.Limit) string { return strings.TrimPrefix(l.Title(), "the ") },
	}
}

// reference is where the page about a code is; "" for nowhere.
func (c *Console) reference(code string) string {
	if c.Reference == "" {
		return ""
	}
	for _, known := range c.Contract().Codes {
		if known.Name == code || known.Wire == code {
			return c.Reference + known.Slug
		}
	}
	return ""
}

// asJSON is for attributes that scripts read.
func asJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// queryOf makes the query of a link from names and values; those without a
// value are left out.
func queryOf(pairs []string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q.Encode()
}

// took is a duration to three digits.
func took(d time.Duration) string {
	digits := func(x float64) string {
		precision := 0
		switch {
		case x < 9.995:
			precision = 2
		case x < 99.95:
			precision = 1
		}
		return strconv.FormatFloat(x, 'f', precision, 64)
	}
	switch {
	case d <= 0:
		return "0"
	case d < time.Millisecond:
		return digits(float64(d)/float64(time.Microsecond)) + " µs"
	case d < time.Second:
		return digits(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return digits(d.Seconds()) + " s"
}

// span is a time that people wait, in its largest unit or two.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Second:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second), " 0 s")
	case d < 48*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute), " 0 min")
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

func ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

// count groups digits by thousands.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "−", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return sign + text
}

func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

func size(n int64) string {
	switch {
	case n < 0:
		return "unknown"
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

func share(part, whole int64) string {
	switch {
	case whole == 0 || part == 0:
		return "0 %"
	case part*1000 < whole:
		return "< 0.1 %"
	}
	return strconv.FormatFloat(float64(part)/float64(whole)*100, 'f', 1, 64) + " %"
}

// classOf is the class of a status for style sheets: s2, s4, s0 for none.
func classOf(status int) string {
	if status < 100 || status > 599 {
		return "s0"
	}
	return "s" + strconv.Itoa(status/100)
}

func statusOf(status int) string {
	if status == 0 {
		return "gone"
	}
	return strconv.Itoa(status)
}

func healthy(all []upstreamStatus) string {
	up := 0
	for i := range all {
		if all[i].Healthy {
			up++
		}
	}
	if len(all) == 1 && up == 1 {
		return "healthy"
	}
	return fmt.Sprintf("%d of %d healthy", up, len(all))
}

// pretty lays JSON out; anything else stays as it is.
func pretty(body string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(body), "", "  ") != nil {
		return body
	}
	return out.String()
}

// clockOf is a time, with the day where that is not today.
func clockOf(t, now time.Time) string {
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05.000")
	}
	return t.Format("01-02 15:04:05.000")
}

// limitOf is what a limit grants.
func limitOf(l *record.Limit) string {
	switch {
	case l.Per > 0:
		return count(l.Max) + " per " + per(l.Per)
	case l.Period != "":
		return count(l.Max) + " per " + l.Period
	case l.Max > 0:
		return count(l.Max)
	}
	return "what was paid in"
}
