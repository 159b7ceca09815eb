package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/record"
)

type logCmd struct {
	recordPlace
	wideFlag

	Code      string `help:"Only with this code of the contract."                                                 placeholder:"CODE"`
	Key       string `help:"Only with this key: its id, or its beginning as shown."                               placeholder:"KEY"`
	Account   string `help:"Only of this account."                                                                placeholder:"ID"`
	Status    string `help:"Only with this status: 429, 4xx or 400-499."                                          placeholder:"STATUS"`
	Operation string `help:"Only of this operation, by its id in the contract."                                   placeholder:"ID"`
	Method    string `help:"Only with this method."                                                               placeholder:"METHOD"`
	Path      string `help:"Only with paths that begin so."                                                       placeholder:"PREFIX"`
	Trace     string `help:"Only with this trace id."                                                             placeholder:"ID"`
	Text      string `help:"Only with this text in id, path, code, account, key, operation, error body or cause." placeholder:"TEXT"`
	Failed    bool   `help:"Only what ended with an error, or without an answer."`
	Refused   bool   `help:"Only what a limit refused."`
	Since     string `help:"From when on: a span such as 15m or 7d, or an instant such as 2030-01-31T10:00:00Z."  placeholder:"WHEN"`
	Until     string `help:"Until when, likewise."                                                                placeholder:"WHEN"`
	Limit     int    `default:"50"                                                                                help:"How many of the latest (${default})." placeholder:"N"`
	Follow    bool   `help:"Go on with what comes, until Ctrl-C."                                                 short:"f"`
}

// Run prints the latest requests, the newest last.
func (x *logCmd) Run(ctx context.Context, c *console) error {
	q, err := x.query(time.Now())
	if err != nil {
		return err
	}
	return x.with(ctx, c, func(from records) error {
		latest, err := latest(ctx, from, q, x.Limit)
		if err != nil {
			return x.lookupFault(err)
		}
		p := x.painterFor(c)
		if len(latest) == 0 && !x.Follow && !x.JSON {
			return c.print("no requests\n")
		}
		for i := range latest {
			if err := x.show(c, p, &latest[i]); err != nil {
				return err
			}
		}
		if !x.Follow {
			return nil
		}
		return x.follow(ctx, c, p, from, q)
	})
}

func (x *logCmd) query(now time.Time) (record.Query, error) {
	values := map[string][]string{}
	for name, v := range map[string]string{
		"code": x.Code, "key": strings.TrimSuffix(x.Key, "…"), "account": x.Account, "status": x.Status, "operation": x.Operation, "method": x.Method,
		"path": x.Path, "trace": x.Trace, "text": x.Text, "since": x.Since, "until": x.Until,
	} {
		if v != "" {
			values[name] = []string{v}
		}
	}
	q, err := record.ParseQuery(values, now)
	if err != nil {
		what, hint, _ := strings.Cut(strings.TrimPrefix(err.Error(), record.ErrQuery.Error()+": "), ", ")
		return q, usage(hint, "--%s", what)
	}
	if x.Limit < 0 {
		return q, usage("write how many, or 0 for none with --follow", "--limit cannot be %d", x.Limit)
	}
	q.Failed, q.Refused = x.Failed, x.Refused
	return q, nil
}

// latest returns the last records, the newest last.
func latest(ctx context.Context, from records, q record.Query, most int) ([]record.Record, error) {
	var all []record.Record
	for len(all) < most {
		q.Limit = min(most-len(all), 1000)
		page, err := from.SearchRecords(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Records...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	slices.Reverse(all)
	return all, nil
}

// again is how long a stream that broke off is left alone.
const again = time.Second

// follow prints what comes. A stream that breaks off goes on where it ended.
func (x *logCmd) follow(ctx context.Context, c *console, p painter, from records, q record.Query) error {
	q.Limit, q.Until = 0, time.Time{}
	after := ""
	for {
		var broken error
		for e, err := range from.FollowRecords(ctx, q, after) {
			if err != nil {
				broken = err
				break
			}
			after = e.Cursor
			if e.Missed > 0 {
				c.notef("%d requests were left out, they came too fast", e.Missed)
			}
			if err := x.show(c, p, &e.Record); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		if after == "" || broken == nil {
			return x.lookupFault(broken)
		}
		c.notef("the stream broke off, connecting again")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
	}
}

func (x *logCmd) show(c *console, p painter, r *record.Record) error {
	if x.JSON {
		return c.tameJSON(r)
	}
	tame(r)
	return c.print(p.logLine(r))
}

// logLine is a record in a line that ends with its id. Where a terminal has no
// room for that, a second line holds the id, which is what is copied from here.
func (p painter) logLine(r *record.Record) string {
	who := r.Account
	if r.KeyStart != "" {
		who += " " + r.KeyStart + "…"
	}
	id := utf8.RuneCountInString(r.ID)
	columns, widths := []column{{least: 12}, {least: 12}, {least: 16}}, []int{36, 24, 30} // path, code, who
	two := false
	if p.wide > 0 {
		const others = 18 + 3 + 6 + 8 + 3*gap // time, status, method, how long it took
		if two = cut(columns, widths, []int{0, 1, 2}, others+36+24+30+id+4*gap-p.wide) > 0; two {
			widths = []int{36, 24, max(p.wide-4-id-gap, 1)}
			cut(columns, widths, []int{0, 1}, others+36+24+2*gap-p.wide)
		}
	}
	fixed := fixed
	if p.wide == 0 {
		fixed = func(s string, columns int) string { return fmt.Sprintf("%-*s", columns, s) }
	}
	line := fmt.Sprintf("%s  %s  %-6s  %s  %s  %8s", p.faint(r.Ended.UTC().Format("01-02 15:04:05.000")), p.status(r.Status), r.Method,
		fixed(r.Path, widths[0]), fixed(r.Code, widths[1]), roughly(r.Took))
	if two {
		return line + "\n" + strings.TrimRight("    "+r.ID+"  "+p.faint(strings.TrimSpace(fixed(who, widths[2]))), " ") + "\n"
	}
	return line + "  " + fixed(who, widths[2]) + "  " + r.ID + "\n"
}

// roughly is a span in three digits.
func roughly(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "µs"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64) + "ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
}

// lookupFault adds what to do to errors of looking records up.
func (x *recordPlace) lookupFault(err error) error {
	switch {
	case errors.Is(err, failwell.ResourceMissing):
		return hinted(errors.New("the gateway keeps no records"), "its setting records is off; start it with --records on")
	case errors.Is(err, record.ErrBusy), errors.Is(err, failwell.Unavailable):
		return hinted(err, "try again in a few seconds")
	}
	return err
}
