package builtin_test

import (
	"testing"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

func get(t testing.TB, name string) *contract.Contract {
	t.Helper()
	c, err := builtin.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
