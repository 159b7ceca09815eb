package admission

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/pebblestore"
)

var (
	oneHour  = &meter.Rule{Kind: meter.Window, Limit: 50, Per: time.Hour}
	monthly  = &meter.Rule{Kind: meter.Allowance, Limit: 40}
	prepaid  = &meter.Rule{Kind: meter.Balance}
	capacity = &meter.Rule{Kind: meter.Capacity, Limit: 1000}
	slots    = &meter.Rule{Kind: meter.Slots, Limit: 3}
)

// claims numbers the takings of all tests.
var claims atomic.Uint64

func demandOf(name string, r *meter.Rule, cost int64) meter.Demand {
	return meter.Demand{Limit: name, Subject: "acct", Rule: r, Cost: cost}
}

func takingOf(hold string, demands ...meter.Demand) *meter.Taking {
	t := &meter.Taking{Owner: "acct", Demands: demands, Outcomes: make([]meter.Outcome, len(demands)), Hold: hold}
	if hold != "" {
		t.Claim, t.Lease, t.Keep = claims.Add(1), 30*time.Second, time.Hour
	}
	return t
}

func take(t testing.TB, m meter.Meter, x *meter.Taking) bool {
	t.Helper()
	if err := m.Take(t.Context(), x); err != nil {
		t.Error(err)
	}
	return x.Admitted
}

// left asks how many units a limit has.
func left(t testing.TB, m meter.Meter, name string, r *meter.Rule) int64 {
	t.Helper()
	x := takingOf("ask", demandOf(name, r, 0))
	take(t, m, x)
	return x.Outcomes[0].Remaining
}

// countedStore counts writes, and can do something around each.
type countedStore struct {
	store.Store
	swaps  atomic.Int64
	before func()
	after  func() error
}

func (s *countedStore) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	s.swaps.Add(1)
	if s.before != nil {
		s.before()
	}
	v, err := s.Store.Swap(ctx, key, old, value, ttl)
	if err == nil && s.after != nil {
		if err := s.after(); err != nil {
			return 0, err
		}
	}
	return v, err
}

// sharedStore says that other processes use it.
type sharedStore struct{ store.Store }

func (sharedStore) Shared() bool { return true }

// TestLedgersAreExact: crowds at three ledgers on one store, as of three
// processes, are admitted exactly as often as there is room.
func TestLedgersAreExact(t *testing.T) {
	t.Parallel()
	kept := sharedStore{&store.Memory{}}
	ledgers := []*Ledger{{Store: kept}, {Store: kept}, {Store: kept}}
	var in atomic.Int64
	var wg sync.WaitGroup
	for i := range 150 {
		wg.Go(func() {
			x := takingOf("", demandOf("rate", oneHour, 1), demandOf("quota", monthly, 1))
			if take(t, ledgers[i%3], x) {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 40 {
		t.Errorf("%d of 150 got in, the quota has 40", in.Load())
	}
	for _, l := range ledgers {
		if rate, quota := left(t, l, "rate", oneHour), left(t, l, "quota", monthly); rate != 10 || quota != 0 {
			t.Errorf("left: rate %d, quota %d", rate, quota)
		}
	}
}

// TestRefusalsAreNotStale: what another process has given back is there at once,
// although this one has seen the record without it.
func TestRefusalsAreNotStale(t *testing.T) {
	t.Parallel()
	kept := sharedStore{&store.Memory{}}
	here, there := &Ledger{Store: kept}, &Ledger{Store: kept}
	take(t, here, takingOf("", demandOf("quota", monthly, 40)))
	back := meter.Settlement{Owner: "acct", Changes: []meter.Change{{Demand: demandOf("quota", monthly, 10)}}}
	if err := there.Settle(t.Context(), &back); err != nil {
		t.Fatal(err)
	}
	if !take(t, here, takingOf("", demandOf("quota", monthly, 10))) {
		t.Error("refused what was given back elsewhere")
	}
}

// TestCrowdSharesWrites: those who come while a write is under way are decided
// together by the next one, and nobody is answered before it is done.
func TestCrowdSharesWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		s := &countedStore{Store: &store.Memory{}, before: func() { <-gate }}
		l := &Ledger{Store: s}
		var answered atomic.Int64
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				take(t, l, takingOf("", demandOf("quota", monthly, 1)))
				answered.Add(1)
			})
			synctest.Wait()
		}
		if answered.Load() != 0 {
			t.Errorf("%d were answered before anything was durable", answered.Load())
		}
		close(gate)
		wg.Wait()
		if n := s.swaps.Load(); n != 2 {
			t.Errorf("%d writes, want that of the first and one for all others", n)
		}
		if got := left(t, l, "quota", monthly); got != 10 {
			t.Errorf("%d left", got)
		}
	})
}

