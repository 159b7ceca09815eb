package condition_test

import (
	"slices"
	"testing"

	"github.com/failwell/failwell/contract/condition"
)

func TestEachIsAll(t *testing.T) {
	t.Parallel()
	var want []condition.Condition
	for _, e := range condition.All() {
		want = append(want, e.Condition)
	}
	if got := slices.Collect[condition.Condition](condition.Each); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for c := range condition.Each {
		if c != want[0] {
			t.Errorf("began with %s, want %s", c, want[0])
		}
		break
	}
}
