package admission

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/failwell/failwell/store/meter"
)

const keyedMeters = "idempotency: {header: Idempotency-Key, keep: 1h, lease: 6s}"

// keyed begins a call of 5 credits under a key.
func (m *metered) keyed() (*Call, *Verdict) {
	m.t.Helper()
	call := &Call{
		Credential: m.secret, Operation: operation(m.t, m.Contract, "POST /spend"), Method: "POST", Path: "/spend",
		RequestID: "one", IdempotencyKeys: []string{"k"},
	}
	v := &Verdict{}
	m.Admit(m.t.Context(), call, v)
	if !v.Admitted || !v.Keyed {
		m.t.Fatalf("got %+v", v)
	}
	return call, v
}

func (m *metered) reserve(call *Call, v *Verdict) *Reservation {
	m.t.Helper()
	r, err := m.Reserve(m.t.Context(), call, v, &Payload{Body: []byte("5")})
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// TestLateClaim: a call that was charged before the key came free, and finds out
// afterwards, gives back its own claim and nobody else's.
func TestLateClaim(t *testing.T) {
	t.Parallel()
	m := newMetered(t, keyedMeters)
	first, v1 := m.keyed()
	late, v2 := m.keyed()
	r := m.reserve(first, v1)
	m.Settle(t.Context(), first, v1, Failed)
	done(t, r.Release(t.Context()))
	next, v3 := m.keyed()
	works := m.reserve(late, v2)
	if works == nil {
		t.Fatal("the key is free, and nobody has it")
	}
	if m.reserve(next, v3) != nil {
		t.Fatal("two calls have one key")
	}
	m.Settle(t.Context(), next, v3, Left)
	if used := m.usage("credits").Used; used != 5 {
		t.Errorf("%d are charged while one call of 5 is worked on", used)
	}
	done(t, works.Complete(t.Context(), &Answer{Status: 201}))
	m.Settle(t.Context(), late, v2, Done)
	if used := m.usage("credits").Used; used != 5 {
		t.Errorf("%d are charged for one call of 5", used)
	}
}

// forgetful is a meter that can be away when something is to be settled, and
// before which something can happen once.
type forgetful struct {
	meter.Meter
	away   bool
	before func()
}

func (f *forgetful) Take(ctx context.Context, t *meter.Taking) error {
	if before := f.before; before != nil {
		f.before = nil
		before()
	}
	return f.Meter.Take(ctx, t)
}

func (f *forgetful) Settle(ctx context.Context, s *meter.Settlement) error {
	if f.away {
		return errors.New("away")
	}
	return f.Meter.Settle(ctx, s)
}

// TestStraggler: what a call was charged that looked at its key before it came
// free, was charged after, and then was killed, is the next call's, and goes where
// that was refused for good.
func TestStraggler(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int64{201: 5, 422: 0} {
		m := newMetered(t, keyedMeters)
		f := &forgetful{Meter: m.state.front.far}
		m.state.front.far = f
		call, v := m.keyed()
		f.before = func() {
			r := m.reserve(call, v)
			m.Settle(t.Context(), call, v, Failed)
			done(t, r.Release(t.Context()))
		}
		m.keyed() // of which nothing is heard any more
		call, v = m.keyed()
		done(t, m.reserve(call, v).Complete(t.Context(), &Answer{Status: status}))
		m.Settle(t.Context(), call, v, map[bool]Ending{true: Done, false: Failed}[status < 400])
		if used := m.usage("credits").Used; used != want {
			t.Errorf("%d are charged for one call of 5 that ended with %d", used, status)
		}
	}
}

// TestTakenOver: a call that lost its key to another one, for which it was too
// slow, leaves that one's charge and slot alone when it ends.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	for _, ending := range []Ending{Unknown, Failed, Unsent} {
		synctest.Test(t, func(t *testing.T) {
			m, _ := newFitful(t, keyedMeters)
			m.Contract.Idempotency.Unknown = unknownReexecute
			m.fund(100)
			slow, v, _ := m.keyedCall("POST /all", "k")
			r := m.reserve(slow, v)
			done(t, r.Unknown(t.Context()))
			next, w, ok := m.keyedCall("POST /all", "k")
			works := m.reserve(next, w)
			if !ok || works == nil {
				t.Fatal(w.Condition, w.Cause)
			}
			m.Settle(t.Context(), slow, v, ending)
			if used := m.usage("concurrency").Used; used != 1 {
				t.Errorf("ending %d: %d slots are taken by one call", ending, used)
			}
			done(t, works.Complete(t.Context(), &Answer{Status: 201}))
			m.Settle(t.Context(), next, w, Done)
			if credits, slots, left := m.usage("credits").Used, m.usage("concurrency").Used, m.usage("funds").Remaining; credits != 5 || slots != 0 || left != 90 {
				t.Errorf("ending %d: %d credits used, %d slots, %d of 100 left", ending, credits, slots, left)
			}
		})
	}
}

// TestTidied: a repetition settles for a call that was answered and died before it
// was settled, and for those that were charged after that and died as well.
func TestTidied(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int64{201: 5, 422: 0} {
		for _, dies := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) { tidied(t, status, want, dies) })
		}
	}
}

func tidied(t *testing.T, status int, want int64, dies bool) {
	t.Helper()
	m, f := newFitful(t, keyedMeters)
	call, v := m.keyed()
	f.first(func() {
		done(t, m.reserve(call, v).Complete(t.Context(), &Answer{Status: status}))
		if !dies {
			m.Settle(t.Context(), call, v, map[bool]Ending{true: Done, false: Failed}[status < unsuccessful])
		}
	})
	m.keyed() // of which nothing is heard any more
	if used := m.usage("credits").Used; used != 5 && (dies || used != 5+want) {
		t.Fatalf("%d are used", used)
	}
	other := &Controller{Contract: m.Contract, Store: m.Store, Meter: f}
	for range 2 {
		v := &Verdict{}
		other.Admit(t.Context(), call, v)
		if r, err := other.Reserve(t.Context(), call, v, &Payload{Body: []byte("5")}); r != nil || err != nil || v.Answer == nil {
			t.Fatalf("not replayed: %v %v %+v", r, err, v)
		}
		other.Settle(t.Context(), call, v, Left)
		if used := m.usage("credits").Used; used != want {
			t.Errorf("status %d, dies %v: %d are used after a repetition, want %d", status, dies, used, want)
		}
	}
}

// TestUnsettledRelease: a charge that could not be given back yet is that of the
// next call with the key.
func TestUnsettledRelease(t *testing.T) {
	t.Parallel()
	m := newMetered(t, keyedMeters)
	f := &forgetful{Meter: m.state.front.far}
	m.state.front.far = f
	call, v := m.keyed()
	r := m.reserve(call, v)
	f.away = true
	m.Settle(t.Context(), call, v, Failed)
	f.away = false
	done(t, r.Release(t.Context()))
	call, v = m.keyed()
	done(t, m.reserve(call, v).Complete(t.Context(), &Answer{Status: 201}))
	m.Settle(t.Context(), call, v, Done)
	if used := m.usage("credits").Used; used != 5 {
		t.Errorf("%d are charged for one call of 5", used)
	}
}
