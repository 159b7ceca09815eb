package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/storetest"
)

func openOn(t *testing.T, r *servers.RedisServer, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), r.URL(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// All of a bucket is in one slot as the server reckons it, all of an owner too,
// and the buckets' slots are evenly spaced.
func TestSlots(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{Cluster: true})
	slot := func(key string) int {
		answer, err := r.Do("CLUSTER", "KEYSLOT", key)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(answer)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	l := newLayout("failwell:")
	for i := range bucketCount {
		want := i * slotCount / bucketCount
		for _, key := range []string{l.record(i, "k{x}"), l.record(i, ""), l.index(i), l.sequence(i)} {
			if got := slot(key); got != want {
				t.Errorf("%s is in slot %d, want %d", key, got, want)
			}
		}
	}
	for _, key := range []string{"a", "{acct}a", "{acct}b/{x}", "{}a", "a{acct}", "}{acct}", "{acct", "\x00\xff"} {
		if got, want := l.bucket(key), slot(key)/(slotCount/bucketCount); got != want {
			t.Errorf("%q is in bucket %d, want %d", key, got, want)
		}
	}
	for _, owner := range []string{"", "acct", "}", "}x", "{", "a}b", "{a}b", "\x00"} {
		d := &meter.Demand{Limit: "l}", Subject: "{s", Operation: "GET /{id}", Rule: &meter.Rule{}}
		want := slot(l.owned(owner, 'r', nil))
		for _, key := range []string{l.owned(owner, 'c', d), l.owned(owner, 'h', d)} {
			if got := slot(key); got != want {
				t.Errorf("%q is in slot %d, the owner in %d", key, got, want)
			}
		}
	}
}

// Without a clock of its own a record goes by the server's, to the millisecond,
// for every method, and Redis reclaims it.
func TestServerClock(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	s := openOn(t, r, Options{})
	for i := range 10 {
		key := fmt.Sprintf("k%d", i)
		ttl := time.Duration(i)*1700*time.Microsecond + 20*time.Millisecond + 1
		before, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.Swap(t.Context(), key, 0, []byte("v"), ttl)
		if err != nil {
			t.Fatal(err)
		}
		written, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(t.Context(), key)
		if err != nil || got.Version != v || got.Expires.Before(before.Add(ttl)) || got.Expires.After(written.Add(ttl+time.Millisecond)) ||
			!got.Expires.Equal(got.Expires.Truncate(time.Millisecond)) {
			t.Fatalf("written from %v to %v for %v: %+v, %v", before, written, ttl, got, err)
		}
		for {
			start, err := s.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Get(t.Context(), key)
			end, nowErr := s.Now(t.Context())
			if nowErr != nil {
				t.Fatal(nowErr)
			}
			if err == nil && !start.Before(got.Expires) {
				t.Fatalf("there at %v, %v after it expired", start, start.Sub(got.Expires))
			}
			if errors.Is(err, store.ErrAbsent) {
				if end.Before(got.Expires) {
					t.Fatalf("gone at %v, %v before it expires", end, got.Expires.Sub(end))
				}
				break
			}
		}
		if page, err := s.Scan(t.Context(), key, "", 1); err != nil || len(page) != 0 {
			t.Errorf("scan shows %v, %v", page, err)
		}
		if _, err := s.Swap(t.Context(), key, v, nil, 0); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the expired version serves: %v", err)
		}
		if n, err := s.Swap(t.Context(), key, 0, nil, 0); err != nil || n <= v {
			t.Errorf("version %d after %d, %v", n, v, err)
		}
	}
}

