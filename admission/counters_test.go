package admission

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// TestRefusalsSayWhy goes through every kind of counter, up to its limit and
// beyond, and looks at what the caller is told.
func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	nextMonth := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	for name, x := range map[string]struct {
		operation string
		size      int64
		fund      int64
		before    int // calls that get in
		running   bool
		want      condition.Condition
		facts     map[string]any
		wait      time.Duration // 0: no clock frees it
	}{
		"quota": {
			operation: "POST /spend", before: 4, want: condition.QuotaExhausted, wait: nextMonth.Sub(newFakeClock().Now()),
			facts: map[string]any{
				"limit_name": "credits", "limit": int64(20), "used": int64(20), "remaining": int64(0), "needed": int64(5),
				"period": "month", "reset": nextMonth,
			},
		},
		"daily quota": {
			operation: "POST /render", before: 3, want: condition.QuotaExhausted, wait: 12 * time.Hour,
			facts: map[string]any{"limit_name": "renders", "period": "day", "reset": time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)},
		},
		"balance": {
			operation: "POST /pay", fund: 25, before: 2, want: condition.BalanceInsufficient,
			facts: map[string]any{"limit_name": "funds", "limit_title": "Prepaid funds", "remaining": int64(5), "needed": int64(10)},
		},
		"storage": {
			operation: "POST /put", size: 300, before: 3, want: condition.StorageExhausted,
			facts: map[string]any{"limit": int64(1000), "used": int64(900), "remaining": int64(100), "needed": int64(300)},
		},
		"storage, size unknown": {
			// Two take the 400 that the operation takes at most, the third what is left.
			operation: "POST /put", size: -1, before: 3, want: condition.StorageExhausted,
			facts: map[string]any{"used": int64(1000), "needed": int64(400)},
		},
		"storage, more than there is": {
			operation: "POST /put", size: 1001, want: condition.StorageExhausted, facts: map[string]any{"used": int64(0), "needed": int64(1001)},
		},
		"concurrency": {
			operation: "POST /run", before: 2, running: true, want: condition.ConcurrencyExceeded,
			facts: map[string]any{"limit": int64(2), "used": int64(2)},
		},
		"rate": {
			operation: "GET /free", before: 30, want: condition.RateLimited, wait: 2 * time.Second,
			facts: map[string]any{"limit": int64(30), "remaining": int64(0), "window_seconds": int64(60)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMetered(t, "")
			m.fund(x.fund)
			for i := range x.before {
				call, v := m.begin(x.operation, x.size)
				if !v.Admitted {
					t.Fatalf("call %d: %s %v %v", i, v.Condition, v.Facts, v.Cause)
				}
				if !x.running {
					m.Settle(t.Context(), call, v, Done)
				}
			}
			_, v := m.begin(x.operation, x.size)
			if v.Admitted || v.Condition != x.want || v.RetryAfter != x.wait || v.HasRetryAfter != (x.wait > 0) {
				t.Fatalf("%s, Retry-After %v (%v), %v", v.Condition, v.RetryAfter, v.HasRetryAfter, v.Cause)
			}
			for name, want := range x.facts {
				if got := fact(v, name); got != want {
					if at, ok := got.(time.Time); !ok || !at.Equal(want.(time.Time)) {
						t.Errorf("fact %s: %v, want %v", name, got, want)
					}
				}
			}
			// Nobody pays for being refused, and the rate is told all the same.
			if v.Limit.Rule == nil || v.Limit.Rule.Kind != meter.Rate || v.Limit.Remaining != int64(30-x.before) {
				t.Errorf("the rate: %+v", v.Limit)
			}
			if x.wait > 0 {
				m.clock.Advance(x.wait - 1)
				if v := m.try(x.operation, x.size); v.Admitted {
					t.Error("let in 1 ns before the wait was over")
				}
				m.clock.Advance(1)
				if v := m.try(x.operation, x.size); !v.Admitted {
					t.Errorf("refused after the wait: %s %v", v.Condition, v.Facts)
				}
			}
		})
	}
}

