//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

// second is an instant of a history.
func second(n float64) time.Time {
	return time.Unix(1_000_000, 0).Add(time.Duration(n * float64(time.Second)))
}

func did(c *call, at float64, nonce string, change ...func(*execution)) execution {
	e := execution{Account: "a", Path: c.path(), Key: c.key, Nonce: nonce, At: second(at).UnixNano(), Order: c.order}
	for _, f := range change {
		f(&e)
	}
	return e
}

func saw(c *call, at float64, s sort, nonce string, change ...func(*observation)) observation {
	o := observation{call: c, sort: s, nonce: nonce, mark: nonce, start: second(at - 0.01), end: second(at)}
	for _, f := range change {
		f(&o)
	}
	return o
}

func replay(o *observation)   { o.replayed = true }
func otherSaw(o *observation) { o.variant = 1 }
func otherDid(e *execution)   { e.Order.Variant = 1 }
func refusal(e *execution)    { e.Refused = true }
func marked(m string) func(*observation) {
	return func(o *observation) { o.mark = m }
}

// TestOracle: each way of breaking a promise is seen, and nothing else is.
func TestOracle(t *testing.T) {
	t.Parallel()
	once := &call{policy: reject, key: "k"}
	once.Answer = created
	lost := &call{policy: reject, key: "k"}
	lost.Answer, lost.Fault, lost.Faults = created, silent, 1
	more := &call{policy: reexecute, key: "k"}
	more.Answer = created
	asks := &call{policy: reconcile, key: "k"}
	asks.Answer = created
	long := &call{policy: reject, key: "k"}
	long.Answer = big
	two := &call{policy: reject, key: "k", other: 1}
	two.Answer = created
	for name, c := range map[string]struct {
		call    *call
		did     []execution
		saw     []observation
		trouble []span
		want    string // part of the one violation, "" for none
	}{
		"answered and replayed": {call: once, did: []execution{did(once, 1, "x")}, saw: []observation{saw(once, 2, answered, "x"), saw(once, 9, answered, "x", replay)}},
		"executed twice": {
			call: asks, did: []execution{did(asks, 1, "x"), did(asks, 2, "y")}, saw: []observation{saw(asks, 3, answered, "y")},
			trouble: []span{{second(1), second(2)}}, want: "executed 2 times",
		},
		"executed after its answer": {
			call: more, did: []execution{did(more, 1, "x"), did(more, 3, "y")}, saw: []observation{saw(more, 2, answered, "y")},
			trouble: []span{{second(1), second(2)}}, want: "executed 1s after",
		},
		"executed again with a reason":    {call: more, did: []execution{did(more, 1, "x"), did(more, 2, "y")}, saw: []observation{saw(more, 3, answered, "y")}, trouble: []span{{second(1.5), second(1.6)}}},
		"executed again without a reason": {call: more, did: []execution{did(more, 10, "x"), did(more, 12, "y")}, saw: []observation{saw(more, 13, answered, "y")}, trouble: []span{{second(1), second(2)}}, want: "without a reason"},
		"another answer later": {
			call: once, did: []execution{did(once, 1, "x")},
			saw: []observation{saw(once, 2, answered, "x"), saw(once, 9, answered, "x", replay, marked("another header"))}, want: "two final outcomes",
		},
		"unknown after its answer": {
			call: lost, did: []execution{did(lost, 1, "x")}, saw: []observation{saw(lost, 2, answered, "x"), saw(lost, 9, unknown, "")}, want: "two final outcomes",
		},
		"answered after it was unknown": {
			call: lost, did: []execution{did(lost, 1, "x")}, saw: []observation{saw(lost, 2, unknown, ""), saw(lost, 9, answered, "x", replay)}, want: "two final outcomes",
		},
		"unknown with a reason":    {call: lost, did: []execution{did(lost, 1, "x")}, saw: []observation{saw(lost, 2, unknown, "")}},
		"unknown without a reason": {call: once, did: []execution{did(once, 1, "x")}, saw: []observation{saw(once, 2, unknown, "")}, want: "nothing had gone wrong"},
		"never executed":           {call: once, saw: []observation{saw(once, 2, answered, "x")}, want: "never executed"},
		"somebody else's answer":   {call: once, did: []execution{did(once, 1, "x")}, saw: []observation{saw(once, 2, answered, "z")}, want: "the last execution is x"},
		"nobody asked":             {call: once, did: []execution{did(once, 1, "x"), did(&call{key: "stray"}, 1, "x")}, saw: []observation{saw(once, 2, answered, "x")}, want: "nobody asked for"},
		"stuck":                    {call: once, did: []execution{did(once, 1, "x")}, saw: []observation{saw(once, 2, exhausted, "")}, want: "no final answer"},
		"not the contract's":       {call: once, saw: []observation{saw(once, 2, strange, "")}, want: "does not allow"},
		"answered twice as if done just now": {
			call: once, did: []execution{did(once, 1, "x")}, saw: []observation{saw(once, 2, answered, "x"), saw(once, 2, answered, "x")}, want: "as if done just now",
		},
		"too long to keep":           {call: long, did: []execution{did(long, 1, "x")}, saw: []observation{saw(long, 2, answered, "x"), saw(long, 3, buried, "")}},
		"too long and replayed":      {call: long, did: []execution{did(long, 1, "x")}, saw: []observation{saw(long, 2, answered, "x"), saw(long, 3, answered, "x", replay)}, want: "longer than what is kept"},
		"short and not kept":         {call: once, did: []execution{did(once, 1, "x")}, saw: []observation{saw(once, 3, buried, "")}, want: "short enough"},
		"the other payload":          {call: two, did: []execution{did(two, 1, "x")}, saw: []observation{saw(two, 2, answered, "x"), saw(two, 2, mismatch, "", otherSaw)}},
		"the other payload's answer": {call: two, did: []execution{did(two, 1, "x", otherDid)}, saw: []observation{saw(two, 2, answered, "x")}, want: "payload 0 got the answer to payload 1"},
		"a mismatch without another": {call: once, did: []execution{did(once, 1, "x")}, saw: []observation{saw(once, 2, answered, "x"), saw(once, 2, mismatch, "")}, want: "the payload that was executed"},
		"refused, then the other": {
			call: two, did: []execution{did(two, 1, "r", refusal, otherDid), did(two, 2, "x")},
			saw: []observation{saw(two, 1.5, mismatch, ""), saw(two, 3, answered, "x"), saw(two, 4, mismatch, "", otherSaw)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{calls: []*call{c.call}, accounts: []string{"a"}, executions: c.did, seen: c.saw, trouble: c.trouble}
			found := h.judge().violations
			all := strings.Join(found, "\n")
			if c.want == "" && len(found) > 0 || !strings.Contains(all, c.want) {
				t.Errorf("want %q, found:\n%s", c.want, all)
			}
		})
	}
}

// TestDraw: the seed alone decides what is sent, and all of it is sent.
func TestDraw(t *testing.T) {
	t.Parallel()
	answers, faults, policies, shared := map[answer]int{}, map[fault]int{}, map[policy]int{}, map[string]int{}
	for n := range 2000 {
		a, b := draw(7, n), draw(7, n)
		if *a != *b {
			t.Fatalf("call %d is %v, and then %v", n, a, b)
		}
		answers[a.Answer]++
		faults[a.Fault]++
		policies[a.policy]++
		shared[a.key]++
		if shared[a.key] > 2 {
			t.Errorf("%d calls share %s", shared[a.key], a.key)
		}
	}
	if len(answers) != 6 || len(faults) != 5 || len(policies) != 3 {
		t.Errorf("drawn: %v, %v, %v", answers, faults, policies)
	}
	if a, b := draw(7, 1), draw(8, 1); *a == *b {
		t.Error("another seed makes the same call")
	}
}
