package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/record"
)

var recordParameters = []parameter{
	{name: "id", kind: "string", doc: "The request's id."},
	{name: "account", kind: "string", doc: "The account's id."},
	{name: "key", kind: "string", doc: "The key's id, or its beginning."},
	{name: "code", kind: "string", doc: "The contract's name of the error."},
	{name: "operation", kind: "string", doc: "The contract's id of the operation."},
	{name: "method", kind: "string", doc: "The request's method."},
	{name: "path", kind: "string", doc: "What the path begins with."},
	{name: "status", kind: "string", doc: "A status, a class of them or a range: 429, 4xx, 400-499."},
	{name: "failed", kind: "boolean", doc: "Only what ended with an error or without an answer."},
	{name: "refused", kind: "boolean", doc: "Only what a limit refused."},
	{name: "trace", kind: "string", doc: "The trace id that the request carried."},
	{name: "hash", kind: "string", doc: "The hash of the idempotency key, as a record has it."},
	{name: "text", kind: "string", doc: "Text in id, path, code, account, key, operation, body or cause."},
	{name: "since", kind: "string", doc: "From when on it ended: an instant, or a span before now such as 15m."},
	{name: "until", kind: "string", doc: "Until when, likewise."},
}

var pageOfRecords = []parameter{
	{name: "limit", kind: "integer", doc: "How many at most, from 1 to 1000. Default 50."},
	{name: "cursor", kind: "string", doc: "next of the page before."},
}

func (a *admin) recordRoutes() []route {
	return []route{
		{
			pattern: "GET /v1/records", summary: "Requests, the newest first", role: RoleRead, out: record.Page{}, handle: a.searchRecords,
			query: slices.Concat(pageOfRecords, recordParameters),
			more:  "A page may be short, or empty, and still have a next one: the work behind one is bounded.",
		},
		{pattern: "GET /v1/records/{id}", summary: "All about one request", role: RoleRead, out: Story{}, handle: a.tellRecord},
		{
			pattern: "GET /v1/events", summary: "Requests as they end", role: RoleRead, mediaType: "text/event-stream", handle: a.streamRecords,
			query:  append([]parameter{{name: "after", kind: "string", doc: "The id of the event after which to go on; Last-Event-ID does the same."}}, recordParameters...),
			header: []parameter{{name: "Last-Event-ID", kind: "string", doc: "As browsers send it when they connect again."}},
			more:   "Events named record hold a record; events named missed say how many there was no time for. 503 when there are too many streams.",
		},
		{
			pattern: "GET /v1/series", summary: "Counts of requests over time", role: RoleRead, out: record.Series{}, handle: a.recordSeries,
			query: []parameter{
				{name: "since", kind: "string", doc: "An instant, or a span before now. Default 1h."},
				{name: "until", kind: "string", doc: "Likewise. Default now."},
				{name: "step", kind: "string", doc: "The length of a step, such as 1m; 10s at least, which is the default."},
			},
		},
	}
}

// recorded is where records are; an error where none are kept.
func (a *admin) recorded() (*record.Log, error) {
	if l := a.gateway.records; l != nil {
		return l, nil
	}
	return nil, failwell.FromCondition(failwell.ResourceMissing, nil).With("resource_type", "record").With("resource_id", "any")
}

func (a *admin) query(r *http.Request) (record.Query, error) {
	q, err := record.ParseQuery(r.URL.Query(), a.gateway.config.now())
	if err != nil {
		return q, failwell.FromCondition(failwell.ParameterInvalid, err).With("detail", err.Error())
	}
	return q, nil
}

// asked turns an error of a reader into one of the API.
func asked(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, record.ErrCursor), errors.Is(err, record.ErrRange):
		return failwell.FromCondition(failwell.ParameterInvalid, err)
	case errors.Is(err, record.ErrBusy):
		return failwell.FromCondition(failwell.Unavailable, err).WithRetryAfter(5 * time.Second)
	}
	return failwell.FromCondition(failwell.Unavailable, err).WithRetryAfter(time.Second)
}

