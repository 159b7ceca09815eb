package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

var errSilent = errors.New("the store said nothing")

// fault is what a fitful meter does with what it is asked.
type fault int

const (
	works   fault = iota
	never         // it does not happen
	mute          // it happens, and nobody hears of it
	delayed       // it happens when the meter is next asked
	doubled       // it happens, and once more some time later; of settlements
	faults
)

// fitful is a meter that does what it is asked, or not, or later, or twice. What
// was delayed happens in the order in which it came.
type fitful struct {
	meter.Meter

	mu   sync.Mutex
	next func() fault
	// before happens once before something is taken: the caller has looked at its
	// key by then.
	before  func()
	waiting []func()
	copies  []func()
}

func (f *fitful) do(ctx context.Context, settles bool, do func(context.Context) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, late := range f.waiting {
		late()
	}
	f.waiting = nil
	again := func() { _ = do(context.WithoutCancel(ctx)) }
	switch f.next() {
	case never:
		return errSilent
	case mute:
		again()
		return errSilent
	case delayed:
		f.waiting = append(f.waiting, again)
		return errSilent
	case doubled:
		if settles {
			f.copies = append(f.copies, again)
		}
	case works, faults:
	}
	return do(ctx)
}

// first has something happen before what is taken next, in place of what it returns.
func (f *fitful) first(before func()) (replaced func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	replaced, f.before = f.before, before
	return replaced
}

// be has the meter do something else from now on.
func (f *fitful) be(next func() fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

// repeat has the copies happen.
func (f *fitful) repeat() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, late := range f.copies {
		late()
	}
	f.copies = nil
}

// Take implements meter.Meter.
func (f *fitful) Take(ctx context.Context, t *meter.Taking) error {
	if t.Owner != probeOwner {
		if before := f.first(nil); before != nil {
			before()
		}
	}
	own := *t // the caller goes on with its own
	own.Demands, own.Outcomes = append([]meter.Demand(nil), t.Demands...), append([]meter.Outcome(nil), t.Outcomes...)
	err := f.do(ctx, false, func(ctx context.Context) error { return f.Meter.Take(ctx, &own) })
	if err == nil { // else it may be decided yet
		copy(t.Outcomes, own.Outcomes)
		t.Admitted = own.Admitted
	}
	return err
}

// Settle implements meter.Meter.
func (f *fitful) Settle(ctx context.Context, s *meter.Settlement) error {
	return f.do(ctx, true, func(ctx context.Context) error { return f.Meter.Settle(ctx, s) })
}

func always(x fault) func() fault { return func() fault { return x } }

// newFitful is a metered site on a meter that works until it is told otherwise.
func newFitful(t testing.TB, lines string) (*metered, *fitful) {
	t.Helper()
	m := newMetered(t, lines)
	f := &fitful{Meter: &meter.Local{}, next: always(works)}
	m.Controller = &Controller{Contract: m.Contract, Store: &store.Memory{}, Meter: f}
	m.secret, _ = m.create(NewKey{})
	return m, f
}

// keyedCall admits a call under a key, or reports that it was refused.
func (m *metered) keyedCall(id, key string) (*Call, *Verdict, bool) {
	call := &Call{
		Credential: m.secret, Operation: operation(m.t, m.Contract, id), Method: "POST", Path: "/" + key,
		RequestID: "one", IdempotencyKeys: []string{key}, Size: 100,
	}
	v := &Verdict{}
	m.Admit(m.t.Context(), call, v)
	return call, v, v.Admitted
}

