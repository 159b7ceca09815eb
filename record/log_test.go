package record_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store"
)

// some makes a record; i tells them apart.
func some(i int) *record.Record {
	r := &record.Record{
		ID: fmt.Sprintf("0190a1b2-0000-7000-8000-%012x", i), Time: noon.Add(time.Duration(i) * 20 * time.Millisecond), Account: fmt.Sprint("account-", i%7),
		Key: fmt.Sprint("key_", i%11), KeyStart: "fw_live_abcd", Plan: "pro", Operation: "GET /items/{id}", Method: "GET", Path: fmt.Sprint("/items/", i),
		Status: 200, Stage: record.Handling, Took: time.Duration(i) * time.Microsecond, Decided: 700, Upstream: 900, Bytes: int64(i), Sent: -1, Node: "here",
		Limits: []record.Limit{{Kind: "rate", Max: 60, Per: time.Minute, Cost: 1, Before: 10, After: 9, Binding: true, Reset: noon.Add(time.Hour)}},
		Tries:  []record.Try{{To: "http://127.0.0.1:9", Took: 900, Status: 200}},
	}
	r.Ended = r.Time.Add(r.Took)
	if i%5 == 0 {
		r.Status, r.Code, r.Condition, r.Stage, r.Tries, r.RetryAfter = 429, "slow_down", condition.RateLimited, record.Admission, nil, time.Second
		r.Limits[0].Refused, r.Body, r.Cut, r.Cause = true, `{"error":"slow"}`, true, "because"
	}
	if i%3 == 0 {
		r.Trace, r.Span, r.Attempt = fmt.Sprintf("%032x", i/6), "00f067aa0ba902b7", 2
		r.Idempotency = record.Idempotency{State: record.Replayed, Hash: fmt.Sprint("hash", i/9), Original: "first"}
	}
	return r
}

// TestLogIsLikeMemory asks the log and the plain statement of what it does the
// same questions.
func TestLogIsLikeMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &store.Memory{Clock: func() time.Time { return noon.Add(time.Hour) }}
		var clockNow atomic.Int64
		clockNow.Store(noon.UnixNano())
		clock := func() time.Time { return time.Unix(0, clockNow.Load()) }
		open := func() *record.Log { return &record.Log{Store: s, Node: "here", Clock: clock, MaxRate: -1} }
		l, m := open(), &record.Memory{Max: 1 << 20}
		n := 0
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			for range rapid.IntRange(0, 1500).Draw(t, "records") {
				r := some(n)
				clockNow.Store(r.Ended.UnixNano())
				l.Add(r)
				m.Add(r)
				n++
			}
			if rapid.Bool().Draw(t, "restart") {
				if err := l.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				l = open()
			}
		}
		defer l.Close(t.Context())
		same := func(what string, got, want any, errs ...error) {
			t.Helper()
			for _, err := range errs {
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			if d := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b record.Count) bool { return a.N < b.N || a.N == b.N && a.Code < b.Code })); d != "" {
				t.Fatalf("%s: %s", what, d)
			}
		}
		for range 3 {
			r := some(rapid.IntRange(0, n+3).Draw(t, "of"))
			got, err := l.Find(t.Context(), r.ID)
			want, _ := m.Find(t.Context(), r.ID)
			same("find", got, want, err)
			got, err = l.Siblings(t.Context(), r)
			want, _ = m.Siblings(t.Context(), r)
			same("siblings", got, want, err)
		}
		q := rapid.SampledFrom([]record.Query{
			{}, {Failed: true, Limit: 7}, {Account: "account-3"}, {Key: "key_4", Refused: true}, {Code: "slow_down", Limit: 3}, {Text: "ITEMS/1"}, {Trace: some(3).Trace},
			{Since: noon.Add(20 * time.Second), Until: noon.Add(50 * time.Second)}, {Operation: "nothing"}, {StatusFrom: 400, StatusTo: 499, Path: "/items/2"},
		}).Draw(t, "query")
		for range 4 {
			got, err := l.Search(t.Context(), q)
			want, _ := m.Search(t.Context(), q)
			same("search", got.Records, want.Records, err)
			if q.Cursor = want.Next; q.Cursor == "" {
				break
			}
		}
		now := clock()
		got, err := l.Series(t.Context(), noon, now.Add(time.Second), record.Step)
		want, _ := m.Series(t.Context(), noon, now.Add(time.Second), record.Step)
		same("series", got, want, err)
	})
}

func BenchmarkAdd(b *testing.B) {
	s := &store.Memory{}
	l := &record.Log{Store: s, MaxRate: -1}
	defer l.Close(b.Context())
	list := make([]*record.Record, 1000)
	for i := range list {
		list[i] = some(i)
		list[i].Trace, list[i].Idempotency = "", record.Idempotency{}
	}
	b.ReportAllocs()
	for b.Loop() {
		r := list[rand.IntN(len(list))]
		r.Ended = time.Now()
		l.Add(r)
	}
	b.ReportMetric(float64(l.Stats().Dropped)/float64(b.N), "dropped/op")
}
