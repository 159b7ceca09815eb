package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/record"
)

// filter is what the form of the search holds; it lies in the address, so that
// what was found can be sent to a colleague.
type filter struct {
	Text, Code, Key, Account, Path, Operation, Trace, Method, Status, Window, Cursor string
	Failed, Refused                                                                  bool
}

func filterOf(q url.Values) filter {
	return filter{
		Text: strings.TrimSpace(q.Get("q")), Code: q.Get("code"), Key: strings.TrimSuffix(strings.TrimSpace(q.Get("key")), "…"), Account: strings.TrimSpace(q.Get("account")), Path: strings.TrimSpace(q.Get("path")),
		Operation: q.Get("operation"), Trace: strings.TrimSpace(q.Get("trace")), Method: q.Get("method"), Status: q.Get("status"), Window: q.Get("window"), Cursor: q.Get("cursor"),
		Failed: q.Get("failed") != "", Refused: q.Get("refused") != "",
	}
}

// Query is the filter as an address has it, but for the place in the list.
func (f *filter) Query() string {
	on := map[bool]string{true: "on"}
	return queryOf([]string{
		"q", f.Text, "code", f.Code, "key", f.Key, "account", f.Account, "path", f.Path, "operation", f.Operation, "trace", f.Trace,
		"method", f.Method, "status", f.Status, "window", f.Window, "failed", on[f.Failed], "refused", on[f.Refused],
	})
}

// Any reports whether something is left out.
func (f *filter) Any() bool { return f.Query() != "" }

// query is the filter for records. A text that is a path or an id is looked for
// as such, which is quick.
func (f *filter) query(now time.Time) record.Query {
	q := record.Query{
		Text: f.Text, Code: f.Code, Key: f.Key, Account: f.Account, Path: f.Path, Operation: f.Operation, Trace: f.Trace, Method: f.Method,
		Failed: f.Failed, Refused: f.Refused, Cursor: f.Cursor,
	}
	if strings.HasPrefix(f.Text, "/") && f.Path == "" {
		q.Path, q.Text = f.Text, ""
	}
	if digit, ok := strings.CutSuffix(f.Status, "xx"); ok {
		if n, err := strconv.Atoi(digit); err == nil {
			q.StatusFrom, q.StatusTo = n*100, n*100+99
		}
	} else if n, err := strconv.Atoi(f.Status); err == nil {
		q.StatusFrom, q.StatusTo = n, n
	}
	for _, w := range windows {
		if w.Name == f.Window {
			q.Since = now.Add(-w.Span)
		}
	}
	return q
}

// requestsView is a page of what a filter finds.
type requestsView struct {
	Filter  filter
	Kept    bool
	Records []record.Record
	Next    string
	Until   time.Time
	// Live is the address of the stream of what is still to come.
	Live     string
	Codes    []string
	Statuses []string
	Windows  []window
	Wrong    string
}

func (c *Console) requests(v *view) error {
	page := requestsView{Filter: filterOf(v.r.URL.Query()), Kept: c.Records != nil, Windows: windows, Statuses: []string{"2xx", "3xx", "4xx", "5xx"}}
	if c.Records == nil {
		return c.show(v, http.StatusOK, "requests", "Requests", &page)
	}
	ctx := v.r.Context()
	// Whoever pastes an id wants to see that request.
	if id := page.Filter.Text; id != "" && len(id) <= maxID && v.r.Header.Get("HX-Request") == "" && page.Filter.Cursor == "" {
		found, err := c.Records.Find(ctx, id)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			http.Redirect(v.w, v.r, requestPath(id), http.StatusSeeOther)
			return nil
		}
	}
	found, err := c.Records.Search(ctx, page.Filter.query(c.now()))
	switch {
	case errors.Is(err, record.ErrCursor):
		page.Wrong = "This address is of a page that cannot be found any more. Begin at the first one."
	case err != nil:
		return err
	}
	page.Records, page.Next, page.Until = found.Records, found.Next, found.Until
	if page.Filter.Cursor == "" {
		page.Live = Path + "live?" + page.Filter.Query()
	}
	for _, code := range c.Contract().Codes {
		page.Codes = append(page.Codes, code.Name)
	}
	slices.Sort(page.Codes)
	if v.r.Header.Get("HX-Target") == "found" {
		return c.part(v, "requests", "found", &page)
	}
	return c.show(v, http.StatusOK, "requests", "Requests", &page)
}

// maxID bounds what can be an id of a request: gateways accept no longer ones.
const maxID = 256

// requestPath is the page of a request.
func requestPath(id string) string { return Path + "requests/" + url.PathEscape(id) }

// RowPath is for templates.
func rowPath(r *record.Record) string {
	return requestPath(r.ID) + "?at=" + strconv.FormatInt(r.Ended.UnixNano(), 10)
}

// requestView is the story of one request.
type requestView struct {
	*record.Record

	Others    []record.Record // with the same id
	Siblings  []record.Record
	Gantt     gantt
	Decisions []record.Decision
	Story     story
	Curl      string
	Own       time.Duration // neither decided nor waited for the service behind
}

func (c *Console) request(v *view) error {
	id := v.r.PathValue("id")
	if c.Records == nil {
		return c.show(v, http.StatusNotFound, "message", "No records", message{"No records are kept", "The gateway runs without records, so there is nothing to look up."})
	}
	var found []record.Record
	if len(id) <= maxID {
		var err error
		if found, err = c.Records.Find(v.r.Context(), id); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return c.show(v, http.StatusNotFound, "missing", "No such request", cut(id, 80))
	}
	at := 0
	if wanted, err := strconv.ParseInt(v.r.URL.Query().Get("at"), 10, 64); err == nil {
		at = max(slices.IndexFunc(found, func(r record.Record) bool { return r.Ended.UnixNano() == wanted }), 0)
	}
	page := requestView{Record: &found[at], Others: slices.Delete(slices.Clone(found), at, at+1), Decisions: found[at].Decisions()}
	var err error
	if page.Siblings, err = c.Records.Siblings(v.r.Context(), page.Record); err != nil {
		return err
	}
	page.Gantt = ganttOf(page.Record, page.Siblings)
	page.Story = c.tell(page.Record)
	page.Curl = c.curl(page.Record)
	page.Own = max(page.Took-page.Decided-page.Upstream, 0)
	return c.show(v, http.StatusOK, "request", "Request "+cut(page.ID, 40), &page)
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// live feeds a page with what its filter finds from now on.
func (c *Console) live(v *view) error {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		c.fail(v.w, http.StatusServiceUnavailable, "overloaded", busyWait)
		return nil
	}
	if c.Records == nil {
		c.fail(v.w, http.StatusNotFound, "resource_missing", 0)
		return nil
	}
	f := filterOf(v.r.URL.Query())
	f.Window = ""
	after := cmp.Or(v.r.Header.Get("Last-Event-ID"), v.r.URL.Query().Get("after"))
	return c.feed(v, f.query(c.now()), after)
}