func (s *Store) indexed(t *testing.T) (n int64) {
	t.Helper()
	for i := range bucketCount {
		size, err := s.link.client.Do(t.Context(), s.link.client.B().Zcard().Key(s.layout.index(i)).Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		n += size
	}
	return n
}

// Keys of expired records leave the index while others are written, a few for
// each write, also those of a clock that Redis does not know.
func TestSweeps(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	clock := storetest.NewClock()
	for _, opts := range []Options{{}, {Clock: clock.Now}} {
		if _, err := r.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		s := openOn(t, r, opts)
		const brief, kept = 2000, 500
		for i := range brief + kept {
			ttl := time.Millisecond
			if i >= brief {
				ttl = time.Hour
			}
			if _, err := s.Swap(t.Context(), fmt.Sprintf("k%d", i), 0, nil, ttl); err != nil {
				t.Fatal(err)
			}
		}
		clock.Advance(time.Second)
		var v store.Version
		var err error
		writes := 0
		for deadline := time.Now().Add(20 * time.Second); s.indexed(t) != kept+1; {
			for range sweepEvery {
				if v, err = s.Swap(t.Context(), "other", v, nil, 0); err != nil {
					t.Fatal(err)
				}
				writes++
			}
			for s.sweeps.busy.Load() && time.Now().Before(deadline) {
				if _, err := s.Now(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d keys are in the index after %d writes, want %d", s.indexed(t), writes, kept+1)
			}
		}
		if most := sweepEvery * (2*(brief+kept)/sweepMax + 3*bucketCount); writes > most {
			t.Errorf("it took %d writes, %d are enough", writes, most)
		}
		for i := brief; i < brief+kept; i++ {
			if _, err := s.Get(t.Context(), fmt.Sprintf("k%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Limits that say nothing any more vanish by themselves; balances and storage in
// use never do.
func TestLimitsVanish(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	s := openOn(t, r, Options{})
	rules := []*meter.Rule{
		{Kind: meter.Rate, Limit: 10, Per: time.Second}, {Kind: meter.Window, Limit: 10, Per: time.Minute},
		{Kind: meter.Allowance, Limit: 10}, {Kind: meter.Slots, Limit: 10},
	}
	stays := []*meter.Rule{{Kind: meter.Balance}, {Kind: meter.Capacity, Limit: 10}}
	take := func(hold string, rules ...*meter.Rule) {
		t.Helper()
		x := &meter.Taking{Owner: "o", Hold: hold, Claim: 1, Lease: time.Minute, Keep: time.Hour}
		for i, rule := range rules {
			x.Demands = append(x.Demands, meter.Demand{Limit: fmt.Sprint(i), Subject: "o", Rule: rule, Cost: 1})
		}
		x.Outcomes = make([]meter.Outcome, len(rules))
		if err := s.Take(t.Context(), x); err != nil || !x.Admitted {
			t.Fatal(err, x.Outcomes)
		}
	}
	settle := func(rule *meter.Rule, limit, hold string, cost, kept int64) {
		t.Helper()
		x := &meter.Settlement{Owner: "o", Hold: hold, Changes: []meter.Change{{
			Demand: meter.Demand{Limit: limit, Subject: "o", Rule: rule, Cost: cost}, Kept: kept,
		}}}
		if err := s.Settle(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	ttls := func() map[string]int64 {
		t.Helper()
		keys, err := s.link.client.Do(context.Background(), s.link.client.B().Keys().Pattern("*{m:o}*").Build()).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int64{}
		for _, key := range keys {
			ttl, err := s.link.client.Do(context.Background(), s.link.client.B().Pttl().Key(key).Build()).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			found[key] = ttl
		}
		return found
	}
	take("call", rules...)
	found := ttls()
	if len(found) != 5 { // one for both rates, two for each counter
		t.Errorf("%v", found)
	}
	for key, ttl := range found {
		if ttl <= 0 {
			t.Errorf("%s has no time to live", key)
		}
	}
	settle(rules[3], "3", "call", 1, 0)
	if found := ttls(); len(found) != 3 {
		t.Errorf("free slots are kept: %v", found)
	}
	for i, rule := range stays {
		settle(rule, fmt.Sprint(i), "", 5, 0) // paid in, nothing used
		settle(rule, fmt.Sprint(i), "", 0, 1)
	}
	take("call", stays...)
	forever := 0
	for _, ttl := range ttls() {
		if ttl == -1 {
			forever++
		}
	}
	if forever != 4 {
		t.Errorf("%d of 4 keys stay: %v", forever, ttls())
	}
}
