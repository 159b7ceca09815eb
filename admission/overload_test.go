package admission

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

func newOverloaded(t testing.TB, o *Overload) *metered {
	m := newMetered(t, "")
	m.Controller = &Controller{
		Contract: m.Contract, Clock: m.clock.Now, Store: &store.Memory{Clock: m.clock.Now}, StoreTimeout: time.Minute, Overload: o,
	}
	m.secret, _ = m.create(NewKey{})
	return m
}

// TestOverload bounds the bytes of calls under way, and tells how long until
// there is room at the present pace.
func TestOverload(t *testing.T) {
	t.Parallel()
	m := newOverloaded(t, &Overload{MaxBytes: 1000})
	callA, a := m.begin("GET /free", 600)
	if !a.Admitted {
		t.Fatal(a.Condition)
	}
	if _, v := m.begin("GET /free", 401); v.Condition != condition.Overloaded || v.RetryAfter != shortestWait || !v.HasRetryAfter ||
		fact(v, "limit") != int64(1000) || fact(v, "used") != int64(600) {
		t.Errorf("%s %v %v", v.Condition, v.RetryAfter, v.Facts)
	}
	if got := m.usage("credits").Used; got != 0 {
		t.Errorf("%d credits", got)
	}
	if _, v := m.begin("GET /free", 0); !v.Admitted || v.Limit.Remaining != 28 {
		t.Errorf("a call without a body: %s, %+v", v.Condition, v.Limit)
	}
	m.clock.Advance(4 * time.Second)
	m.Settle(t.Context(), callA, a, Done)
	_, b := m.begin("GET /free", 1000)
	if !b.Admitted {
		t.Fatal(b.Condition)
	}
	// Calls take 4 s, so half of what is under way is done after 2 s.
	if _, v := m.begin("GET /free", 500); v.Condition != condition.Overloaded || v.RetryAfter != 2*time.Second {
		t.Errorf("%s %v", v.Condition, v.RetryAfter)
	}
	if h := m.Health(); h.InFlightBytes != 1000 {
		t.Errorf("%d bytes under way", h.InFlightBytes)
	}
	if _, v := m.begin("GET /free", 1001); v.Condition != condition.BodyTooLarge || v.HasRetryAfter || fact(v, "max_bytes") != int64(1000) {
		t.Errorf("a body that never fits: %s %v", v.Condition, v.Facts)
	}
}

// TestUnannouncedBodies count as what the operation takes at most.
func TestUnannouncedBodies(t *testing.T) {
	t.Parallel()
	m := newOverloaded(t, &Overload{MaxBytes: 1000, Unannounced: 700})
	for id, want := range map[string]int64{"POST /put": 400, "GET /free": 700} {
		call, v := m.begin(id, -1)
		if got := m.Health().InFlightBytes; !v.Admitted || got != want {
			t.Errorf("%s: %s, %d bytes, want %d", id, v.Condition, got, want)
		}
		m.Settle(t.Context(), call, v, Failed)
	}
	if got := m.Health().InFlightBytes; got != 0 {
		t.Errorf("%d bytes are held by nobody", got)
	}
}

// TestRefusedCallsHoldNoRoom, whatever refused them later.
func TestRefusedCallsHoldNoRoom(t *testing.T) {
	t.Parallel()
	m := newOverloaded(t, &Overload{MaxBytes: 1000, Adaptive: &Adaptive{Least: 1, Most: 2, First: 2}})
	for range 50 {
		if _, v := m.begin("POST /pay", 900); v.Condition != condition.BalanceInsufficient {
			t.Fatal(v.Condition)
		}
	}
	if h := m.Health(); h.InFlightBytes != 0 || h.InFlightCalls != 0 {
		t.Errorf("%+v", h)
	}
}

// TestAdaptive bounds the number of calls, for all contracts together.
func TestAdaptive(t *testing.T) {
	t.Parallel()
	m := newOverloaded(t, &Overload{Adaptive: &Adaptive{Least: 2, Most: 8, First: 3}})
	var calls []func(Ending)
	for i := range 4 {
		if i == 2 {
			m.Controller = m.WithContract(m.Contract)
		}
		call, v := m.begin("GET /free", 0)
		if v.Admitted != (i < 3) {
			t.Fatalf("call %d: %s", i, v.Condition)
		}
		if !v.Admitted {
			if v.Condition != condition.Overloaded || v.RetryAfter != shortestWait || len(v.Facts) != 0 {
				t.Errorf("%s %v %v", v.Condition, v.RetryAfter, v.Facts)
			}
			continue
		}
		calls = append(calls, func(e Ending) { m.Settle(t.Context(), call, v, e) })
	}
	if h := m.Health(); h.InFlightCalls != 3 || h.CallLimit != 3 {
		t.Errorf("%+v", h)
	}
	for i, end := range calls {
		end(Ending(i))
	}
	if h := m.Health(); h.InFlightCalls != 0 {
		t.Errorf("%d calls are under way", h.InFlightCalls)
	}
}

// TestCrowdFillsTheRoom to the last byte and not beyond.
func TestCrowdFillsTheRoom(t *testing.T) {
	t.Parallel()
	m := newOverloaded(t, &Overload{MaxBytes: 1000})
	must[Account](t)(m.Keys().SetAccountPlan(t.Context(), "acct", "wide"))
	var in atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, v := m.begin("GET /free", 40); v.Admitted {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 25 || m.Health().InFlightBytes != 1000 {
		t.Errorf("%d calls of 40 bytes, %d bytes", in.Load(), m.Health().InFlightBytes)
	}
}