// TestAllOrNothing: whichever limit refuses, no other one is charged.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	for name, exhaust := range map[string]func(m *metered){
		"balance": func(*metered) {},
		"quota":   func(m *metered) { m.fund(1000); m.charge("credits", 16) },
		"day":     func(m *metered) { m.fund(1000); m.charge("renders", 3) },
		"storage": func(m *metered) { m.fund(1000); m.charge(storage, 950) },
		"slots":   func(m *metered) { m.fund(1000); m.begin("POST /run", 0); m.begin("POST /run", 0) },
		"rate": func(m *metered) {
			m.fund(1000)
			for range 30 {
				m.try("GET /free", 0)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMetered(t, "")
			exhaust(m)
			before := must[[]Usage](t)(m.Usage(t.Context(), "acct"))
			_, v := m.begin("POST /all", 100)
			if v.Admitted || v.Cause != nil {
				t.Fatalf("admitted %v, %v", v.Admitted, v.Cause)
			}
			left := v.Limit.Remaining
			if after := must[[]Usage](t)(m.Usage(t.Context(), "acct")); !slices.Equal(before, after) {
				t.Errorf("before %+v\nafter %+v", before, after)
			}
			if _, v := m.begin("POST /all", 100); v.Limit.Remaining != left {
				t.Errorf("the rate fell from %d to %d", left, v.Limit.Remaining)
			}
		})
	}
}

// TestWaitingIsNotPromisedInVain: where somebody has to act or to end as well,
// no Retry-After is told.
func TestWaitingIsNotPromisedInVain(t *testing.T) {
	t.Parallel()
	m := newMetered(t, "")
	m.begin("POST /run", 0)
	m.begin("POST /run", 0)
	for range 28 {
		m.try("GET /free", 0)
	}
	if _, v := m.begin("POST /run", 0); v.Condition != condition.ConcurrencyExceeded || v.HasRetryAfter || v.Limit.Remaining != 0 {
		t.Errorf("%s, Retry-After %v", v.Condition, v.RetryAfter)
	}
}

// TestEndings: what a call took, by how it ended.
func TestEndings(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		ending                         Ending
		credits, funds, bytes, running int64
		rate                           int64
	}{
		"done":    {Done, 5, 90, 60, 0, 18},
		"failed":  {Failed, 0, 100, 0, 0, 18},
		"unsent":  {Unsent, 0, 100, 0, 0, 19},
		"unknown": {Unknown, 5, 90, 60, 0, 18},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMetered(t, "")
			m.fund(100)
			call, v := m.begin("POST /all", -1)
			if !v.Admitted {
				t.Fatal(v.Condition, v.Facts, v.Cause)
			}
			if got := m.usage("concurrency").Used; got != 1 {
				t.Errorf("%d running", got)
			}
			if got := m.usage("storage").Used; got != 200 {
				t.Errorf("%d bytes are reserved, want what the operation takes at most", got)
			}
			call.Size = 60 // the body was read
			m.Settle(t.Context(), call, v, x.ending)
			m.Settle(t.Context(), call, v, Failed) // once is once
			got := [4]int64{m.usage("credits").Used, m.usage("funds").Remaining, m.usage("storage").Used, m.usage("concurrency").Used}
			if want := [4]int64{x.credits, x.funds, x.bytes, x.running}; got != want {
				t.Errorf("credits, funds, bytes, running: %v, want %v", got, want)
			}
			m.fund(1000)
			if _, v := m.begin("POST /all", 1); v.Limit.Remaining != x.rate {
				t.Errorf("rate: %d left, want %d", v.Limit.Remaining, x.rate)
			}
		})
	}
}

// TestLawOfConcurrencyOfCounters is law 5: of a crowd exactly as many get in as
// each limit has room for, although they all send one request id.
func TestLawOfConcurrencyOfCounters(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]int64{"POST /spend": 4, "POST /render": 3, "POST /pay": 5, "POST /put": 2, "POST /run": 2, "GET /free": 30} {
		m := newMetered(t, "")
		m.fund(59)
		var in atomic.Int64
		var wg sync.WaitGroup
		for range 60 {
			wg.Go(func() {
				if _, v := m.begin(id, 400); v.Admitted {
					in.Add(1)
				} else if v.Cause != nil {
					t.Error(v.Cause)
				}
			})
		}
		wg.Wait()
		if in.Load() != want {
			t.Errorf("%s: %d got in, want exactly %d", id, in.Load(), want)
		}
	}
}

