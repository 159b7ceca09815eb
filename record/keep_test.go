package record_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store"
)

// TestOthersSeeWhatIsWritten: two recorders share a store; each is asked for what
// the other has, a second after it happened, and by whoever follows.
func TestOthersSeeWhatIsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store.Memory{}
		a, b := &record.Log{Store: s, Node: "a"}, &record.Log{Store: s, Node: "b"}
		defer a.Close(t.Context())
		defer b.Close(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		heard := make(chan record.Event, 10)
		go func() {
			for e, err := range b.Follow(ctx, record.Query{}, "") {
				if err != nil {
					t.Error(err)
				}
				heard <- e
			}
		}()
		synctest.Wait()
		for i := range 3 {
			time.Sleep(3 * time.Second)
			r := some(i)
			r.Time, r.Ended = time.Now(), time.Now()
			a.Add(r)
			if found, err := a.Find(t.Context(), r.ID); err != nil || len(found) != 1 {
				t.Errorf("here: %v %v", found, err)
			}
			time.Sleep(1100 * time.Millisecond)
			if found, err := b.Find(t.Context(), r.ID); err != nil || len(found) != 1 || found[0].Node != "a" {
				t.Errorf("there: %v %v", found, err)
			}
			page, err := b.Search(t.Context(), record.Query{})
			if err != nil || len(page.Records) != i+1 || page.Records[0].ID != r.ID {
				t.Errorf("%v %v", page, err)
			}
			if e := <-heard; e.Record.ID != r.ID || e.Missed != 0 {
				t.Errorf("heard %+v", e)
			}
		}
		select {
		case e := <-heard:
			t.Errorf("heard twice: %+v", e)
		default:
		}
		cancel()
		time.Sleep(time.Second)
	})
}

// TestWhatAKilledRecorderLeaves is found by those that live, and indexed by the next.
func TestWhatAKilledRecorderLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store.Memory{}
		killed := &record.Log{Store: s}
		defer killed.Close(context.Background())
		r := some(1)
		r.Ended = time.Now()
		killed.Add(r)
		time.Sleep(2 * time.Second) // what it has written stays; it never gets to index it
		tail := func() int {
			page, err := s.Scan(t.Context(), record.Prefix+"t/", "", 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(page)
		}
		if tail() != 1 {
			t.Fatalf("%d blocks in the tail", tail())
		}
		time.Sleep(2 * time.Hour)
		next := &record.Log{Store: s}
		defer next.Close(t.Context())
		o := some(2)
		o.Ended = time.Now()
		next.Add(o)
		time.Sleep(2 * time.Second)
		if tail() != 1 { // its own
			t.Errorf("%d blocks in the tail", tail())
		}
		for _, want := range []*record.Record{r, o} {
			if found, err := next.Find(t.Context(), want.ID); err != nil || len(found) != 1 {
				t.Errorf("%v %v", found, err)
			}
		}
	})
}

// slow is a store whose writes fail or hang while it is away.
type slow struct {
	store.Store
	away atomic.Bool
}

var errAway = fmt.Errorf("%w: for the test", store.ErrUnavailable)

func (s *slow) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if s.away.Load() {
		return 0, errAway
	}
	return s.Store.Swap(ctx, key, old, value, ttl)
}

// TestOverloadDropsAndCounts: with a store that is away Add goes on at once, what
// does not fit is counted, and what fits is written when the store is back.
func TestOverloadDropsAndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: &store.Memory{}}
		s.away.Store(true)
		l := &record.Log{Store: s, MaxRate: -1}
		const n = 50_000
		for i := range n {
			r := some(i)
			r.Ended = time.Now()
			l.Add(r)
		}
		full := l.Stats()
		if full.Dropped == 0 || full.Waiting == 0 || full.Dropped+full.Waiting != n || full.Written != 0 {
			t.Errorf("%+v", full)
		}
		s.away.Store(false)
		time.Sleep(10 * time.Second)
		if now := l.Stats(); now.Written != full.Waiting || now.Waiting != 0 || now.Dropped != full.Dropped {
			t.Errorf("%+v, then %+v", full, now)
		}
		series, err := l.Series(t.Context(), time.Now().Add(-time.Minute), time.Now().Add(time.Minute), 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		sum := record.Bucket{}
		for _, b := range series.Buckets {
			sum.Requests += b.Requests
			sum.Dropped += b.Dropped
		}
		if sum.Requests != n || uint64(sum.Dropped) != full.Dropped {
			t.Errorf("counted %+v", sum)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		l.Add(some(1))
	})
}

