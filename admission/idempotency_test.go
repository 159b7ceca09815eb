package admission

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

const keyedOperations = `
  POST /pay: {}
  PATCH /pay: {}
  POST /pay/{id}: {}
  POST /must: {idempotency: required}
  POST /never: {idempotency: off}
  POST /again: {unknown: reexecute}
  POST /ask: {unknown: reconcile, reconcile: /done/$key}
  POST /open: {public: true}
  GET /pay: {}
idempotency: {header: Idempotency-Key, keep: 1h, lease: 6s, wait: 2s}
`

// desk is a store with processes at it.
type desk struct {
	t      testing.TB
	text   string
	rules  *contract.Contract
	store  store.Store
	memory *store.Memory
	secret string
	other  string
}

// common makes a store one that other processes can use.
type common struct{ store.Store }

func (common) Shared() bool { return true }

func newDesk(t testing.TB, settings ...string) *desk {
	t.Helper()
	d := &desk{t: t, text: keyedOperations, memory: &store.Memory{}}
	for i := 0; i+1 < len(settings); i += 2 {
		d.text = strings.Replace(d.text, settings[i], settings[i+1], 1)
	}
	d.store, d.rules = common{d.memory}, parseContract(t, d.text)
	c := d.process(0)
	for _, s := range []struct {
		to            *string
		account, live string
	}{{&d.secret, "acct", "live"}, {&d.other, "{other}", "live"}} {
		secret, _, err := c.Keys().Create(t.Context(), NewKey{Account: s.account, Environment: s.live})
		if err != nil {
			t.Fatal(err)
		}
		*s.to = secret
	}
	return d
}

// process is a Controller in a process of its own.
func (d *desk) process(n byte) *Controller {
	d.t.Helper()
	c := &Controller{Contract: d.rules, Store: d.store, StoreTimeout: time.Second}
	c.once.Do(c.prepare)
	r := &c.state.running
	r.once.Do(func() { r.self = owner{process: [8]byte{n}, controller: [8]byte{n}} })
	return c
}

// attempt is one call under a key.
type attempt struct {
	operation, key, body, id, credential string
}

func (d *desk) attempt(a attempt) (*Call, *Payload) {
	if a.operation == "" {
		a.operation = "POST /pay"
	}
	if a.credential == "" {
		a.credential = d.secret
	}
	method, path, _ := strings.Cut(a.operation, " ")
	call := &Call{Credential: a.credential, Method: method, Path: path, RequestID: a.id, IdempotencyKeys: []string{a.key}}
	return call, &Payload{Body: []byte(a.body)}
}

type result struct {
	*Reservation
	v   Verdict
	err error
}

func (d *desk) try(c *Controller, a attempt) result {
	d.t.Helper()
	call, p := d.attempt(a)
	call.Operation = operation(d.t, c.Contract, call.Method+" "+call.Path)
	var r result
	c.Admit(d.t.Context(), call, &r.v)
	if r.v.Admitted && r.v.Keyed {
		r.Reservation, r.err = c.Reserve(d.t.Context(), call, &r.v, p)
	}
	return r
}

func (r result) want(t testing.TB, of condition.Condition) {
	t.Helper()
	if r.err != nil || r.Reservation != nil || r.v.Answer != nil || r.v.Condition != of {
		t.Errorf("got reservation %v, answer %v, condition %q (cause %v), error %v; want %q", r.Reservation != nil, r.v.Answer, r.v.Condition, r.v.Cause, r.err, of)
	}
}

