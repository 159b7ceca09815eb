package admission

import (
	"fmt"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract/condition"
)

func TestTooManyValues(t *testing.T) {
	t.Parallel()
	list := func(n int) string { return "[" + strings.Repeat("1,", n-1) + "1]" }
	var object strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&object, `"%d": ["a,[{"], `, i)
	}
	for name, c := range map[string]struct {
		body string
		want bool
	}{
		"small":             {`{"a": [1, 2]}`, false},
		"as many as may be": {list(maxValues), false},
		"one more":          {list(maxValues + 1), true},
		"nested":            {strings.Repeat("[", 60_000) + list(50_000) + strings.Repeat("]", 60_000), true},
		"empty lists":       {"[" + strings.Repeat("[ ], ", maxValues-1) + "{}]", false},
		"in strings":        {`["` + strings.Repeat(`\",[{`, maxValues) + `"]`, false},
		"members and items": {"{" + object.String() + `"x": 1}`, true},
		"long blanks":       {"[1" + strings.Repeat(" ", 3*maxValues) + ", 2]", false},
	} {
		if got := tooMany([]byte(c.body)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestBodiesWithTooManyValuesAreRefusedUnread(t *testing.T) {
	c, v := newValidator(t, bodies)
	body := []byte("[" + strings.Repeat(`"a",`, maxValues) + `"a"]`)
	o := operation(t, c, "POST /list")
	of, found := v.Validate(o, body)
	if of != condition.FormatInvalid || len(found) != 1 || found[0].Code != "too_many_values" || found[0].Message != "holds more than 100000 values" {
		t.Errorf("got %s %v", of, found)
	}
	if n := testing.AllocsPerRun(3, func() { v.Validate(o, body) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
}