// TestLawsOfCounters are laws 3 and 4 over calls of all kinds at random: where
// every limit of a call has room for it, it is admitted; who waits exactly
// Retry-After gets in; resets do not move.
func TestLawsOfCounters(t *testing.T) {
	t.Parallel()
	costs := map[string]int64{"credits": 5, "renders": 1, "funds": 10, "storage": 100, "concurrency": 1}
	tb, c := t, meteredContract(t, "")
	rapid.Check(t, func(t *rapid.T) {
		m := newMeteredOn(tb, c)
		m.fund(rapid.Int64Range(0, 90).Draw(t, "funds"))
		var running []func()
		for range 25 {
			m.clock.Advance(time.Duration(rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "pause")))
			if len(running) > 0 && rapid.Bool().Draw(t, "end") {
				running[0]()
				running = running[1:]
			}
			id := rapid.SampledFrom([]string{"GET /free", "POST /spend", "POST /render", "POST /pay", "POST /put", "POST /run", "POST /all"}).Draw(t, "call")
			stand := must[[]Usage](tb)(m.Usage(tb.Context(), "acct"))
			call, v := m.begin(id, 100)
			room := true
			for _, l := range v.Limits {
				for _, u := range stand {
					room = room && (u.Name != l.Name || u.Remaining >= costs[u.Name])
					if u.Name == l.Name && !u.Reset.Equal(l.Reset) {
						t.Fatalf("%s resets at %v, before the call it was %v", l.Name, l.Reset, u.Reset)
					}
				}
			}
			switch {
			case v.Admitted && !room:
				t.Fatalf("%s was let in without room: %+v", id, stand)
			case v.Admitted:
				ending := rapid.SampledFrom([]Ending{Done, Failed, Unsent}).Draw(t, "ending")
				running = append(running, func() { m.Settle(m.t.Context(), call, v, ending) })
			case room && v.Condition != condition.RateLimited:
				t.Fatalf("%s was refused with %s although %+v", id, v.Condition, stand)
			case v.HasRetryAfter:
				m.clock.Advance(v.RetryAfter)
				if again, w := m.begin(id, 100); w.Admitted {
					m.Settle(m.t.Context(), again, w, Unsent)
				} else if w.HasRetryAfter {
					t.Fatalf("%s was refused after the wait: %s, wait %v", id, w.Condition, w.RetryAfter)
				}
			}
		}
	})
}

// TestSlotsOutliveNoCrash: what nobody settles is free when its lease is over,
// and charges stay.
func TestSlotsOutliveNoCrash(t *testing.T) {
	t.Parallel()
	m := newMetered(t, "")
	m.fund(100)
	m.begin("POST /all", 100)
	m.begin("POST /run", 0) // both are forgotten
	if v := m.try("POST /run", 0); v.Condition != condition.ConcurrencyExceeded {
		t.Fatal(v.Condition)
	}
	m.clock.Advance(defaultLease - 1)
	if v := m.try("POST /run", 0); v.Condition != condition.ConcurrencyExceeded {
		t.Errorf("before the lease is over: %s", v.Condition)
	}
	m.clock.Advance(1)
	if v := m.try("POST /run", 0); !v.Admitted {
		t.Errorf("after the lease: %s", v.Condition)
	}
	if used, funds, bytes := m.usage("credits").Used, m.usage("funds").Remaining, m.usage("storage").Used; used != 5 || funds != 90 || bytes != 0 {
		t.Errorf("credits %d, funds %d, bytes %d", used, funds, bytes)
	}
}

