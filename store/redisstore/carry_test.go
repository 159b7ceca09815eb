package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/redisstore"
)

// claims numbers all takings.
var claims atomic.Uint64

// awkward names, as accounts and limits may have them.
var awkward = []string{"plain", "a{b}c", "9{m:x}c2", "with:colon.and=", "ü*?[x]"}

func takeOf(t *testing.T, m meter.Meter, owner, hold string, kind meter.Kind, subject, operation string, cost int64) meter.Outcome {
	t.Helper()
	x := meter.Taking{
		Owner: owner, Hold: hold, Claim: claims.Add(1), Lease: time.Minute, Keep: time.Hour, Outcomes: make([]meter.Outcome, 1),
		Demands: []meter.Demand{{
			Limit: "quota", Subject: subject, Operation: operation, Cost: cost, Rule: &meter.Rule{Kind: kind, Limit: 1000},
		}},
	}
	if err := m.Take(t.Context(), &x); err != nil {
		t.Fatal(err)
	}
	return x.Outcomes[0]
}

// crowd has more callers go by one hold than it tells apart, and by another
// as many.
func crowd(t *testing.T, m meter.Meter, owner string, kind meter.Kind) {
	t.Helper()
	for claim := range uint64(meter.MaxClaims + 1) {
		for _, hold := range []string{"crowded", "full"} {
			x := meter.Taking{
				Owner: owner, Hold: hold, Claim: meter.MaxUnits - claim, Lease: time.Minute, Keep: time.Hour, Outcomes: make([]meter.Outcome, 1),
				Demands: []meter.Demand{{Limit: "crowd", Subject: owner, Cost: 1, Rule: &meter.Rule{Kind: kind, Limit: 1000}}},
			}
			if claim == meter.MaxClaims && hold == "full" {
				continue
			}
			if err := m.Take(t.Context(), &x); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func all(t *testing.T, s meter.Carrier) []meter.Counted {
	t.Helper()
	var list []meter.Counted
	for c, err := range s.Counters(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b meter.Counted) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return list
}

func TestCountersMove(t *testing.T) {
	t.Parallel()
	cluster := servers.Cluster(t, 3, servers.RedisOptions{})
	from := open(t, shared.Get(t).URL()+"?prefix=odd[*]:", redisstore.Options{})
	to := open(t, namespace(cluster.URL()), redisstore.Options{})
	for i, owner := range awkward {
		for _, kind := range []meter.Kind{meter.Allowance, meter.Capacity} {
			takeOf(t, from, owner, "", kind, owner, "", int64(10+i))
			takeOf(t, from, owner, "hold-1", kind, owner, "", 5)
			takeOf(t, from, owner, "hold-1", kind, owner, "", 5) // claimed twice
			takeOf(t, from, owner, "hold-2", kind, "key "+owner, "op "+owner, 7)
			crowd(t, from, owner, kind)
		}
		pay := meter.Change{Demand: meter.Demand{Limit: "quota", Subject: owner, Cost: 500, Rule: &meter.Rule{Kind: meter.Balance}}}
		if err := from.Settle(t.Context(), &meter.Settlement{Owner: owner, Changes: []meter.Change{pay}}); err != nil {
			t.Fatal(err)
		}
		takeOf(t, from, owner, "hold-1", meter.Slots, owner, "", 1)
		takeOf(t, from, owner, "", meter.Rate, owner, "", 1)
	}
	want := all(t, from)
	if len(want) != 7*len(awkward) {
		t.Fatalf("%d counters are shown, want %d", len(want), 7*len(awkward))
	}
	for range 2 { // it can be repeated
		if err := to.SetCounters(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(t, to); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	// They go on where they were: a hold that is known is not charged again, and is
	// given back.
	for i, owner := range awkward {
		if o := takeOf(t, to, owner, "", meter.Allowance, owner, "", 0); o.Remaining != 1000-int64(10+i)-5 {
			t.Errorf("%q: %d units remain", owner, o.Remaining)
		}
		if o := takeOf(t, to, owner, "hold-1", meter.Allowance, owner, "", 5); o.Refused || o.Remaining != 1000-int64(10+i)-5 {
			t.Errorf("%q: %+v; the hold should be known", owner, o)
		}
		back := meter.Change{Demand: meter.Demand{Limit: "quota", Subject: owner, Cost: 5, Rule: &meter.Rule{Kind: meter.Allowance, Limit: 1000}}}
		if err := to.Settle(t.Context(), &meter.Settlement{Owner: owner, Hold: "hold-1", Changes: []meter.Change{back}}); err != nil {
			t.Fatal(err)
		}
		if o := takeOf(t, to, owner, "", meter.Allowance, owner, "", 0); o.Remaining != 1000-int64(10+i) {
			t.Errorf("%q: %d units remain after giving back", owner, o.Remaining)
		}
		if o := takeOf(t, to, owner, "", meter.Balance, owner, "", 0); o.Remaining != 500 {
			t.Errorf("%q: a balance of %d", owner, o.Remaining)
		}
	}
	// One that is set to nothing is gone.
	for i := range want {
		want[i].Used, want[i].Holds = 0, nil
	}
	if err := to.SetCounters(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if left := all(t, to); len(left) != 0 {
		t.Errorf("%d counters are left", len(left))
	}
}

func TestCountersOfAClosedStore(t *testing.T) {
	t.Parallel()
	s, err := redisstore.Open(t.Context(), namespace(shared.Get(t).URL()), redisstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Counters(t.Context()) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.SetCounters(t.Context(), nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
