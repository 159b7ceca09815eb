package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/record"
)

type traceCmd struct {
	recordPlace
	wideFlag

	ID string `arg:"" help:"Id of the request, as its response carries it." name:"id"`
}

// Run tells the story of one request.
func (x *traceCmd) Run(ctx context.Context, c *console) error {
	return x.with(ctx, c, func(from records) error {
		s, err := from.Tell(ctx, x.ID)
		if errors.Is(err, failwell.ResourceMissing) {
			return hinted(errors.New("no record of this request"),
				"it may be older than records are kept, from another gateway, or left out by the setting records; failwell log finds requests by account, key, path and time")
		}
		if err != nil {
			return x.lookupFault(err)
		}
		if x.JSON {
			return c.tameJSON(s)
		}
		tame(s)
		return c.story(x.painterFor(c), s)
	})
}

func (c *console) story(p painter, s *gateway.Story) error {
	r := &s.Record
	part := func(title string) error { return c.print("\n" + p.bold(title) + "\n") }
	return errors.Join(
		c.printf("%s  %s %s  %s\n", p.status(r.Status), r.Method, r.Path, r.Code),
		c.print("\n"), c.sentences(p, plainly(s)),
		c.print("\n"), c.pairs(p, facts(r)),
		part("decided"), c.pairs(p, decisions(s.Decisions)),
		c.touched(p, r), c.tryTable(p, r),
		c.catalogue(p, s.Error),
		c.siblingTable(p, s),
		c.sameID(p, s),
		part("again, with the key in $KEY"), c.print("  "+s.Curl+"\n"),
	)
}

