package admission

import (
	"context"
	"errors"
	"testing"

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
// free, was charged after, and then was killed, is not charged in addition.
func TestStraggler(t *testing.T) {
	t.Parallel()
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
	done(t, m.reserve(call, v).Complete(t.Context(), &Answer{Status: 201}))
	m.Settle(t.Context(), call, v, Done)
	if used := m.usage("credits").Used; used != 5 {
		t.Errorf("%d are charged for one call of 5", used)
	}
}

// TestUnsettledRelease: a charge that could not be given back is that of the
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
