package meter

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var compareStates = cmp.AllowUnexported(State{}, cell{}, queue{}, appointment{}, counter{}, hold{}, pace{})

// FuzzState: bytes are refused or are a state, which makes bytes that say the same.
func FuzzState(f *testing.F) {
	at := At(newFakeClock().Now())
	x := Taking{Hold: "call", Claim: 1, Lease: time.Minute, Keep: time.Hour}
	rules := []Rule{{Limit: 2, Per: time.Minute}, {Kind: Window, Limit: 2, Per: time.Minute}, {Kind: Allowance, Limit: 9}, {Kind: Slots, Limit: 3}}
	for i := range rules {
		x.Demands = append(x.Demands, Demand{Rule: &rules[i], Cost: 1})
	}
	x.Outcomes = make([]Outcome, len(rules))
	states := make([]State, len(rules))
	for i := range 8 {
		x.Caller, x.Hold, x.Claim = uint32(i), string(rune('a'+i/2)), uint64(i+1)
		x.Decide(states, at)
		for j := range states {
			f.Add(states[j].Append(nil))
		}
	}
	f.Add([]byte{})
	f.Add([]byte{2, 0, 0, 255, 255, 255, 255, 15})
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, rest, err := ParseState(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, after, err := ParseState(append(s.Append(nil), rest...))
		if err != nil || !slices.Equal(after, rest) {
			t.Fatalf("%v, followed by %x, then by %x", err, rest, after)
		}
		if diff := cmp.Diff(s, again, compareStates); diff != "" {
			t.Fatal(diff)
		}
		for i := range rules { // whatever it says, it can be decided on
			rule := &rules[i]
			x := Taking{Hold: "a", Claim: 1, Lease: 1, Keep: 1, Demands: []Demand{{Rule: rule, Cost: 1}}, Outcomes: make([]Outcome, 1)}
			states := []State{s}
			for range 3 {
				x.Decide(states, at)
				if o := x.Outcomes[0]; o.Remaining < 0 || o.RetryAfter < 0 {
					t.Fatalf("%+v", o)
				}
			}
			s = states[0]
		}
	})
}

// TestStateIsCompact: what a ledger keeps of an account is small.
func TestStateIsCompact(t *testing.T) {
	t.Parallel()
	at := At(time.Now())
	states := make([]State, 2)
	x := Taking{Hold: "req_0123456789abcdef", Claim: MaxUnits, Lease: time.Minute, Keep: time.Hour, Outcomes: make([]Outcome, 2), Demands: []Demand{
		{Rule: &Rule{Limit: 1000, Per: time.Minute}, Cost: 1}, {Rule: &Rule{Kind: Allowance, Limit: 1e6}, Cost: 1},
	}}
	x.Decide(states, at)
	if rate, held := len(states[0].Append(nil)), len(states[1].Append(nil)); rate > 12 || held > 60 {
		t.Errorf("%d bytes for a rate, %d for an allowance with a hold", rate, held)
	}
}

// TestStateEnds: a state ends when it says no more than the zero State, and then
// decides as that does.
func TestStateEnds(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	for _, c := range []struct {
		rule   Rule
		hold   string
		calls  int
		ends   time.Duration
		mortal bool
	}{
		{Rule{Limit: 6, Per: time.Minute}, "", 2, 20 * time.Second, true},
		{Rule{Limit: 1, Per: time.Minute}, "", 2, 61 * time.Second, true}, // the second has an appointment
		{Rule{Kind: Window, Limit: 6, Per: time.Minute}, "", 2, time.Minute, true},
		{Rule{Kind: Allowance, Limit: 6, Period: Day}, "", 1, 12 * time.Hour, true},
		{Rule{Kind: Allowance, Limit: 6, Period: Day}, "call", 1, 24 * time.Hour, true},
		{Rule{Kind: Capacity, Limit: 6}, "call", 1, time.Hour, true},
		{Rule{Kind: Capacity, Limit: 6}, "", 1, 0, false},
		{Rule{Kind: Slots, Limit: 6}, "call", 1, time.Hour, true},
		{Rule{Kind: Slots, Limit: 6}, "call", 0, 0, true},
	} {
		at := At(clock.Now())
		states := make([]State, 1)
		x := Taking{Hold: c.hold, Claim: 1, Lease: time.Hour, Keep: 24 * time.Hour, Demands: []Demand{{Rule: &c.rule, Cost: 1}}, Outcomes: make([]Outcome, 1)}
		for range c.calls {
			x.Decide(states, at)
		}
		ends, ok := states[0].Ends(at)
		if ok != c.mortal || ok && max(ends, at.Now) != at.Now+Micros(c.ends.Microseconds()) {
			t.Errorf("%+v: ends after %d µs, %v; want %v, %v", c.rule, ends-at.Now, ok, c.ends, c.mortal)
		}
		if states[0].Idle(at) != (c.calls == 0) {
			t.Errorf("%+v: idle is %v", c.rule, states[0].Idle(at))
		}
	}
}

func TestRuleSurvivesExtremes(t *testing.T) {
	t.Parallel()
	at := At(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, r := range map[string]Rule{
		"huge burst":   {Limit: 1, Per: 100 * 365 * 24 * time.Hour, Burst: 1e12},
		"huger burst":  {Limit: 1, Per: time.Hour, Burst: math.MaxInt64},
		"huge limit":   {Limit: 1e12, Per: time.Millisecond},
		"huge window":  {Limit: 1e12, Per: 100 * 365 * 24 * time.Hour, Kind: Window},
		"huger window": {Limit: math.MaxInt64, Per: math.MaxInt64, Kind: Window},
		"zero":         {},
		"zero window":  {Kind: Window},
	} {
		states := make([]State, 1)
		x := Taking{Demands: []Demand{{Rule: &r, Cost: 1}}, Outcomes: make([]Outcome, 1)}
		o := &x.Outcomes[0]
		if x.Decide(states, at); !x.Admitted || o.Remaining < 0 || o.Reset.Before(at.tell(at.Now)) {
			t.Errorf("%s: %+v", name, *o)
		}
		for caller := range uint32(40) {
			x.Caller, x.Demands[0].Cost = caller, max(o.Remaining+1, 1)
			x.Decide(states, at)
			if o.RetryAfter < 0 || o.Remaining < 0 || x.Admitted {
				t.Errorf("%s: more than remains: %+v", name, *o)
			}
		}
		x.Demands[0].Cost = MaxUnits
		if x.Decide(states, at); o.RetryAfter < 0 || o.Remaining < 0 {
			t.Errorf("%s: all units: %+v", name, *o)
		}
	}
}

// TestSpend: a rate of one number decides as any other, without appointments.
func TestSpend(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	rule := &Rule{Limit: 3, Per: time.Minute}
	full := Micros(0)
	for i := range 5 {
		next, o := rule.Spend(full, 1, At(clock.Now()))
		if o.Refused != (i >= 3) || o.Remaining != max(int64(2-i), 0) {
			t.Fatalf("call %d: %+v", i, o)
		}
		if o.Refused {
			if o.RetryAfter != 20*time.Second {
				t.Fatalf("to wait %v", o.RetryAfter)
			}
			clock.Advance(o.RetryAfter)
			if next, o = rule.Spend(full, 1, At(clock.Now())); o.Refused {
				t.Fatalf("refused after the wait: %+v", o)
			}
		}
		full = next
	}
}
