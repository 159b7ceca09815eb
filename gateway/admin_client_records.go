package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/record"
)

// Tell tells all about a request; the error of an id that nobody knows holds
// for failwell.ResourceMissing.
func (c *AdminClient) Tell(ctx context.Context, id string) (*Story, error) {
	var s Story
	if err := c.call(ctx, http.MethodGet, "/v1/records/"+url.PathEscape(id), nil, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// SearchRecords returns a page of records, the newest first.
func (c *AdminClient) SearchRecords(ctx context.Context, q record.Query) (page record.Page, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/records?"+url.Values(q.Parameters()).Encode(), nil, &page)
	return page, err
}

// RecordSeries returns counts over time.
func (c *AdminClient) RecordSeries(ctx context.Context, since, until time.Time, step time.Duration) (s record.Series, err error) {
	q := url.Values{"since": {since.UTC().Format(time.RFC3339Nano)}, "until": {until.UTC().Format(time.RFC3339Nano)}, "step": {step.String()}}
	err = c.call(ctx, http.MethodGet, "/v1/series?"+q.Encode(), nil, &s)
	return s, err
}

// longestEvent bounds one event of a stream, in bytes.
const longestEvent = 1 << 20

// FollowRecords yields records as they end, until ctx does, which is no error. A
// stream that breaks off ends with one: with the last event's cursor it goes on
// where it ended.
func (c *AdminClient) FollowRecords(ctx context.Context, q record.Query, after string) iter.Seq2[record.Event, error] {
	return func(yield func(record.Event, error) bool) {
		resp, err := c.openStream(ctx, q, after)
		if err != nil {
			if ctx.Err() == nil {
				yield(record.Event{}, err)
			}
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, longestEvent)
		var e record.Event
		name := ""
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				e.Cursor = value
			case "event":
				name = value
			case "data":
				if name == "missed" {
					err = json.Unmarshal([]byte(value), &e)
				} else if err = json.Unmarshal([]byte(value), &e.Record); err == nil && !yield(e, nil) {
					return
				}
				if err != nil {
					yield(record.Event{}, fmt.Errorf("admin: an event cannot be read: %w", err))
					return
				}
				if name != "missed" {
					e = record.Event{}
				}
			}
		}
		if ctx.Err() == nil {
			yield(record.Event{}, errors.Join(errStreamEnded, lines.Err()))
		}
	}
}

var errStreamEnded = errors.New("admin: the stream has ended")

func (c *AdminClient) openStream(ctx context.Context, q record.Query, after string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/v1/events?"+url.Values(q.Parameters()).Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := &http.Client{} // a stream has no time by which it is over
	if c.HTTP != nil {
		*client = *c.HTTP
		client.Timeout = 0
	}
	contract, err := builtin.Get("problem")
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err := failwell.CheckWith(contract, resp, err); err != nil {
		return nil, told(err)
	}
	return resp, nil
}