func (a *admin) searchRecords(w http.ResponseWriter, r *http.Request) error {
	l, err := a.recorded()
	if err != nil {
		return err
	}
	q, err := a.query(r)
	if err != nil {
		return err
	}
	page, err := l.Search(r.Context(), q)
	if err != nil {
		return asked(err)
	}
	return answer(w, http.StatusOK, page)
}

func (a *admin) tellRecord(w http.ResponseWriter, r *http.Request) error {
	l, err := a.recorded()
	if err != nil {
		return err
	}
	story, err := Tell(r.Context(), l, a.gateway.Contract(), a.gateway.URL(), r.PathValue("id"))
	switch {
	case err != nil:
		return asked(err)
	case story == nil:
		return failwell.FromCondition(failwell.ResourceMissing, nil).With("resource_type", "record").With("resource_id", shortened(r.PathValue("id")))
	}
	return answer(w, http.StatusOK, story)
}

// shortened keeps an answer from being as long as what was asked for.
func shortened(id string) string {
	const most = 128
	if len(id) > most {
		return id[:most] + "…"
	}
	return id
}

func (a *admin) recordSeries(w http.ResponseWriter, r *http.Request) error {
	l, err := a.recorded()
	if err != nil {
		return err
	}
	q, err := a.query(r)
	if err != nil {
		return err
	}
	now := a.gateway.config.now()
	if q.Since.IsZero() {
		q.Since = now.Add(-time.Hour)
	}
	if q.Until.IsZero() {
		q.Until = now
	}
	step := record.Step
	if text := r.URL.Query().Get("step"); text != "" {
		if step, err = time.ParseDuration(text); err != nil || step <= 0 {
			return failwell.FromCondition(failwell.ParameterInvalid, err)
		}
	}
	series, err := l.Series(r.Context(), q.Since, q.Until, step)
	if err != nil {
		return asked(err)
	}
	return answer(w, http.StatusOK, series)
}

// streamRecords sends records as server-sent events until the reader goes.
func (a *admin) streamRecords(w http.ResponseWriter, r *http.Request) error {
	l, err := a.recorded()
	if err != nil {
		return err
	}
	q, err := a.query(r)
	if err != nil {
		return err
	}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	out := eventWriter{w: w, control: http.NewResponseController(w)}
	events := make(chan record.Event)
	failed := make(chan error, 1)
	asking := make(chan struct{})
	ctx := r.Context()
	go func() {
		defer close(events)
		close(asking)
		for e, err := range l.Follow(ctx, q, after) {
			if err != nil {
				failed <- err
				return
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	<-asking // on a busy machine that alone may take longer than beginStream
	begin := time.NewTimer(beginStream)
	defer begin.Stop()
	for {
		select {
		case e, open := <-events:
			if !open {
				select {
				case err := <-failed:
					return asked(err)
				default:
					return nil
				}
			}
			err = out.event(&e)
		case <-begin.C: // nothing was wrong with the question
			err = out.write(": listening\n\n")
		case <-beat.C:
			err = out.write(": \n\n")
		}
		if err != nil {
			return nil // the reader has gone
		}
	}
}

const (
	// heartbeat is how often a stream without news says that it lives.
	heartbeat = 15 * time.Second
	// beginStream is how long a stream waits before it begins without an event.
	beginStream = 50 * time.Millisecond
	// slowReader is how long a reader may take for one event.
	slowReader = 10 * time.Second
)

type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (e *eventWriter) event(x *record.Event) error {
	text := ""
	if x.Missed > 0 {
		text = fmt.Sprintf("event: missed\ndata: {\"missed\":%d}\n\n", x.Missed)
	}
	data, err := json.Marshal(&x.Record)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return e.write(text + "id: " + x.Cursor + "\nevent: record\ndata: " + string(data) + "\n\n")
}

func (e *eventWriter) write(text string) error {
	if !e.begun {
		e.begun = true
		h := e.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(slowReader)) // not every writer has one
	if _, err := io.WriteString(e.w, text); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return e.control.Flush() //nolint:wrapcheck // the reader has gone
}