// TestWhoLeavesPaysNothing: a caller who gives up while its batch is written is
// given back what it was charged.
func TestWhoLeavesPaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		s := &countedStore{Store: &store.Memory{}, before: func() { <-gate }}
		near := &meter.Local{}
		l := &Ledger{Store: s, Rates: near}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		x := takingOf("call", demandOf("rate", oneHour, 5), demandOf("quota", monthly, 7), demandOf("slots", slots, 1))
		if err := l.Take(ctx, x); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		unnamed, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer leave()
		if err := l.Take(unnamed, takingOf("", demandOf("quota", monthly, 9))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		close(gate)
		synctest.Wait()
		if quota, rate, slot := left(t, l, "quota", monthly), left(t, l, "rate", oneHour), left(t, l, "slots", slots); quota != 40 || rate != 50 || slot != 3 {
			t.Errorf("left: quota %d, rate %d, slots %d", quota, rate, slot)
		}
	})
}

// TestWhoLeavesInTimeWasNotServed: nobody had begun with what a caller leaves in the
// queue, and the error says so; what is under way may happen.
func TestWhoLeavesInTimeWasNotServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		l := &Ledger{Store: &countedStore{Store: &store.Memory{}, before: func() { <-gate }}}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		paid := &meter.Settlement{Owner: "acct", Changes: []meter.Change{{Demand: demandOf("funds", prepaid, 7)}}}
		var wg sync.WaitGroup
		for _, begun := range []bool{true, false} {
			wg.Go(func() {
				if err := l.Settle(ctx, paid); unasked(err) == begun || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("begun %v: %v", begun, err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		close(gate)
		synctest.Wait()
		if got := left(t, l, "funds", prepaid); got != 7 {
			t.Errorf("%d were paid in, want 7 of the one that was begun", got)
		}
	})
}

// TestWriteThatMayHaveHappened: it did, and nobody was let in for it.
func TestWriteThatMayHaveHappened(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]string{"held": "call", "for good": ""} {
		s := &countedStore{Store: &store.Memory{}}
		near := &meter.Local{}
		l := &Ledger{Store: s, Rates: near}
		take(t, l, takingOf("", demandOf("quota", monthly, 1), demandOf("rate", oneHour, 1)))
		s.after = func() error { return store.ErrUnavailable }
		if err := l.Take(t.Context(), takingOf(hold, demandOf("quota", monthly, 7), demandOf("rate", oneHour, 7))); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		s.after = nil
		if rate := left(t, l, "rate", oneHour); rate != 49 {
			t.Errorf("%s: %d left of the rate", name, rate)
		}
		if take(t, l, takingOf("", demandOf("quota", monthly, 1))); left(t, l, "quota", monthly) != 38 {
			t.Errorf("%s: %d left of 40, 2 were used", name, left(t, l, "quota", monthly))
		}
	}
}

// TestBothHalvesOrNone: rates in memory and counters in the store are taken all
// or nothing, and both say how they stand.
func TestBothHalvesOrNone(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	near := &meter.Local{Clock: clock.Now}
	l := &Ledger{Store: &store.Memory{Clock: clock.Now}, Rates: near}
	fast := &meter.Rule{Kind: meter.Window, Limit: 5, Per: time.Minute}
	ask := func(rate, quota int64) *meter.Taking {
		x := takingOf("", demandOf("quota", monthly, quota), demandOf("rate", fast, rate))
		take(t, l, x)
		return x
	}
	if x := ask(5, 38); !x.Admitted || x.Outcomes[0].Remaining != 2 || x.Outcomes[1].Remaining != 0 {
		t.Fatalf("%+v", x)
	}
	if x := ask(1, 1); x.Admitted || x.Outcomes[0].Refused || x.Outcomes[0].Remaining != 2 || x.Outcomes[1].RetryAfter != time.Minute {
		t.Errorf("the rate refuses: %+v", x.Outcomes)
	}
	if x := ask(1, 3); x.Admitted || !x.Outcomes[0].Refused || !x.Outcomes[1].Refused {
		t.Errorf("both refuse: %+v", x.Outcomes)
	}
	clock.Advance(time.Minute)
	if x := ask(1, 3); x.Admitted || x.Outcomes[1].Refused || x.Outcomes[1].Remaining != 5 || x.Outcomes[0].Remaining != 2 {
		t.Errorf("the quota refuses: %+v", x.Outcomes)
	}
	if x := ask(5, 2); !x.Admitted {
		t.Errorf("all that is left: %+v", x.Outcomes)
	}
}

