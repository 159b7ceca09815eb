package admission

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

func TestReadKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 255)
	for _, tc := range []struct {
		values []string
		key    string
	}{
		{[]string{"abc"}, "abc"},
		{[]string{" abc\t"}, "abc"},
		{[]string{`"abc"`}, "abc"},
		{[]string{`"a\"b\\c"`}, `a"b\c`},
		{[]string{`a"b`}, `a"b`},
		{[]string{"abc", `"abc"`}, "abc"},
		{[]string{long}, long},
		{[]string{`"` + long + `"`}, long},
		{[]string{""}, ""},
		{[]string{`""`}, ""},
		{[]string{`"`}, ""},
		{[]string{`"\"`}, ""},
		{[]string{`"abc`}, ""},
		{[]string{`"a"b"`}, ""},
		{[]string{`"abc";x=1`}, ""},
		{[]string{`"a\bc"`}, ""},
		{[]string{`"a\\"c"`}, ""},
		{[]string{long + "x"}, ""},
		{[]string{"a b"}, ""},
		{[]string{`"a b"`}, ""},
		{[]string{"a\x00b"}, ""},
		{[]string{"a\x7f"}, ""},
		{[]string{"é"}, ""},
		{[]string{"abc", "abd"}, ""},
		{[]string{"abc", ""}, ""},
	} {
		key, problem := readKey(tc.values)
		if key != tc.key || (problem == "") != (tc.key != "") {
			t.Errorf("%q: got %q, problem %q", tc.values, key, problem)
		}
	}
	d := newDesk(t)
	v := d.try(d.process(1), attempt{key: "a b"}).v
	want := []contract.FieldError{{In: "header", Path: []string{"Idempotency-Key"}, Message: "has other characters than visible ASCII", Code: "string_pattern_mismatch"}}
	if v.Admitted || v.Condition != condition.ParameterInvalid || cmp.Diff(want, v.Fields) != "" {
		t.Errorf("got %+v", v)
	}
}
