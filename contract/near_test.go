package contract_test

import (
	"testing"

	"github.com/failwell/failwell/contract"
)

func TestTheNearestNameIsWrittenAlike(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"RATE_LIMIT_EXCEEDED", "rate_limit_exceeded"}, {"rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"}} {
		if got, want := contract.DidYouMean("rate_limit_exceded", names), `did you mean "rate_limit_exceeded"?`; got != want {
			t.Errorf("%s of %v, want %s", got, names, want)
		}
	}
	if got, want := contract.DidYouMean("other", []string{"b", "a"}), "known are a, b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