func (r result) reserved(t testing.TB) *Reservation {
	t.Helper()
	if r.err != nil || r.Reservation == nil {
		t.Fatalf("not reserved: %+v, %v", r.v, r.err)
	}
	return r.Reservation
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var paid = Answer{Status: 201, Header: []contract.HeaderValue{{Name: "Content-Type", Value: "text/plain"}, {Name: "Link", Value: "<a>"}}, Body: []byte("paid 5")}

// TestRows goes through the state table, row by row.
func TestRows(t *testing.T) {
	t.Parallel()
	first, same, other := attempt{key: "k", body: "5", id: "one"}, attempt{key: "k", body: "5", id: "two"}, attempt{key: "k", body: "6"}
	run := func(name string, test func(t *testing.T, d *desk, c *Controller)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				test(t, d, d.process(1))
			})
		})
	}
	run("in flight", func(t *testing.T, d *desk, c *Controller) {
		r := d.try(c, first).reserved(t)
		for _, from := range []*Controller{c, d.process(2)} {
			d.try(from, other).want(t, condition.IdempotencyMismatch)
			again := d.try(from, same)
			again.want(t, condition.IdempotencyInProgress)
			if !again.v.HasRetryAfter || again.v.RetryAfter < time.Second || again.v.RetryAfter > 6*time.Second {
				t.Errorf("retry after %v", again.v.RetryAfter)
			}
			if !again.v.repeat {
				t.Error("a duplicate is charged like a first call")
			}
		}
		done(t, r.Release(t.Context()))
	})
	run("completed", func(t *testing.T, d *desk, c *Controller) {
		answer := paid
		done(t, d.try(c, first).reserved(t).Complete(t.Context(), &answer))
		want := paid
		want.RequestID = "one"
		for _, from := range []*Controller{c, d.process(2)} {
			again := d.try(from, same)
			if diff := cmp.Diff(&want, again.v.Answer); diff != "" || !again.v.repeat || again.v.Condition != "" {
				t.Errorf("replay (-want +got):\n%s", diff)
			}
			d.try(from, other).want(t, condition.IdempotencyMismatch)
		}
	})
	run("proven unsent", func(t *testing.T, d *desk, c *Controller) {
		done(t, d.try(c, first).reserved(t).Release(t.Context()))
		r := d.try(d.process(2), other)
		if r.v.repeat {
			t.Error("the next call with the key is charged as a repetition")
		}
		done(t, r.reserved(t).Release(t.Context()))
	})
	run("tombstone", func(t *testing.T, d *desk, c *Controller) {
		done(t, d.try(c, first).reserved(t).Tombstone(t.Context(), 200, 5, [32]byte{1}))
		d.try(c, same).want(t, condition.IdempotencyNotReplayable)
		d.try(c, other).want(t, condition.IdempotencyMismatch)
	})
	run("unknown", func(t *testing.T, d *desk, c *Controller) {
		done(t, d.try(c, first).reserved(t).Unknown(t.Context()))
		d.try(c, same).want(t, condition.IdempotencyOutcomeUnknown)
		d.try(c, other).want(t, condition.IdempotencyMismatch)
	})
	run("too large for the store", func(t *testing.T, d *desk, c *Controller) {
		done(t, d.try(c, first).reserved(t).Complete(t.Context(), &Answer{Status: 200, Body: make([]byte, store.MaxValue)}))
		d.try(c, same).want(t, condition.IdempotencyNotReplayable)
	})
	run("ended twice", func(t *testing.T, d *desk, c *Controller) {
		r := d.try(c, first).reserved(t)
		done(t, r.Unknown(t.Context()))
		if err := r.Complete(t.Context(), &Answer{Status: 200}); err == nil {
			t.Error("an ended reservation was ended once more")
		}
	})
	run("the record's life is over", func(t *testing.T, d *desk, c *Controller) {
		done(t, d.try(c, first).reserved(t).Complete(t.Context(), &Answer{Status: 200}))
		time.Sleep(time.Hour)
		done(t, d.try(c, other).reserved(t).Release(t.Context()))
	})
}