// TestClocksApart: a process whose idea of the store's clock is behind does not
// take what another has taken for something from the future, and tells waits
// from its own now.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	kept := &store.Memory{}
	ahead, behind := newFakeClock(), newFakeClock()
	behind.Advance(-200 * time.Millisecond)
	a, b := &Ledger{Store: clockedStore{kept, ahead.Now}}, &Ledger{Store: clockedStore{kept, behind.Now}}
	tight := &meter.Rule{Kind: meter.Rate, Limit: 10, Per: time.Second}
	if !take(t, a, takingOf("", demandOf("rate", tight, 10))) {
		t.Fatal("refused")
	}
	x := takingOf("", demandOf("rate", tight, 10))
	if take(t, b, x) || x.Outcomes[0].RetryAfter != 1200*time.Millisecond {
		t.Fatalf("%+v", x.Outcomes[0])
	}
	behind.Advance(x.Outcomes[0].RetryAfter)
	if !take(t, b, x) {
		t.Errorf("after the wait: %+v", x.Outcomes[0])
	}
	behind.Advance(-time.Hour)
	if !take(t, b, x) {
		t.Errorf("the clock went back an hour: %+v", x.Outcomes[0])
	}
}

type clockedStore struct {
	store.Store
	now func() time.Time
}

func (s clockedStore) Now(context.Context) (time.Time, error) { return s.now(), nil }

// TestStoresClockIsCarriedOn: of a store over a network it is read now and then.
func TestStoresClockIsCarriedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		c := ledgerClock{shared: true}
		s := clockedStore{now: func() time.Time { reads++; return time.Now().Add(time.Hour) }}
		for range 100 {
			now, err := c.now(t.Context(), s)
			if off := time.Until(now) - time.Hour; err != nil || off != 0 {
				t.Fatalf("%v, off by %v", err, off)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if reads != 2 {
			t.Errorf("%d reads in 10 s", reads)
		}
	})
}

// TestRecordsAreBounded: in one that is too long, the oldest charges become
// final and none is lost; what is over leaves it.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	kept := &store.Memory{Clock: clock.Now}
	l := &Ledger{Store: kept, MaxRecord: 4096}
	wide := &meter.Rule{Kind: meter.Allowance, Limit: 1 << 40}
	const calls = 500
	for i := range calls {
		// The newest have the first names.
		if !take(t, l, takingOf("call "+strconv.Itoa(2000-i), demandOf("quota", wide, 3))) {
			t.Fatal("refused")
		}
		clock.Advance(time.Millisecond)
	}
	record, err := kept.Get(t.Context(), LedgerPrefix+"{acct}")
	if err != nil || len(record.Value) > 4096 {
		t.Errorf("%d bytes, %v", len(record.Value), err)
	}
	if got := left(t, l, "quota", wide); got != 1<<40-3*calls {
		t.Errorf("%d units are charged, want %d", 1<<40-got, 3*calls)
	}
	for i := calls - 60; i < calls; i++ {
		again := takingOf("call "+strconv.Itoa(2000-i), demandOf("quota", wide, 3))
		if take(t, l, again); again.Outcomes[0].Remaining != 1<<40-3*calls {
			t.Fatalf("hold %d of %d was forgotten", i, calls)
		}
	}
	paid := meter.Settlement{Owner: "acct", Changes: []meter.Change{{Demand: demandOf("funds", prepaid, 10)}}} // for ever
	if err := l.Settle(t.Context(), &paid); err != nil {
		t.Fatal(err)
	}
	clock.Advance(32 * 24 * time.Hour)
	if !take(t, l, takingOf("", demandOf("other", oneHour, 1))) {
		t.Fatal("refused")
	}
	if record, err = kept.Get(t.Context(), LedgerPrefix+"{acct}"); err != nil || len(record.Value) > 64 {
		t.Errorf("after the month: %d bytes, %v", len(record.Value), err)
	}
	for i := range 100 {
		x := takingOf("", demandOf(strings.Repeat("x", 80)+strconv.Itoa(i), prepaid, 0))
		s := meter.Settlement{Owner: "acct", Changes: []meter.Change{{Demand: x.Demands[0], Kept: 0}}}
		s.Changes[0].Cost = 1
		if err = l.Settle(t.Context(), &s); err != nil {
			break
		}
	}
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("no room is left: %v", err)
	}
}

