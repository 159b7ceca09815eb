package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/record"
)

const recorded = open + `
auth: {schemes: [{in: header, name: X-Api-Key}], key: {prefixes: {live: fw_live_}}}
idempotency: {header: Idempotency-Key}
plans: {free: {rate: 3/min}}
operations:
  GET /items/{id}: {}
  POST /items: {}
`

// TestRecordsTellTheStory: a refusal, a replay, an upstream that is down, found
// by id at once, with why, and none with a credential.
func TestRecordsTellTheStory(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/items/broken" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `{"oops":"we got %s"}`, r.Header.Get("X-Api-Key"))
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer up.Close()
	g, c := startWithAdmin(t, gateway.Settings{Contract: recorded, Upstreams: []string{up.URL}, Credentials: "pass"})
	key := g.newKey(c, admission.NewKey{Account: "acme"})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	post := func(id string) {
		g.do(g.request(http.MethodPost, "/items", strings.NewReader("{}"), "X-Api-Key", key, "Content-Type", "application/json", "Idempotency-Key", `"order-1"`,
			"X-Request-Id", id, "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01", "X-Retry-Count", "1"))
	}
	post("first")
	post("again")
	g.do(g.request(http.MethodGet, "/items/broken", nil, "X-Api-Key", key, "X-Request-Id", "broken"))
	g.do(g.request(http.MethodGet, "/items/"+key, nil, "X-Api-Key", key, "X-Request-Id", "refused"))
	tell := func(id string) *gateway.Story {
		t.Helper()
		s, err := c.Tell(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	refused := tell("refused")
	l := refused.Record.Limits
	if r := refused.Record; r.Status != 429 || r.Code != "slow_down" || r.Stage != record.Admission || r.RetryAfter <= 0 || r.Account != "acme" || r.KeyStart == "" ||
		len(l) != 1 || !l[0].Refused || !l[0].Binding || l[0].Max != 3 || l[0].Before != 0 || l[0].After != 0 || !strings.Contains(r.Body, "slow_down") {
		t.Errorf("%+v", r)
	}
	if refused.Error == nil || refused.Error.Code != "slow_down" || refused.Error.Retry != "after_wait" {
		t.Errorf("%+v", refused.Error)
	}
	if !strings.Contains(refused.Curl, `-H "X-Api-Key: $KEY"`) || !strings.Contains(refused.Curl, g.url+"/items/") {
		t.Error(refused.Curl)
	}
	first, again := tell("first"), tell("again")
	if r := first.Record; r.Idempotency.State != record.Worked || r.Idempotency.Hash == "" || len(r.Tries) != 1 || r.Tries[0].Status != 201 ||
		r.Tries[0].To != up.URL || r.Upstream <= 0 || r.Trace != trace || r.Attempt != 2 || r.Limits[0].Before != 3 || r.Limits[0].After != 2 {
		t.Errorf("%+v", r)
	}
	if r := again.Record; r.Idempotency.State != record.Replayed || r.Idempotency.Original != "first" || len(r.Tries) != 0 || r.Status != 201 {
		t.Errorf("%+v", r)
	}
	if len(again.Siblings) != 1 || again.Siblings[0].ID != "first" {
		t.Errorf("%+v", again.Siblings)
	}
	if r := tell("broken").Record; r.Code != "" || !strings.Contains(r.Body, "oops") || r.Decided <= 0 {
		t.Errorf("%+v", r)
	}
	page, err := c.SearchRecords(t.Context(), record.Query{Account: "acme", Failed: true})
	if err != nil || len(page.Records) != 2 {
		t.Errorf("%d %v", len(page.Records), err)
	}
	all, err := c.SearchRecords(t.Context(), record.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", all); strings.Contains(text, key) || strings.Contains(text, key[10:]) {
		t.Errorf("a key is in %s", text)
	}
	for name, id := range map[string]string{"unknown": "nobody", "of 10 KB": strings.Repeat("x", 10<<10), "hostile": "\x1b]0;x\a'; DROP", "empty": "%00"} {
		if s, err := c.Tell(t.Context(), id); !errors.Is(err, failwell.ResourceMissing) {
			t.Errorf("%s: %+v %v", name, s, err)
		}
	}
	series, err := c.RecordSeries(t.Context(), time.Now().Add(-time.Minute), time.Now().Add(record.Step), 2*time.Minute)
	if err != nil || len(series.Buckets) == 0 {
		t.Fatal(err)
	}
	n := int64(0)
	for i := range series.Buckets {
		n += series.Buckets[i].Requests
	}
	if n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

// TestRecordsStream: as they happen, again after a break, and not for too many.
func TestRecordsStream(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{Contract: open})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := make(chan record.Event, 100)
	follow := func(ctx context.Context, after string) {
		for e, err := range c.FollowRecords(ctx, record.Query{Failed: true}, after) {
			if err != nil {
				t.Error(err)
				return
			}
			events <- e
		}
	}
	listening := func() {
		for g.Records().Stats().Followers == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	one, stop := context.WithCancel(ctx)
	go follow(one, "")
	listening()
	send := func(id string) { g.do(g.request(http.MethodConnect, "/x", nil, "X-Request-Id", id)) }
	send("a")
	first := <-events
	stop()
	send("b")
	go follow(ctx, first.Cursor)
	if e := <-events; first.Record.ID != "a" || e.Record.ID != "b" {
		t.Errorf("%q, then %q", first.Record.ID, e.Record.ID)
	}
	refused := make(chan error, 130)
	var all sync.WaitGroup
	for range cap(refused) {
		all.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/v1/events", nil)
			r.Header.Set("Authorization", "Bearer "+c.Token)
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { resp.Body.Close() })
			if resp.StatusCode != http.StatusOK {
				refused <- failwell.Check(resp, nil)
			}
		})
	}
	all.Wait()
	// 128 at most, of which one is here already; it may be connecting anew, and the
	// first may not have been missed yet.
	if n := len(refused); n < 2 || n > 4 {
		t.Fatalf("%d streams were refused", n)
	}
	var busy *failwell.Error
	if err := <-refused; !errors.As(err, &busy) || busy.Status != http.StatusServiceUnavailable || !busy.HasRetryAfter {
		t.Errorf("%v", err)
	}
}
