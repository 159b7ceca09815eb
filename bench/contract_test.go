package main

import (
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
)

// The limits stand twice: in the contract that the gateway obeys, and in the
// modes, for nginx. A comparison of different limits would be none.
func TestContractHasTheLimitsOfTheModes(t *testing.T) {
	t.Parallel()
	c, err := contract.Parse("contract.yaml", benchContract)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"wide": neverReached, "narrow": soonReached}
	for _, plan := range c.Plans {
		if len(plan.Rates) != 1 || plan.Rates[0].Limit != want[plan.Name] || plan.Rates[0].Per != time.Second {
			t.Errorf("plan %s has the rates %+v, want %d per second", plan.Name, plan.Rates, want[plan.Name])
		}
		delete(want, plan.Name)
	}
	if len(want) != 0 {
		t.Errorf("the contract lacks the plans %v", want)
	}
	open := map[string]bool{}
	for _, operation := range c.Operations {
		open[operation.Path] = operation.Public
	}
	for _, m := range allModes() {
		if public, ok := open[m.path]; !ok || public != (m.name == "plain") {
			t.Errorf("mode %s calls %s, which the contract has %v, public %v", m.name, m.path, ok, public)
		}
	}
}
