package admission

import (
	"testing"

	"github.com/failwell/failwell/store"
)

// BenchmarkAdmit is whole decisions, in turn over a thousand keys.
func BenchmarkAdmit(b *testing.B) {
	c := &Controller{Contract: parseContract(b, routes), Store: &store.Memory{}}
	wide := &c.Contract.Plans[0].Rates[0]
	wide.Limit, wide.Burst = 1e9, 1e9
	secrets := make([]string, 1000)
	for i := range secrets {
		var err error
		if secrets[i], _, err = c.Keys().Create(b.Context(), NewKey{Account: "acct"}); err != nil {
			b.Fatal(err)
		}
	}
	guess, err := Mint(c.Contract.Auth.Key, "live", c.random())
	if err != nil {
		b.Fatal(err)
	}
	for name, credential := range map[string]func(i int) string{
		"key":     func(i int) string { return secrets[i%len(secrets)] },
		"refused": func(int) string { return secrets[0] },
		"missing": func(int) string { return "" },
		"typo":    func(int) string { return "acme_typo" },
		"guess":   func(int) string { return guess },
	} {
		b.Run(name, func(b *testing.B) {
			call := Call{Operation: operation(b, c.Contract, "GET /items"), Source: "192.0.2.1"}
			if name == "refused" {
				call.Operation = operation(b, c.Contract, "POST /slow")
			}
			var v Verdict
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				call.Credential = credential(i)
				c.Admit(b.Context(), &call, &v)
				i++
			}
		})
	}
}