// TestLeaseLapses: a process that does not come back is given up after the
// lease, and cannot complete any more.
func TestLeaseLapses(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"POST /pay", "POST /again"} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			stalled, c := d.process(1), d.process(2)
			gate := &gate{Store: d.store}
			stalled.Store = gate
			a := attempt{operation: policy, key: "k", body: "5", id: "one"}
			r := d.try(stalled, a).reserved(t)
			gate.fail(errors.New("stalled"))
			time.Sleep(5900 * time.Millisecond)
			again := d.try(c, a)
			again.want(t, condition.IdempotencyInProgress)
			if again.v.RetryAfter > time.Second {
				t.Errorf("retry after %v, the lease ends before", again.v.RetryAfter)
			}
			time.Sleep(200 * time.Millisecond)
			again = d.try(c, a)
			gate.fail(nil)
			if err := r.Complete(t.Context(), &Answer{Status: 200}); !errors.Is(err, ErrLost) {
				t.Errorf("the late call got %v", err)
			}
			if policy == "POST /pay" {
				again.want(t, condition.IdempotencyOutcomeUnknown)
				d.try(c, a).want(t, condition.IdempotencyOutcomeUnknown)
				return
			}
			done(t, again.reserved(t).Complete(t.Context(), &Answer{Status: 204}))
			if v := d.try(stalled, a).v; v.Answer == nil || v.Answer.Status != 204 {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// TestLeaseIsRenewed: a call that takes many leases is never given up.
func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c, far := d.process(1), d.process(2)
		a := attempt{key: "k", body: "5", id: "one"}
		r := d.try(c, a).reserved(t)
		for range 60 {
			time.Sleep(time.Second)
			again := d.try(far, a)
			again.want(t, condition.IdempotencyInProgress)
			if again.v.RetryAfter > 6*time.Second {
				t.Fatalf("retry after %v", again.v.RetryAfter)
			}
		}
		done(t, r.Complete(t.Context(), &Answer{Status: 200}))
		if v := d.try(far, a).v; v.Answer == nil {
			t.Errorf("got %+v", v)
		}
		if c.Reserved() != 0 {
			t.Error("the reservation is still held")
		}
	})
}

// TestRestart: what a process left on a store that is its own is unknown at
// once, on one that others use when its lease is over.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			if !shared {
				d.store = d.memory
			}
			gate := &gate{Store: d.store}
			before := d.process(1)
			before.Store = gate
			d.try(before, attempt{key: "k", body: "5"}).reserved(t)
			gate.fail(errors.New("killed"))
			want := condition.IdempotencyOutcomeUnknown
			if shared {
				want = condition.IdempotencyInProgress
			}
			d.try(d.process(2), attempt{key: "k", body: "5"}).want(t, want)
		})
	}
}

// TestSiblings: two Controllers of one process on its own store believe each other.
func TestSiblings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.store = d.memory
		c, sibling := d.process(1), d.process(1)
		sibling.state.running.self.controller = [8]byte{9}
		r := d.try(c, attempt{key: "k"}).reserved(t)
		d.try(sibling, attempt{key: "k"}).want(t, condition.IdempotencyInProgress)
		done(t, r.Release(t.Context()))
	})
}

// TestOneWinner: of many who find an unknown outcome, one works again.
func TestOneWinner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		a := attempt{operation: "POST /again", key: "k", body: "5"}
		first := d.try(d.process(1), a)
		done(t, first.reserved(t).Unknown(t.Context()))
		results := make([]result, 32)
		var all sync.WaitGroup
		for i := range results {
			c := d.process(byte(10 + i))
			all.Go(func() { results[i] = d.try(c, a) })
		}
		all.Wait()
		winners := 0
		for _, r := range results {
			if r.Reservation == nil {
				r.want(t, condition.IdempotencyInProgress)
				continue
			}
			winners++
			if r.v.repeat || !r.Doubtful() {
				t.Error("the winner is taken for a repetition, or for the first")
			}
			done(t, r.Release(t.Context())) // this time it was not sent
		}
		if winners != 1 {
			t.Fatalf("%d work", winners)
		}
		d.try(d.process(1), attempt{operation: "POST /again", key: "k", body: "6"}).want(t, condition.IdempotencyMismatch)
		done(t, d.try(d.process(1), a).reserved(t).Release(t.Context()))
	})
}