// sentences prints text broken between words.
func (c *console) sentences(p painter, text string) error {
	for _, line := range broken(text, p.columns()-2) {
		if err := c.print(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// plainly is the story in a few sentences.
func plainly(s *gateway.Story) string {
	r := &s.Record
	who := "A caller without a key that is known"
	if r.KeyStart != "" {
		who = fmt.Sprintf("Account %s, with the key %s…,", r.Account, r.KeyStart)
	}
	said := []string{fmt.Sprintf("%s sent %s %s at %s.", who, r.Method, r.Path, r.Time.UTC().Format("2006-01-02 15:04:05.000 UTC"))}
	if r.Method == "" {
		said = []string{"Something came at " + r.Time.UTC().Format("2006-01-02 15:04:05.000 UTC") + " that could not be read as a request."}
	}
	stopped := ""
	for _, d := range s.Decisions {
		if d.Result == record.Stopped {
			stopped = cmp.Or(d.Detail, d.Step)
		}
	}
	switch {
	case r.Status == 0:
		said = append(said, "The caller went away before there was an answer.")
	case r.Idempotency.State == record.Replayed:
		said = append(said, fmt.Sprintf("It was given the answer of the request %s once more, a %d, and cost nothing of quotas.", r.Idempotency.Original, r.Status))
	case stopped != "" && r.Stage != record.Handling:
		said = append(said, fmt.Sprintf("It was refused with %d, %s.", r.Status, stopped))
	case stopped != "":
		said = append(said, fmt.Sprintf("It was let in, but ended with %d, %s.", r.Status, stopped))
	case r.Failed():
		said = append(said, fmt.Sprintf("It was let in, and the service behind answered %d.", r.Status))
	default:
		said = append(said, fmt.Sprintf("It was let in, and answered with %d after %s.", r.Status, roughly(r.Took)))
	}
	if r.RetryAfter > 0 {
		said = append(said, fmt.Sprintf("It was told to come back in %s, at %s.", ceilSeconds(r.RetryAfter), r.Ended.Add(r.RetryAfter).UTC().Format("15:04:05 UTC")))
	}
	if n := len(s.Siblings); n > 0 {
		said = append(said, count(n, "other request")+" of the same call "+map[bool]string{true: "is", false: "are"}[n == 1]+" known.")
	}
	return strings.Join(said, " ")
}

func ceilSeconds(d time.Duration) string {
	return (d + time.Second - 1).Truncate(time.Second).String()
}

func facts(r *record.Record) [][2]string {
	key := ""
	if r.Idempotency.State != "" {
		key = strings.TrimSpace(string(r.Idempotency.State) + " " + r.Idempotency.Original)
	}
	attempt := ""
	if r.Attempt > 0 {
		attempt = strconv.Itoa(r.Attempt)
	}
	body := r.Body
	if r.Cut {
		body += " …"
	}
	return [][2]string{
		{"id", r.ID}, {"operation", r.Operation}, {"plan", r.Plan}, {"key", r.Key}, {"idempotency", key}, {"trace", r.Trace}, {"attempt", attempt},
		{"took", fmt.Sprintf("%s in all, %s to decide, %s upstream", roughly(r.Took), roughly(r.Decided), roughly(r.Upstream))},
		{"gateway", r.Node}, {"cause", r.Cause}, {"answered", body},
	}
}

func decisions(steps []record.Decision) [][2]string {
	rows := make([][2]string, 0, len(steps))
	for _, d := range steps {
		if d.Result == record.Skipped {
			continue
		}
		rows = append(rows, [2]string{d.Step, strings.TrimSuffix(string(d.Result)+", "+d.Detail, ", ")})
	}
	return rows
}

func (c *console) touched(p painter, r *record.Record) error {
	rows := make([][]string, 0, len(r.Limits))
	for i := range r.Limits {
		l := &r.Limits[i]
		said := ""
		switch {
		case l.Refused && l.Binding:
			said = "refused it"
		case l.Refused:
			said = "had no room either"
		case l.Binding:
			said = "the tightest"
		}
		if l.Local {
			said += ", counted by this process while the store was away"
		}
		free := ""
		if !l.Reset.IsZero() {
			free = l.Reset.UTC().Format("15:04:05 UTC")
		}
		rows = append(rows, []string{
			strings.TrimPrefix(l.Title(), "the "), l.Of(), strconv.FormatInt(l.Before, 10), strconv.FormatInt(l.Cost, 10), strconv.FormatInt(l.After, 10),
			free, strings.TrimPrefix(said, ", "),
		})
	}
	return c.titled(p, "limits", texts("LIMIT", "OF", "BEFORE", "COST", "AFTER", "ALL FREE AT", ""), rows)
}

func (c *console) tryTable(p painter, r *record.Record) error {
	rows := make([][]string, 0, len(r.Tries))
	for i := range r.Tries {
		t := &r.Tries[i]
		answered := t.Failed
		if t.Status > 0 {
			answered = strconv.Itoa(t.Status)
		}
		rows = append(rows, []string{t.To, "+" + roughly(t.After), roughly(t.Took), answered})
	}
	return c.titled(p, "sent to the service behind", texts("TO", "AT", "TOOK", "ANSWER"), rows)
}

func (c *console) catalogue(p painter, e *gateway.StoryError) error {
	if e == nil {
		return nil
	}
	return errors.Join(c.print("\n"+p.bold("what it means")+"\n"), c.pairs(p, [][2]string{
		{"code", e.Code}, {"message", e.Message}, {"meaning", e.Meaning}, {"cause", e.Cause}, {"what to do", e.Remedy},
		{"who has to act", e.Fault}, {"retry", e.Retry},
	}))
}

func (c *console) siblingTable(p painter, s *gateway.Story) error {
	rows := make([][]string, 0, len(s.Siblings))
	for i := range s.Siblings {
		o := &s.Siblings[i]
		apart := o.Time.Sub(s.Record.Time)
		sign := "+"
		if apart < 0 {
			sign, apart = "-", -apart
		}
		rows = append(rows, []string{sign + roughly(apart), strconv.Itoa(o.Status), o.Code, roughly(o.Took), string(o.Idempotency.State), o.ID})
	}
	return c.titled(p, "other requests of the same call", []column{
		{head: "AT"}, {head: "STATUS"}, {head: "CODE", least: 12}, {head: "TOOK", goes: 1}, {head: "IDEMPOTENCY", goes: 2}, {head: "ID"},
	}, rows)
}

func (c *console) sameID(p painter, s *gateway.Story) error {
	rows := make([][]string, 0, len(s.Others))
	for i := range s.Others {
		o := &s.Others[i]
		rows = append(rows, []string{o.Time.UTC().Format("2006-01-02 15:04:05 UTC"), strconv.Itoa(o.Status), o.Code, o.Method + " " + o.Path})
	}
	return c.titled(p, "older requests with this id", []column{
		{head: "AT"}, {head: "STATUS"}, {head: "CODE", least: 12}, {head: "REQUEST", least: 16},
	}, rows)
}

// titled is a list below an empty line.
func (c *console) titled(p painter, title string, columns []column, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	return errors.Join(c.print("\n"), c.list(p, title, columns, rows))
}