// TestSettledLater: whatever is to be settled when the store does not take it is
// settled when it does, and once, also where it had been taken all the same.
func TestSettledLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id, of string
		ending Ending
		end    func(*Reservation) error
		want   int64
	}{
		"done":               {"POST /put", "storage", Done, completed(201), 100},
		"refused for good":   {"POST /spend", "credits", Failed, completed(422), 0},
		"to be repeated":     {"POST /spend", "credits", Failed, nil, 0},
		"not sent":           {"POST /all", "renders", Unsent, nil, 0},
		"done by another":    {"POST /spend", "credits", Left, nil, 0},
		"slots of the doubt": {"POST /run", "concurrency", Unknown, nil, 0},
	} {
		for bad := never; bad < faults; bad++ {
			synctest.Test(t, func(t *testing.T) {
				m, f := newFitful(t, keyedMeters)
				m.fund(100)
				call, v, ok := m.keyedCall(c.id, "k")
				if !ok {
					t.Fatal(v.Condition, v.Cause)
				}
				if c.end != nil {
					done(t, c.end(m.reserve(call, v)))
				}
				f.be(always(bad))
				m.Settle(t.Context(), call, v, c.ending)
				f.be(always(works))
				f.repeat()
				time.Sleep(2 * longestPause)
				if used := m.usage(c.of).Used; used != c.want {
					t.Errorf("%s, fault %d: %d are used, want %d", name, bad, used, c.want)
				}
				m.state.debts.mu.Lock()
				if n := m.state.debts.count.Load(); n != 0 || m.state.debts.timer != nil {
					t.Errorf("%s, fault %d: %d debts are left, or the timer runs for nobody", name, bad, n)
				}
				m.state.debts.mu.Unlock()
				time.Sleep(time.Minute) // a lease, where a slot has one
			})
		}
	}
}

func completed(status int) func(*Reservation) error {
	return func(r *Reservation) error { return r.Complete(context.Background(), &Answer{Status: status}) }
}

// histories is how many TestChargesEqualWork tries.
const histories = 400

// TestChargesEqualWork: calls under a few keys overlap in any way on a store that
// takes what it is told, or not, or later, or twice. When it is well again and all
// calls have ended, what was charged is what was done, or is not known.
func TestChargesEqualWork(t *testing.T) {
	t.Parallel()
	for seed := range uint64(histories) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			const balance, price, keys = 100_000, 10, 2
			m, f := newFitful(t, keyedMeters)
			m.fund(balance)
			faulty := rand.New(rand.NewPCG(seed, 3)) // goroutines of their own draw from it
			f.be(func() fault { return max(fault(faulty.IntN(int(faults)+4)-4), works) })
			type under struct {
				call *Call
				v    *Verdict
				work *Reservation
			}
			var calls []under
			worth := map[string]int64{}
			end := func(i int) {
				x := calls[i]
				calls = append(calls[:i], calls[i+1:]...)
				if x.work == nil {
					ending := Left
					if x.work = m.reserve(x.call, x.v); x.work == nil {
						if x.v.Admitted {
							m.Settle(t.Context(), x.call, x.v, ending)
						}
						return
					}
				}
				key := x.call.IdempotencyKeys[0]
				ending := []Ending{Done, Done, Failed, Failed, Unsent, Unknown}[random.IntN(6)]
				switch {
				case ending == Done:
					done(t, x.work.Complete(t.Context(), &Answer{Status: 201}))
					worth[key] = price
				case ending == Unknown:
					done(t, x.work.Unknown(t.Context()))
					worth[key] = price
				case ending == Failed && random.IntN(2) == 0:
					done(t, x.work.Complete(t.Context(), &Answer{Status: 422}))
				default:
					m.Settle(t.Context(), x.call, x.v, ending)
					done(t, x.work.Release(t.Context()))
				}
				m.Settle(t.Context(), x.call, x.v, ending)
			}
			for range random.IntN(60) {
				switch what := random.IntN(6); {
				case what < 3:
					if len(calls) > 0 && random.IntN(2) == 0 {
						ends := random.IntN(len(calls))
						f.first(func() { end(ends) })
					}
					if call, v, ok := m.keyedCall("POST /pay", fmt.Sprint(random.IntN(keys))); ok {
						calls = append(calls, under{call: call, v: v})
					}
					f.first(nil)
				case what == 3 && len(calls) > 0:
					i := random.IntN(len(calls))
					if x := &calls[i]; x.work == nil {
						if x.work = m.reserve(x.call, x.v); x.work == nil {
							if x.v.Admitted {
								m.Settle(t.Context(), x.call, x.v, Left)
							}
							calls = append(calls[:i], calls[i+1:]...)
						}
					}
				case what == 4 && len(calls) > 0:
					end(random.IntN(len(calls)))
				default:
					f.repeat()
					time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
				}
			}
			for len(calls) > 0 {
				end(0)
			}
			f.be(always(works))
			time.Sleep(time.Second)
			f.repeat()
			m.try("GET /free", 0) // somebody has to look whether the store is back
			time.Sleep(4 * longestPause)
			var want int64
			for _, w := range worth {
				want += w
			}
			if charged := balance - m.usage("funds").Remaining; charged != want {
				t.Errorf("seed %d: %d were charged, the work is worth %d", seed, charged, want)
			}
			time.Sleep(time.Minute)
		})
		if t.Failed() {
			return
		}
	}
}

