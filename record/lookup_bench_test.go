package record_test

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store/pebblestore"
)

var records = flag.Int("records", 100_000, "how many records BenchmarkLookup looks among")

// BenchmarkLookup looks records up on disk, by the ids that a caller chose at
// random, and in the ways of a console; docs/performance.md shows it for
// go test -bench Lookup . -args -records 10000000 in this folder.
func BenchmarkLookup(b *testing.B) {
	s, err := pebblestore.Open(b.TempDir(), pebblestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	l := &record.Log{Store: s, MaxBytes: -1, MaxRate: -1, MaxFailures: -1, Alone: true}
	began := time.Now()
	ids := fill(b, l, *records)
	b.Logf("%d records written in %v", *records, time.Since(began).Round(time.Second))
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	l = &record.Log{Store: s, Alone: true}
	defer l.Close(context.Background())
	last := began
	for name, look := range map[string]func() (int, error){
		"id":      func() (int, error) { r, err := l.Find(b.Context(), ids[rand.IntN(len(ids))]); return len(r), err },
		"unknown": func() (int, error) { r, err := l.Find(b.Context(), uuid.NewString()); return len(r) + 1, err },
		"page":    func() (int, error) { p, err := l.Search(b.Context(), record.Query{}); return len(p.Records), err },
		"failed": func() (int, error) {
			p, err := l.Search(b.Context(), record.Query{Failed: true})
			return len(p.Records), err
		},
		"account": func() (int, error) {
			p, err := l.Search(b.Context(), record.Query{Account: fmt.Sprint("account-", rand.IntN(1000))})
			return len(p.Records), err
		},
		"siblings": func() (int, error) {
			r, err := l.Siblings(b.Context(), &record.Record{Trace: fmt.Sprintf("%032x", rand.IntN(*records/10+1))})
			return len(r) + 1, err
		},
		"series": func() (int, error) {
			s, err := l.Series(b.Context(), last.Add(-time.Hour), time.Now(), time.Minute)
			return len(s.Buckets), err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				at := time.Now()
				n, err := look()
				took = append(took, time.Since(at))
				if err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// fill writes records of 1000 accounts, one in ten of which failed, and returns
// ids of some of them.
func fill(b *testing.B, l *record.Log, n int) (ids []string) {
	b.Helper()
	source := rand.NewChaCha8([32]byte{1})
	for i := range n {
		var id uuid.UUID
		binary.LittleEndian.PutUint64(id[:], source.Uint64())
		binary.LittleEndian.PutUint64(id[8:], source.Uint64())
		r := some(i)
		r.ID, r.Account, r.Ended = id.String(), fmt.Sprint("account-", i%1000), time.Now()
		r.Time, r.Idempotency, r.Trace, r.Span = r.Ended.Add(-r.Took), record.Idempotency{}, "", ""
		if i%10 == 0 {
			r.Trace = fmt.Sprintf("%032x", i/10)
		} else if r.Code != "" {
			r.Status, r.Code, r.Condition, r.Stage, r.Body, r.Cut, r.Cause = 200, "", "", record.Handling, "", false, ""
		}
		l.Add(r)
		if i%(n/1000+1) == 0 {
			ids = append(ids, r.ID)
		}
		for i%4096 == 0 && l.Stats().Waiting > 20_000 {
			time.Sleep(time.Millisecond)
		}
	}
	if s := l.Stats(); s.Dropped > 0 {
		b.Fatalf("%d were dropped", s.Dropped)
	}
	return ids
}