// TestOwnersKeepTheirPlace whatever their ids are made of.
func TestOwnersKeepTheirPlace(t *testing.T) {
	t.Parallel()
	kept := &store.Memory{}
	l := &Ledger{Store: kept, Books: 1}
	for _, owner := range []string{"a", "a}b", "{a}", "%7B", "", "ü"} {
		for range 2 {
			x := takingOf("", demandOf("quota", monthly, 20))
			x.Owner = owner
			if !take(t, l, x) {
				t.Errorf("%q was charged for another", owner)
			}
		}
	}
	for r, err := range store.All(t.Context(), kept, "", 0) {
		if err != nil || strings.Count(r.Key, "{") != 1 || strings.Count(r.Key, "}") != 1 || !strings.HasSuffix(r.Key, "}") {
			t.Errorf("%q: %v", r.Key, err)
		}
	}
	for i := range 500 {
		x := takingOf("", demandOf("quota", monthly, 1))
		x.Owner = strconv.Itoa(i)
		take(t, l, x)
	}
	for i := range l.shards {
		if n := len(l.shards[i].books); n > 2 { // one that is busy yet may stay
			t.Errorf("%d books are open in a shard, the bound is 1", n)
		}
	}
}

// TestLedgerThatIsCorrupt says so, and changes nothing.
func TestLedgerThatIsCorrupt(t *testing.T) {
	t.Parallel()
	kept := &store.Memory{}
	l := &Ledger{Store: kept}
	take(t, l, takingOf("call", demandOf("quota", monthly, 1), demandOf("rate", oneHour, 1), demandOf("bytes", capacity, 1)))
	whole, err := kept.Get(t.Context(), LedgerPrefix+"{acct}")
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole.Value {
		p, err := parsePage(whole.Value[:cut])
		if err == nil {
			if len(p.lines) == 3 {
				t.Errorf("%d bytes of %d are a whole page", cut, len(whole.Value))
			}
			continue
		}
		if !errors.Is(err, errCorruptLedger) {
			t.Errorf("%d bytes: %v", cut, err)
		}
	}
	must[store.Version](t)(kept.Swap(t.Context(), whole.Key, whole.Version, []byte("junk"), 0))
	if err := (&Ledger{Store: kept}).Take(t.Context(), takingOf("", demandOf("quota", monthly, 1))); !errors.Is(err, errCorruptLedger) {
		t.Errorf("junk: %v", err)
	}
}

// TestRestartKeepsWhatWasPaidFor: quotas, balances and storage are on disk, and
// so is what a call held that nobody settled.
func TestRestartKeepsWhatWasPaidFor(t *testing.T) {
	t.Parallel()
	m := newMetered(t, "")
	dir := t.TempDir()
	open := func() (s *pebblestore.Store) {
		s, err := pebblestore.Open(dir, pebblestore.Options{Clock: m.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		m.Controller = &Controller{Contract: m.Contract, Clock: m.clock.Now, Store: s, StoreTimeout: time.Minute}
		return s
	}
	s := open()
	m.secret, _ = m.create(NewKey{})
	m.fund(100)
	m.try("POST /all", 100)
	m.begin("POST /all", 200) // runs when the process ends
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	now := fmt.Sprint(m.usage("credits").Used, m.usage("renders").Used, m.usage("funds").Remaining, m.usage("storage").Used, m.usage("concurrency").Used)
	if now != "10 2 80 300 0" {
		t.Errorf("credits, renders, funds, bytes, running: %s", now)
	}
	m.clock.Advance(defaultLease)
	if got := m.usage("storage").Used; got != 100 {
		t.Errorf("%d bytes are stored", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
