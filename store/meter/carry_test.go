package meter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCountedGoesThereAndBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Allowance, Balance, Capacity} {
		want := Counted{Kind: kind, End: 5000, Used: -7, Holds: []Held{{"a", 1, []uint64{7, 8}, false, 300, 40}, {"b", 5, nil, false, 600, 70}, {"c", 9, nil, true, 600, 70}}}
		state := want.State()
		parsed, rest, err := ParseState(state.Append(nil))
		if err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		if got, ok := parsed.Counted(); !ok || !cmp.Equal(got, want) {
			t.Errorf("kind %d: %s", kind, cmp.Diff(want, got))
		}
	}
	for _, kind := range []Kind{Rate, Slots} {
		state := State{kind: kind, known: true, counter: &counter{}}
		if _, ok := state.Counted(); ok {
			t.Errorf("kind %d is carried", kind)
		}
	}
}

func TestSettledAccountsForWhatHasEnded(t *testing.T) {
	t.Parallel()
	holds := []Held{{"ended", 3, []uint64{1}, false, 100, 50}, {"runs", 4, nil, true, 101, 50}}
	for name, c := range map[string]struct {
		given, want Counted
		ok          bool
	}{
		"allowance":           {Counted{Kind: Allowance, End: 500, Used: 1, Holds: holds}, Counted{Kind: Allowance, End: 500, Used: 4, Holds: holds[1:]}, true},
		"allowance is over":   {Counted{Kind: Allowance, End: 100, Used: 1, Holds: holds}, Counted{Kind: Allowance, Holds: []Held{{"runs", 0, nil, true, 101, 50}}}, true},
		"allowance untouched": {Counted{Kind: Allowance, End: 100, Used: 1}, Counted{Kind: Allowance}, false},
		"balance":             {Counted{Kind: Balance, Used: -9, Holds: holds}, Counted{Kind: Balance, Used: -6, Holds: holds[1:]}, true},
		"storage":             {Counted{Kind: Capacity, Used: 9, Holds: holds}, Counted{Kind: Capacity, Used: 9, Holds: holds[1:]}, true},
	} {
		got, ok := c.given.Settled(100)
		if ok != c.ok || !cmp.Equal(got, c.want) {
			t.Errorf("%s: %v %s", name, ok, cmp.Diff(c.want, got))
		}
	}
}