// TestReconcile: one caller asks, and what it hears is kept under the first
// call's request id.
func TestReconcile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.process(1)
		a := attempt{operation: "POST /ask", key: "k", body: "5", id: "one"}
		done(t, d.try(c, a).reserved(t).Unknown(t.Context()))
		a.id = "two"
		for range 2 { // nobody can tell, twice
			r := d.try(c, a).reserved(t)
			if id, ask := r.Reconcile(); id != "one" || !ask {
				t.Fatalf("asks %v about %q", ask, id)
			}
			d.try(c, a).want(t, condition.IdempotencyInProgress)
			done(t, r.Unknown(t.Context()))
		}
		done(t, d.try(c, a).reserved(t).Complete(t.Context(), &Answer{Status: 200, Body: []byte("it was done")}))
		if v := d.try(c, a).v; v.Answer == nil || v.Answer.RequestID != "one" || string(v.Answer.Body) != "it was done" {
			t.Errorf("got %+v", v.Answer)
		}

		a.key, a.id = "never", "one"
		done(t, d.try(c, a).reserved(t).Unknown(t.Context()))
		a.id = "two"
		r := d.try(c, a).reserved(t)
		r.Begin("two")
		if _, ask := r.Reconcile(); ask || r.Doubtful() {
			t.Error("it is still in doubt")
		}
		done(t, r.Complete(t.Context(), &Answer{Status: 200}))
		if v := d.try(c, a).v; v.Answer == nil || v.Answer.RequestID != "two" {
			t.Errorf("got %+v", v.Answer)
		}
	})
}

// TestScope: a key counts for an account, an environment, a method and a path.
func TestScope(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.process(1)
	test, _, err := c.Keys().Create(t.Context(), NewKey{Account: "acct", Environment: "test"})
	done(t, err)
	base := attempt{key: "k", body: "5"}
	done(t, d.try(c, base).reserved(t).Complete(t.Context(), &Answer{Status: 200}))
	for name, a := range map[string]attempt{
		"account":     {key: "k", credential: d.other},
		"environment": {key: "k", credential: test},
		"method":      {key: "k", operation: "PATCH /pay"},
		"path":        {key: "k", operation: "POST /must"},
		"key":         {key: "K"},
		"public":      {key: "k", operation: "POST /open"},
	} {
		r := d.try(c, a)
		if r.Reservation == nil {
			t.Errorf("%s: %+v", name, r.v)
			continue
		}
		done(t, r.Release(t.Context()))
	}
	if v := d.try(c, attempt{key: `"k"`, body: "5"}).v; v.Answer == nil {
		t.Errorf("the quoted key is another: %+v", v)
	}
	// What a public operation's caller is known by keeps keys apart.
	for _, identity := range []string{"", "Bearer a", "Bearer b"} {
		call, p := d.attempt(attempt{key: "k", operation: "POST /open"})
		call.Operation, call.Identity = operation(t, c.Contract, "POST /open"), identity
		var v Verdict
		c.Admit(t.Context(), call, &v)
		if r, err := c.Reserve(t.Context(), call, &v, p); r == nil {
			t.Errorf("%q: %+v, %v", identity, v, err)
		}
	}
	seen := 0
	for r, err := range store.All(t.Context(), d.memory, idempotencyPrefix, 0) {
		done(t, err)
		rest := strings.TrimPrefix(r.Key, idempotencyPrefix)
		if tag, _, ok := strings.Cut(rest, "/"); ok && tag != "{acct}" && tag != "{%7Bother%7D}" {
			t.Errorf("key %q", r.Key)
		}
		if len(r.Key) > 200 || strings.Contains(r.Key, "Bearer") {
			t.Errorf("key %q", r.Key)
		}
		seen++
	}
	if seen != 9 {
		t.Errorf("%d records", seen)
	}
}

// TestIgnored: keys are not looked at where they promise nothing.
func TestIgnored(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.process(1)
	for _, o := range []string{"POST /never", "GET /pay"} {
		if v := d.try(c, attempt{operation: o, key: "\x00"}).v; !v.Admitted || v.Keyed {
			t.Errorf("%s: %+v", o, v)
		}
	}
	call, _ := d.attempt(attempt{operation: "POST /must"})
	call.Operation, call.IdempotencyKeys = operation(t, c.Contract, "POST /must"), nil
	var v Verdict
	c.Admit(t.Context(), call, &v)
	if v.Admitted || v.Condition != condition.ParameterMissing || len(v.Fields) != 1 || v.Fields[0].Path[0] != "Idempotency-Key" {
		t.Errorf("a required key that is missing: %+v", v)
	}
	call.Operation = operation(t, c.Contract, "POST /pay")
	c.Admit(t.Context(), call, &v)
	if !v.Admitted || v.Keyed || v.hold != "" {
		t.Errorf("no key: %+v", v)
	}
}
