package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/failwell/failwell/record"
)

// window is how far back a page looks.
type window struct {
	Name  string
	Title string
	Span  time.Duration
	Step  time.Duration
}

// windows have 60 to 180 steps, as many as a chart can show apart.
var windows = []window{
	{"15m", "15 minutes", 15 * time.Minute, 10 * time.Second},
	{"1h", "hour", time.Hour, 30 * time.Second},
	{"6h", "6 hours", 6 * time.Hour, 3 * time.Minute},
	{"24h", "24 hours", 24 * time.Hour, 10 * time.Minute},
	{"7d", "7 days", 7 * 24 * time.Hour, time.Hour},
}

func windowOf(r *http.Request) window {
	for _, w := range windows {
		if w.Name == r.URL.Query().Get("window") {
			return w
		}
	}
	return windows[1]
}

// overviewView answers whether data is flowing, and how it fares.
type overviewView struct {
	Window  window
	Windows []window
	Kept    bool // records are
	// Last is the latest request; nil where there is none in sight.
	Last                               *record.Record
	Flowing                            bool
	Requests, Failed, Refused, Dropped int64
	PerMinute                          float64
	Median, Slow                       string
	Classes, Errors                    chart
	Heat                               heat
	Codes                              []codeCount
	Failures                           []record.Record
	Status                             gatewayStatus
	NotReady                           []string
}

// gatewayStatus is what is shown of /v1/status.
type gatewayStatus struct {
	UnderWay  int64            `json:"under_way"`
	Upstreams []upstreamStatus `json:"upstreams"`
	Reload    json.RawMessage  `json:"reload"`
}

type upstreamStatus struct {
	URL     string `json:"url"`
	Healthy bool   `json:"healthy"`
}

// codeCount is a row of the table of errors.
type codeCount struct {
	Code   string
	Class  int
	N      int64
	Before int64 // in the first half of the window, to tell what grows
}

func (c *Console) overview(v *view) error {
	page := overviewView{Window: windowOf(v.r), Windows: windows, Kept: c.Records != nil}
	if err := c.ask(v.r, v.token, http.MethodGet, "/v1/status", nil, &page.Status); err != nil {
		return err
	}
	var ready struct {
		Why []string `json:"why"`
	}
	if err := c.ask(v.r, v.token, http.MethodGet, "/readyz", nil, &ready); err != nil {
		e, ok := errors.AsType[*apiError](err)
		if !ok || json.Unmarshal(e.body, &ready) != nil {
			return err
		}
	}
	page.NotReady = ready.Why
	if c.Records != nil {
		if err := c.measure(v, &page); err != nil {
			return err
		}
	}
	if v.r.Header.Get("HX-Request") != "" {
		return c.part(v, "overview", "pulse", &page)
	}
	return c.show(v, http.StatusOK, "overview", "Overview", &page)
}

// flowing is how old the latest request may be while data still flows.
const flowing = time.Minute

func (c *Console) measure(v *view, page *overviewView) error {
	ctx, now := v.r.Context(), c.now()
	series, err := c.Records.Series(ctx, now.Add(-page.Window.Span), now, page.Window.Step)
	if err != nil {
		return err
	}
	latest, err := c.Records.Search(ctx, record.Query{Limit: 1})
	if err != nil {
		return err
	}
	if len(latest.Records) > 0 {
		page.Last = &latest.Records[0]
		page.Flowing = now.Sub(page.Last.Ended) < flowing
	}
	failures, err := c.Records.Search(ctx, record.Query{Failed: true, Limit: 12, Since: now.Add(-page.Window.Span)})
	if err != nil {
		return err
	}
	page.Failures = failures.Records
	page.summarise(&series)
	return nil
}

// summarise makes numbers, charts and tables of a series.
func (page *overviewView) summarise(s *record.Series) {
	var latency []int64
	codes := map[codeKey]*codeCount{}
	for i := range s.Buckets {
		b := &s.Buckets[i]
		page.Requests += b.Requests
		page.Refused += b.Refused
		page.Dropped += b.Dropped
		latency = sum(latency, b.Latency[:])
		for _, n := range b.Counts {
			if n.Class != 0 && n.Class < 4 {
				continue
			}
			page.Failed += n.N
			k := codeKey{n.Code, n.Class}
			if codes[k] == nil {
				codes[k] = &codeCount{Code: n.Code, Class: n.Class}
			}
			codes[k].N += n.N
			if i < len(s.Buckets)/2 {
				codes[k].Before += n.N
			}
		}
	}
	page.PerMinute = float64(page.Requests) / page.Window.Span.Minutes()
	page.Median, page.Slow = quantile(latency, 0.5), quantile(latency, 0.99)
	for _, n := range slices.SortedFunc(maps.Values(codes), func(a, b *codeCount) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Class, b.Class))
	}) {
		page.Codes = append(page.Codes, *n)
	}
	page.Classes, page.Errors, page.Heat = classChart(s), codeChart(s, page.Codes), heatOf(s)
}

type codeKey struct {
	code  string
	class int
}

func sum(into, more []int64) []int64 {
	if into == nil {
		into = make([]int64, len(more))
	}
	for i, n := range more {
		into[i] += n
	}
	return into
}

// quantile is the bound below which a part of the counts lies.
func quantile(counts []int64, q float64) string {
	var all int64
	for _, n := range counts {
		all += n
	}
	if all == 0 {
		return "–"
	}
	bounds, seen := record.Bounds(), int64(0)
	for i, n := range counts {
		if seen += n; float64(seen) >= q*float64(all) {
			if i >= len(bounds) {
				return "> " + took(bounds[len(bounds)-1])
			}
			return "≤ " + boundName(bounds[i])
		}
	}
	return "–"
}
