package record_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/record"
)

var noon = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)

func TestSearchPagesShowEachRecordOnce(t *testing.T) {
	t.Parallel()
	var m record.Memory
	for i := range 25 {
		m.Add(&record.Record{ID: fmt.Sprint(i), Ended: noon, Account: []string{"acme", "other"}[i%2]})
	}
	q := record.Query{Account: "acme", Limit: 5}
	var got []string
	for {
		page, err := m.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Records {
			got = append(got, page.Records[i].ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if want := "[24 22 20 18 16 14 12 10 8 6 4 2 0]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := m.Search(t.Context(), record.Query{Cursor: "%"}); !errors.Is(err, record.ErrCursor) {
		t.Errorf("%v", err)
	}
}

func TestFollowResumes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m record.Memory
		m.Add(&record.Record{ID: "before", Ended: noon})
		follow := func(after string) (context.CancelFunc, <-chan record.Event) {
			ctx, cancel := context.WithCancel(t.Context())
			out := make(chan record.Event, 10)
			go func() {
				for e, err := range m.Follow(ctx, record.Query{}, after) {
					if err != nil {
						t.Error(err)
					}
					out <- e
				}
				close(out)
			}()
			return cancel, out
		}
		cancel, events := follow("")
		synctest.Wait()
		m.Add(&record.Record{ID: "one", Ended: noon.Add(time.Second)})
		one := <-events
		cancel()
		m.Add(&record.Record{ID: "two", Ended: noon.Add(2 * time.Second)})
		synctest.Wait()
		cancel, events = follow(one.Cursor)
		defer cancel()
		if two := <-events; one.Record.ID != "one" || two.Record.ID != "two" {
			t.Errorf("%v, then %v", one.Record.ID, two.Record.ID)
		}
	})
}

func TestSeriesHasEveryStep(t *testing.T) {
	t.Parallel()
	var m record.Memory
	for i := range 6 {
		m.Add(&record.Record{Ended: noon.Add(time.Duration(i) * 15 * time.Second), Status: 200 + 229*(i%2), Took: time.Millisecond})
	}
	s, err := m.Series(t.Context(), noon, noon.Add(2*time.Minute), 25*time.Second)
	if err != nil || s.Step != 30*time.Second || len(s.Buckets) != 4 {
		t.Fatalf("%v %v", s, err)
	}
	for i, want := range []int64{2, 2, 2, 0} {
		if got := s.Buckets[i].Requests; got != want {
			t.Errorf("bucket %d: %d, want %d", i, got, want)
		}
	}
	if _, err := m.Series(t.Context(), noon, noon, 0); !errors.Is(err, record.ErrRange) {
		t.Errorf("%v", err)
	}
}
