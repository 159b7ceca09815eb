package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrQuery says that a parameter of a query cannot be understood.
var ErrQuery = errors.New("record: bad query")

// ParseQuery reads a query from parameters, as they stand in a URL: the names of
// Query in lower case, status as 429, 4xx or 400-499, since and until as RFC 3339
// or as a span before now. Unknown names are ignored.
func ParseQuery(values map[string][]string, now time.Time) (q Query, err error) {
	get := func(name string) string {
		if v := values[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	q = Query{
		ID: get("id"), Account: get("account"), Key: get("key"), Code: get("code"), Operation: get("operation"), Trace: get("trace"), Hash: get("hash"),
		Path: get("path"), Method: strings.ToUpper(get("method")), Text: get("text"), Cursor: get("cursor"),
	}
	for name, into := range map[string]*bool{"failed": &q.Failed, "refused": &q.Refused} {
		if v := get(name); v != "" {
			if *into, err = strconv.ParseBool(v); err != nil {
				return q, fmt.Errorf("%w: %s cannot be %q, write true or false", ErrQuery, name, v)
			}
		}
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if v := get(name); v != "" {
			if *into, err = instant(v, now); err != nil {
				return q, fmt.Errorf("%w: %s cannot be %q, write a span such as 15m, or an instant such as 2030-01-31T10:00:00Z", ErrQuery, name, v)
			}
		}
	}
	if v := get("status"); v != "" {
		if q.StatusFrom, q.StatusTo, err = statuses(v); err != nil {
			return q, fmt.Errorf("%w: status cannot be %q, write for example 429, 4xx or 400-499", ErrQuery, v)
		}
	}
	if v := get("limit"); v != "" {
		if q.Limit, err = strconv.Atoi(v); err != nil || q.Limit < 1 || q.Limit > maxPage {
			return q, fmt.Errorf("%w: limit cannot be %q, write 1 to %d", ErrQuery, v, maxPage)
		}
	}
	return q, nil
}

func instant(v string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if span, err := time.ParseDuration(v); err == nil {
		return now.Add(-span.Abs()), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05"} { // the latter as browsers write them
		if at, err := time.ParseInLocation(layout, v, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Parse(time.RFC3339Nano, v) //nolint:wrapcheck // only whether it can be read counts
}

func statuses(v string) (from, to int, err error) {
	if len(v) == 3 && strings.EqualFold(v[1:], "xx") {
		if class := int(v[0] - '0'); class >= 1 && class <= 5 {
			return class * 100, class*100 + 99, nil
		}
	}
	first, last, ranged := strings.Cut(v, "-")
	if from, err = strconv.Atoi(first); err != nil || from < 100 || from > 999 {
		return 0, 0, ErrQuery
	}
	if !ranged {
		return from, from, nil
	}
	if to, err = strconv.Atoi(last); err != nil || to < from || to > 999 {
		return 0, 0, ErrQuery
	}
	return from, to, nil
}

// Parameters is q as ParseQuery reads it.
func (q *Query) Parameters() map[string][]string {
	out := map[string][]string{}
	for name, v := range map[string]string{
		"id": q.ID, "account": q.Account, "key": q.Key, "code": q.Code, "operation": q.Operation, "trace": q.Trace, "hash": q.Hash, "path": q.Path,
		"method": q.Method, "text": q.Text, "cursor": q.Cursor,
	} {
		if v != "" {
			out[name] = []string{v}
		}
	}
	for name, yes := range map[string]bool{"failed": q.Failed, "refused": q.Refused} {
		if yes {
			out[name] = []string{"true"}
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			out[name] = []string{at.UTC().Format(time.RFC3339Nano)}
		}
	}
	switch {
	case q.StatusFrom > 0 && q.StatusTo <= q.StatusFrom:
		out["status"] = []string{strconv.Itoa(q.StatusFrom)}
	case q.StatusFrom > 0:
		out["status"] = []string{fmt.Sprintf("%d-%d", q.StatusFrom, q.StatusTo)}
	}
	if q.Limit > 0 {
		out["limit"] = []string{strconv.Itoa(min(q.Limit, maxPage))}
	}
	return out
}
