package record

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"
)

// Reader is where records are looked up. All methods are safe for concurrent
// use, and none shows a half-written record. Errors other than those named are
// the store's.
type Reader interface {
	// Find returns the records with an id, the newest first; none is no error.
	Find(ctx context.Context, id string) ([]Record, error)

	// Siblings returns the other requests of the same call, the oldest first:
	// those with r's trace, with its idempotency key, or whose answer was replayed.
	// At most MaxSiblings of them.
	Siblings(ctx context.Context, r *Record) ([]Record, error)

	// Search returns a page, the newest first.
	Search(ctx context.Context, q Query) (Page, error)

	// Follow yields records as they end, the oldest first, until ctx ends, which is
	// no error. With a cursor of an earlier event it begins with what came since.
	// ErrBusy, at once, when there are too many followers.
	Follow(ctx context.Context, q Query, after string) iter.Seq2[Event, error]

	// Series returns counts over time, one bucket for each step from since to
	// until, also for steps in which nothing happened. They count every request,
	// whether a record of it was kept or not. A step is at least Step; a longer one
	// is rounded up to a multiple of it.
	Series(ctx context.Context, since, until time.Time, step time.Duration) (Series, error)
}

// Step is the grain of Series.
const Step = 10 * time.Second

// MaxSiblings bounds what Siblings returns.
const MaxSiblings = 100

var (
	// ErrCursor says that a cursor is not one that was given out.
	ErrCursor = errors.New("record: no such cursor")
	// ErrBusy says that there are as many followers as there may be.
	ErrBusy = errors.New("record: too many followers")
	// ErrRange says that a span is empty, or has more steps than MaxBuckets.
	ErrRange = errors.New("record: bad range")
)

// Query says which records are meant. Zero fields mean all.
type Query struct {
	ID        string
	Account   string
	Key       string // a key's id or its start
	Code      string
	Operation string
	Trace     string
	// Hash is of an idempotency key, as Idempotency.Hash.
	Hash string
	// Path is a prefix.
	Path   string
	Method string
	// StatusFrom and StatusTo bound the status, both included: 400 and 499, or 0
	// and 0 for all. A caller who left (status 0) is in no range.
	StatusFrom, StatusTo int
	// Failed leaves out what went well.
	Failed bool
	// Refused leaves out what no limit refused.
	Refused bool
	// Text is looked for in id, path, code, account, key's start, operation, body and
	// cause, in any case.
	Text string
	// Since and Until bound the end of the request; Until is not included.
	Since, Until time.Time
	// Limit is the length of a page: 0 means 50, and 1000 is the most.
	Limit int
	// Cursor is Page.Next of the page before.
	Cursor string
}

// Page is part of what a query finds.
type Page struct {
	Records []Record `json:"records"`
	// Next is the cursor of the next page, "" when there is none. A page may be
	// short, or empty, and still have a next one: the work for one is bounded.
	Next string `json:"next,omitempty"`
	// Until is how far back the page has looked: all that is newer has been seen.
	Until time.Time `json:"until,omitzero"`
}

// Event is a record as it happens.
type Event struct {
	Record Record `json:"record"`
	// Cursor resumes after this event.
	Cursor string `json:"cursor"`
	// Missed is how many records before this one a slow follower did not get.
	Missed int `json:"missed,omitempty"`
}

// Matches reports whether r is meant by q, cursor and limit apart.
func (q *Query) Matches(r *Record) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	switch {
	case !is(q.ID, r.ID), !is(q.Account, r.Account), !is(q.Code, r.Code), !is(q.Operation, r.Operation), !is(q.Trace, r.Trace),
		!is(q.Hash, r.Idempotency.Hash), !is(q.Method, r.Method):
		return false
	case q.Key != "" && q.Key != r.Key && q.Key != r.KeyStart:
		return false
	case !strings.HasPrefix(r.Path, q.Path):
		return false
	case (q.StatusFrom > 0 || q.StatusTo > 0) && (r.Status == 0 || r.Status < q.StatusFrom || q.StatusTo > 0 && r.Status > q.StatusTo):
		return false
	case q.Failed && !r.Failed():
		return false
	case q.Refused && !r.refused():
		return false
	case !q.Since.IsZero() && r.Ended.Before(q.Since), !q.Until.IsZero() && !r.Ended.Before(q.Until):
		return false
	}
	return q.Text == "" || r.holds(q.Text)
}

func (r *Record) refused() bool {
	for i := range r.Limits {
		if r.Limits[i].Refused {
			return true
		}
	}
	return false
}

func (r *Record) holds(text string) bool {
	text = strings.ToLower(text)
	for _, s := range [...]string{r.ID, r.Path, r.Code, r.Account, r.KeyStart, r.Operation, r.Body, r.Cause} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

const (
	defaultPage = 50
	maxPage     = 1000
)

func (q *Query) limit() int {
	switch {
	case q.Limit <= 0:
		return defaultPage
	default:
		return min(q.Limit, maxPage)
	}
}