// TestLongCallsKeepTheirSlot, for as long as they run and no longer.
func TestLongCallsKeepTheirSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMetered(t, "")
		m.Clock = nil
		m.Controller = &Controller{Contract: m.Contract, Store: &store.Memory{}}
		m.secret, _ = m.create(NewKey{})
		callA, a := m.begin("POST /put", 400)
		callB, b := m.begin("POST /run", 0)
		_, lost := m.begin("POST /run", 0)
		if !a.Admitted || !b.Admitted || !lost.Admitted {
			t.Fatal(a.Condition, b.Condition, lost.Condition)
		}
		m.state.renewals.drop(&lost.holding, Unknown) // its process is gone
		time.Sleep(5 * time.Minute)
		if got := m.usage("concurrency").Used; got != 1 {
			t.Errorf("%d slots are taken, want that of the call which runs", got)
		}
		if got := m.usage("storage").Used; got != 400 {
			t.Errorf("%d bytes are reserved", got)
		}
		m.Settle(t.Context(), callA, a, Failed)
		m.Settle(t.Context(), callB, b, Done)
		if got := m.usage("concurrency").Used + m.usage("storage").Used; got != 0 {
			t.Errorf("%d are held after the end", got)
		}
		time.Sleep(time.Minute)
		m.state.renewals.mu.Lock()
		defer m.state.renewals.mu.Unlock()
		if m.state.renewals.timer != nil {
			t.Error("the timer runs on for nobody")
		}
	})
}

// TestMonthEnds: the allowance begins anew, a call that ends in the next month
// gives nothing back there, and a smaller plan counts what was used.
func TestMonthEnds(t *testing.T) {
	t.Parallel()
	m := newMetered(t, "")
	for range 4 {
		m.try("POST /spend", 0)
	}
	m.clock.Advance(time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).Sub(m.clock.Now()) - 1)
	if v := m.try("POST /spend", 0); v.Condition != condition.QuotaExhausted || v.RetryAfter != 1 {
		t.Fatalf("at the end of the month: %s %v", v.Condition, v.RetryAfter)
	}
	if err := m.Credit(t.Context(), "acct", "credits", 5, ""); err != nil {
		t.Fatal(err)
	}
	call, late := m.begin("POST /spend", 0)
	m.clock.Advance(1)
	if v := m.try("POST /spend", 0); !v.Admitted {
		t.Fatal(v.Condition)
	}
	m.Settle(t.Context(), call, late, Failed)
	if u := m.usage("credits"); u.Used != 5 || !u.Reset.Equal(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("in the new month: %+v", u)
	}
	m.try("POST /render", 0)
	must[Account](t)(m.Keys().SetAccountPlan(t.Context(), "acct", "wide"))
	if v := m.try("POST /spend", 0); !v.Admitted {
		t.Errorf("a plan without the quota: %s", v.Condition)
	}
	if u := m.usage("renders"); u.Used != 1 || u.Limit != 100 {
		t.Errorf("a plan with more: %+v", u)
	}
	must[Account](t)(m.Keys().SetAccountPlan(t.Context(), "acct", "only"))
	if u := m.usage("credits"); u.Used != 5 {
		t.Errorf("back again: %+v", u)
	}
}

