package record

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract/condition"
)

// TestBlocksKeepRecords: what is written is what is read, whatever is in it.
func TestBlocksKeepRecords(t *testing.T) {
	t.Parallel()
	texts := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "\x00", "0190a1b2-0000-7000-8000-000000000001", "req_0190a1b2-0000-7000-8000-000000000001", "0190A1B2-0000-7000-8000-000000000001"}), rapid.StringN(0, 40, 200))
	span := rapid.Map(rapid.Int64Range(0, 1<<50), func(n int64) time.Duration { return time.Duration(n) })
	limit := rapid.Custom(func(t *rapid.T) Limit {
		l := Limit{
			Name: texts.Draw(t, "name"), Kind: texts.Draw(t, "kind"), Period: texts.Draw(t, "period"), Max: rapid.Int64().Draw(t, "max"), Per: span.Draw(t, "per"),
			Cost: rapid.Int64().Draw(t, "cost"), Before: rapid.Int64().Draw(t, "before"), After: rapid.Int64().Draw(t, "after"),
			Refused: rapid.Bool().Draw(t, "refused"), Binding: rapid.Bool().Draw(t, "binding"), Local: rapid.Bool().Draw(t, "local"),
		}
		if rapid.Bool().Draw(t, "resets") {
			l.Reset = time.Unix(0, rapid.Int64Range(1, 1<<60).Draw(t, "reset")).UTC()
		}
		return l
	})
	try := rapid.Custom(func(t *rapid.T) Try {
		return Try{texts.Draw(t, "to"), span.Draw(t, "after"), span.Draw(t, "took"), rapid.IntRange(0, 999).Draw(t, "status"), texts.Draw(t, "failed")}
	})
	rapid.Check(t, func(t *rapid.T) {
		node := texts.Draw(t, "node")
		w := newWriter(node)
		var want, got []Record
		prev := int64(0)
		at := int64(1 << 60)
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			r := Record{
				ID: texts.Draw(t, "id"), Account: texts.Draw(t, "account"), Key: texts.Draw(t, "key"), Operation: texts.Draw(t, "operation"),
				Method: texts.Draw(t, "method"), Path: texts.Draw(t, "path"), Status: rapid.IntRange(0, 999).Draw(t, "status"), Stage: Stage(texts.Draw(t, "stage")),
				Code: texts.Draw(t, "code"), Decided: span.Draw(t, "decided"), Upstream: span.Draw(t, "upstream"), Took: span.Draw(t, "took"),
				RetryAfter: span.Draw(t, "wait"), Trace: texts.Draw(t, "trace"), Attempt: rapid.IntRange(0, 99).Draw(t, "attempt"), Sent: rapid.Int64().Draw(t, "sent"),
				Bytes: rapid.Int64().Draw(t, "bytes"), Body: texts.Draw(t, "body"), Cut: rapid.Bool().Draw(t, "cut"), Cause: texts.Draw(t, "cause"), Node: node,
				Limits: rapid.SliceOfN(limit, 0, 3).Draw(t, "limits"), Tries: rapid.SliceOfN(try, 0, 3).Draw(t, "tries"),
				Idempotency: Idempotency{IdempotencyState(texts.Draw(t, "state")), texts.Draw(t, "hash"), texts.Draw(t, "original")},
			}
			at += rapid.Int64Range(1, 1e9).Draw(t, "apart")
			r.Ended = time.Unix(0, at).UTC()
			r.Time = r.Ended.Add(-r.Took)
			if r.Account != "" || r.Key != "" { // the others are there only then
				r.KeyStart, r.Plan = texts.Draw(t, "start"), texts.Draw(t, "plan")
			}
			if r.Code != "" {
				r.Condition = condition.Condition(texts.Draw(t, "condition"))
			}
			if r.Trace != "" {
				r.Span = texts.Draw(t, "span")
			}
			if len(r.Limits) == 0 {
				r.Limits = nil
			}
			if len(r.Tries) == 0 {
				r.Tries = nil
			}
			w.record(&r, at, prev)
			prev = at
			want = append(want, r)
		}
		for r := newReader(w.b); ; {
			x, ok := r.next()
			if !ok {
				break
			}
			got = append(got, x)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestLongTextIsCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	w := newWriter("")
	w.record(&Record{ID: long, Path: long, Body: long, Cause: long, Account: long, Limits: make([]Limit, 1000), Tries: make([]Try, 1000), Ended: time.Unix(1, 0)}, 1e9, 0)
	r, ok := newReader(w.b).next()
	if !ok || len(w.b) > 20<<10 || len(r.ID) != maxID || len(r.Path) != maxPath || len(r.Limits) != maxLimits || len(r.Tries) != maxTries {
		t.Errorf("%v, %d bytes, %+v", ok, len(w.b), r)
	}
}

// FuzzBlock: what is no block is read without harm and comes to an end.
func FuzzBlock(f *testing.F) {
	w := newWriter("node")
	w.record(&Record{ID: "id", Limits: []Limit{{Kind: "rate"}}, Tries: []Try{{}}, Trace: "t", Ended: time.Unix(1, 0)}, 1e9, 0)
	f.Add(w.b)
	f.Add((&tally{Bucket: Bucket{Counts: []Count{{N: 1}}}}).encode())
	f.Add((&head{first: 1, last: 2, filter: newFilter([]uint64{1})}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for r := newReader(b); ; n++ {
			if _, ok := r.next(); !ok {
				break
			}
		}
		if n > len(b) {
			t.Errorf("%d records in %d bytes", n, len(b))
		}
		decodeTally(b)
		if h, ok := decodeHead("x", b); ok {
			h.filter.mayHold(1)
		}
		lookIn(b, 1)
	})
}

// TestFilterForgetsNothing, and lets little else through.
func TestFilterForgetsNothing(t *testing.T) {
	t.Parallel()
	var in []uint64
	for i := range 5000 {
		in = append(in, termOf(byID, strings.Repeat("i", i%7)+time.Duration(i).String()))
	}
	f := newFilter(in)
	wrong := 0
	for i, term := range in {
		if !f.mayHold(term) {
			t.Fatal("a term was forgotten")
		}
		if f.mayHold(termOf(byTrace, time.Duration(i).String())) {
			wrong++
		}
	}
	if wrong > 100 {
		t.Errorf("%d of 5000 that are not there seem to be", wrong)
	}
}