// TestTooMuchIsTrimmed: the oldest go, with their index, and the newest stay.
func TestTooMuchIsTrimmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store.Memory{}
		l := &record.Log{Store: s, MaxBytes: 200_000, MaxRate: -1}
		defer l.Close(t.Context())
		var ids []string
		for i := range 200 {
			for range 60 {
				r := some(len(ids))
				r.Ended = time.Now()
				l.Add(r)
				ids = append(ids, r.ID)
			}
			time.Sleep(time.Minute / 2)
			if i%70 == 69 {
				time.Sleep(2 * time.Hour) // a group ends
			}
		}
		size := 0
		for r, err := range store.All(t.Context(), s, record.Prefix, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(r.Key, record.Prefix+"a/") { // counts stay
				size += len(r.Key) + len(r.Value)
			}
		}
		if size > 300_000 || size < 50_000 {
			t.Errorf("%d bytes are kept", size)
		}
		for at, want := range map[int]int{0: 0, len(ids) - 1: 1} {
			if found, err := l.Find(t.Context(), ids[at]); err != nil || len(found) != want {
				t.Errorf("record %d: %d found, want %d %v", at, len(found), want, err)
			}
		}
	})
}

// TestSampling: failures are always kept, of the rest what was asked for.
func TestSampling(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sample   float64
		rate     int
		low, top int
	}{
		"all": {0, -1, 4000, 4000}, "none": {-1, 0, 0, 0}, "a tenth": {0.1, -1, 250, 600}, "by rate": {0, 100, 100, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &record.Log{Store: &store.Memory{}, Sample: c.sample, MaxRate: c.rate}
			defer l.Close(t.Context())
			for i := range 5000 {
				r := some(i)
				r.Ended = noon.Add(time.Duration(i) * time.Microsecond)
				l.Add(r)
			}
			kept := int(5000 - l.Stats().Sampled - 1000)
			if kept < c.low || kept > c.top {
				t.Errorf("%d kept", kept)
			}
		})
	}
}

// A storm of failures neither buries what else happened nor goes uncounted.
func TestStormIsBounded(t *testing.T) {
	t.Parallel()
	l := &record.Log{Store: &store.Memory{}, MaxFailures: 100}
	defer l.Close(t.Context())
	for i := range 1000 {
		l.Add(&record.Record{ID: fmt.Sprint(i), Status: 429, Ended: noon.Add(time.Duration(i) * time.Microsecond)})
	}
	l.Add(&record.Record{ID: "fine", Status: 200, Ended: noon.Add(time.Millisecond)})
	if s := l.Stats(); s.Dropped != 900 {
		t.Errorf("%+v", s)
	}
	series, err := l.Series(t.Context(), noon, noon.Add(time.Minute), record.Step)
	if err != nil || series.Buckets[0].Requests != 1001 || series.Buckets[0].Dropped != 900 {
		t.Errorf("%+v %v", series.Buckets[0], err)
	}
	if found, err := l.Find(t.Context(), "fine"); err != nil || len(found) != 1 {
		t.Errorf("%v %v", found, err)
	}
}

func TestFollowersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &record.Log{Store: &store.Memory{}, MaxFollowers: 3}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 3)
		for range 3 {
			go func() {
				for _, err := range l.Follow(ctx, record.Query{}, "") {
					ended <- err
					return
				}
				ended <- nil
			}()
		}
		synctest.Wait()
		for _, err := range l.Follow(ctx, record.Query{}, "") {
			if !errors.Is(err, record.ErrBusy) {
				t.Errorf("%v", err)
			}
		}
		for _, err := range l.Follow(ctx, record.Query{}, "%") {
			if !errors.Is(err, record.ErrCursor) {
				t.Errorf("%v", err)
			}
		}
		if err := l.Close(t.Context()); err != nil { // tells them to go
			t.Error(err)
		}
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		cancel()
		time.Sleep(time.Second)
	})
}

func TestParameters(t *testing.T) {
	t.Parallel()
	q := record.Query{
		ID: "a", Account: "b", Key: "c", Code: "d", Operation: "e", Trace: "f", Hash: "g", Path: "/h", Method: "GET", StatusFrom: 400, StatusTo: 499, Failed: true,
		Refused: true, Text: "i", Since: noon, Until: noon.Add(time.Hour), Limit: 7, Cursor: "j",
	}
	if got, err := record.ParseQuery(q.Parameters(), noon); err != nil || got != q {
		t.Errorf("%+v %v", got, err)
	}
	for text, want := range map[string]record.Query{
		"status=429": {StatusFrom: 429, StatusTo: 429}, "status=5XX": {StatusFrom: 500, StatusTo: 599}, "since=15m": {Since: noon.Add(-15 * time.Minute)},
		"since=7d": {Since: noon.AddDate(0, 0, -7)}, "until=2030-01-31": {Until: time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC)},
		"status=": {}, "status=9": {Limit: -1}, "status=6xx": {Limit: -1}, "limit=0": {Limit: -1}, "since=soon": {Limit: -1}, "failed=maybe": {Limit: -1}, "status=500-400": {Limit: -1},
	} {
		name, value, _ := strings.Cut(text, "=")
		got, err := record.ParseQuery(map[string][]string{name: {value}}, noon)
		if bad := want.Limit < 0; bad != errors.Is(err, record.ErrQuery) || !bad && got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
}