// TestGivenBackWithoutAHold: what a call without a key was charged has no name. It
// is given back later where the store was not asked, and never twice.
func TestGivenBackWithoutAHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := newFitful(t, "")
		spend := func() { m.end("POST /spend", Failed) }
		away := func(what fault) {
			call, v := m.begin("POST /spend", 0)
			f.be(always(never))
			for range tolerated {
				m.try("POST /render", 0)
				time.Sleep(time.Second)
			}
			if !m.Health().Away {
				t.Fatal("the store is not away")
			}
			m.Settle(t.Context(), call, v, Failed)
			f.be(always(what))
			time.Sleep(time.Second)
			f.be(always(works))
			m.try("GET /free", 0) // somebody has to look whether it is back
			time.Sleep(2 * longestPause)
		}
		away(works)
		if used := m.usage("credits").Used; used != 0 {
			t.Errorf("%d are used by a call that failed while the store was away", used)
		}
		m.charge("credits", 10)
		away(mute)
		if used := m.usage("credits").Used; used != 10 {
			t.Errorf("%d are used, 10 were charged and a call failed", used)
		}
		call, v := m.begin("POST /spend", 0)
		f.be(always(mute))
		m.Settle(t.Context(), call, v, Failed)
		f.be(always(works))
		time.Sleep(2 * longestPause)
		if used := m.usage("credits").Used; used != 10 {
			t.Errorf("%d are used, 10 were charged and 5 given back", used)
		}
		spend()
		if used := m.usage("credits").Used; used != 10 {
			t.Errorf("%d are used", used)
		}
	})
}

// end makes a call that ends in some way.
func (m *metered) end(id string, ending Ending) {
	m.t.Helper()
	call, v := m.begin(id, 0)
	if !v.Admitted {
		m.t.Fatal(v.Condition, v.Cause)
	}
	m.Settle(m.t.Context(), call, v, ending)
}

// TestRenewedTooLate: a lease that is renewed while its call ends is not put anew.
func TestRenewedTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := newFitful(t, keyedMeters)
		m.fund(100)
		call, v, _ := m.keyedCall("POST /all", "k")
		done(t, completed(422)(m.reserve(call, v)))
		f.first(func() { m.Settle(t.Context(), call, v, Failed) }) // the next to take is the renewal
		time.Sleep(time.Minute)
		for _, name := range []string{"credits", "renders", "storage", "concurrency"} {
			if used := m.usage(name).Used; used != 0 {
				t.Errorf("%d of %s are used", used, name)
			}
		}
		if left := m.usage("funds").Remaining; left != 100 {
			t.Errorf("%d of 100 are left", left)
		}
	})
}

// TestDebtsAreBounded in memory and in work, do not wait behind one that cannot be
// settled, and are told of at the end.
func TestDebtsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tries, away := 0, true
		var mu sync.Mutex
		d := &debts{logger: slog.New(slog.NewTextHandler(&log, nil))}
		d.pay = func(_ context.Context, s *meter.Settlement) error {
			mu.Lock()
			defer mu.Unlock()
			tries++
			if away || s.Owner == "poison" {
				return errSilent
			}
			return nil
		}
		for i := range maxDebts {
			owner := "acct"
			if i%4000 == 0 {
				owner = "poison"
			}
			done(t, d.owe(&meter.Settlement{Owner: owner, Hold: fmt.Sprint(i)}, time.Hour))
		}
		if err := d.owe(&meter.Settlement{}, time.Hour); !errors.Is(err, errDebts) {
			t.Errorf("one too many: %v", err)
		}
		time.Sleep(time.Minute)
		mu.Lock()
		if tries > 20*tolerated {
			t.Errorf("a store that was away was asked %d times in a minute", tries)
		}
		away = false
		mu.Unlock()
		time.Sleep(time.Minute)
		if n := d.count.Load(); n != maxDebts/4000+1 {
			t.Errorf("%d are left, want those that cannot be settled", n)
		}
		d.close(t.Context())
		if err := d.owe(&meter.Settlement{}, time.Hour); !errors.Is(err, errEnding) {
			t.Errorf("after the end: %v", err)
		}
		if n := d.count.Load(); n != 0 || !strings.Contains(log.String(), "settlements=5") {
			t.Errorf("%d are owed; %s", n, log.String())
		}
	})
}