// TestChargesHappenOnce, and so do credits.
func TestChargesHappenOnce(t *testing.T) {
	t.Parallel()
	m := newMetered(t, "")
	ctx := t.Context()
	if err := m.Charge(ctx, "acct", "credits", 3, ""); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, err := range []error{
			m.Credit(ctx, "acct", "funds", 50, "invoice 7"), m.Charge(ctx, "acct", "funds", 20, "job 1"),
			m.Charge(ctx, "acct", "credits", 7, "job 1"), m.Credit(ctx, "acct", "credits", 2, "job 1"),
			m.ReserveStorage(ctx, "acct", 600, "file 1"), m.ReleaseStorage(ctx, "acct", 100, "file 1"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		m.clock.Advance(time.Hour)
	}
	if funds, credits, bytes := m.usage("funds").Remaining, m.usage("credits").Used, m.usage("storage").Used; funds != 30 || credits != 8 || bytes != 500 {
		t.Errorf("funds %d, credits %d, bytes %d", funds, credits, bytes)
	}
	m.clock.Advance(defaultKeep)
	if funds, bytes := m.usage("funds").Remaining, m.usage("storage").Used; funds != 30 || bytes != 500 {
		t.Errorf("a day later: funds %d, bytes %d", funds, bytes)
	}
	var refused *Refusal
	if err := m.Charge(ctx, "acct", "funds", 31, ""); !errors.As(err, &refused) || !errors.Is(err, condition.BalanceInsufficient) || refused.HasRetryAfter {
		t.Errorf("beyond the balance: %v", err)
	}
	if err := m.Charge(ctx, "acct", "funds", 30, ""); err != nil {
		t.Errorf("all of the balance: %v", err)
	}
	for name, err := range map[string]error{
		"name": m.Charge(ctx, "acct", "founds", 1, ""), "amount": m.Credit(ctx, "acct", "funds", -1, ""), "id": m.Charge(ctx, "acct", "funds", 1, "\n"),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Charge(ctx, "nobody", "funds", 1, ""); !errors.Is(err, ErrNoAccount) {
		t.Errorf("nobody: %v", err)
	}
}

// TestOneIDOneAmount: an id that is used again with another amount moves nothing,
// and says so; one whose charge was refused is free.
func TestOneIDOneAmount(t *testing.T) {
	t.Parallel()
	m := newMetered(t, "")
	ctx := t.Context()
	for _, step := range []struct {
		what string
		err  error
		want error
	}{
		{"a credit", m.Credit(ctx, "acct", "funds", 50, "a"), nil},
		{"another amount", m.Credit(ctx, "acct", "funds", 51, "a"), ErrOtherMove},
		{"the same again", m.Credit(ctx, "acct", "funds", 50, "a"), nil},
		{"a charge under the same id", m.Charge(ctx, "acct", "funds", 5, "a"), nil},
		{"another limit", m.Charge(ctx, "acct", "credits", 6, "a"), nil},
		{"another amount of it", m.Charge(ctx, "acct", "credits", 5, "a"), ErrOtherMove},
		{"other bytes", errors.Join(m.ReserveStorage(ctx, "acct", 10, "a"), m.ReserveStorage(ctx, "acct", 11, "a")), ErrOtherMove},
		{"too much", m.Charge(ctx, "acct", "funds", 46, "b"), condition.BalanceInsufficient},
		{"less", m.Charge(ctx, "acct", "funds", 45, "b"), nil},
	} {
		if !errors.Is(step.err, step.want) {
			t.Errorf("%s: %v, want %v", step.what, step.err, step.want)
		}
	}
	if funds, credits, bytes := m.usage("funds").Remaining, m.usage("credits").Used, m.usage("storage").Used; funds != 0 || credits != 6 || bytes != 10 {
		t.Errorf("funds %d, credits %d, bytes %d", funds, credits, bytes)
	}
	m.clock.Advance(defaultKeep + time.Second)
	if err := m.Credit(ctx, "acct", "funds", 51, "a"); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

// TestChargesOfACall end as it ends, and refuse once it has.
func TestChargesOfACall(t *testing.T) {
	t.Parallel()
	for ending, want := range map[Ending]int64{Done: 93, Failed: 100, Unknown: 93} {
		m := newMetered(t, "")
		m.fund(100)
		call, v := m.begin("GET /free", 0)
		for _, amount := range []int64{3, 4} {
			if err := m.ChargeCall(t.Context(), call, v, "funds", amount); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.StoreCall(t.Context(), call, v, 1001); !errors.Is(err, condition.StorageExhausted) {
			t.Errorf("too many bytes: %v", err)
		}
		m.Settle(t.Context(), call, v, ending)
		if got := m.usage("funds").Remaining; got != want {
			t.Errorf("ending %d: %d left, want %d", ending, got, want)
		}
		if err := m.ChargeCall(t.Context(), call, v, "funds", 1); !errors.Is(err, errLate) {
			t.Errorf("after the end: %v", err)
		}
	}
}

// TestUsageListsAll that belongs to the account.
func TestUsageListsAll(t *testing.T) {
	t.Parallel()
	m := newMetered(t, "")
	m.try("POST /spend", 0)
	list := must[[]Usage](t)(m.Usage(t.Context(), "acct"))
	slices.SortFunc(list, func(a, b Usage) int { return cmp.Compare(a.Name, b.Name) })
	var names []string
	for _, u := range list {
		names = append(names, u.Name)
		if u.Name == "credits" && (u.Kind != meter.Allowance || u.Limit != 20 || u.Used != 5 || u.Remaining != 15) {
			t.Errorf("%+v", u)
		}
	}
	if !slices.Equal(names, []string{"concurrency", "credits", "funds", "renders", "storage"}) {
		t.Errorf("%v", names)
	}
}
