package contract_test

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
)

func TestAdvice(t *testing.T) {
	t.Parallel()
	const plans = "plans: {free: {quota: {credits: 10/month, scans: 5/day}, storage: 1GB, concurrency: 3}}\nbalances: {funds: {}}\n" +
		"auth: {schemes: [{in: header, name: Authorization, prefix: Bearer}]}\n"
	const keys = "idempotency: {header: Idempotency-Key, methods: [POST]}\n"
	codes := strings.Replace(goodContract, "rate_limited", "rate_limited, quota_exhausted, balance_insufficient", 1)
	for name, c := range map[string]struct {
		source string
		want   []string // beginnings
	}{
		"no operations": {codes + plans, nil},
		"all touched":   {codes + plans + keys + "operations:\n  POST /a: {charge: {credits: 1, scans: 1, funds: 1}, slot: true}\n  PUT /b: {stores: true}\n", nil},
		"untouched": {codes + plans + keys + "operations:\n  POST /a: {charge: {credits: 1}}\n", []string{
			"x.yaml:7: plan \"free\" limits the quota \"scans\", storage, concurrency, which no operation takes",
			"x.yaml:8: no operation takes the balance \"funds\"",
		}},
		"charged twice": {codes + plans + "operations:\n  POST /a: {charge: {credits: 1, scans: 1, funds: 1}, slot: true, stores: true}\n", []string{
			"x.yaml:11: operation POST /a is charged again when a lost answer makes a caller repeat it, add \"idempotency: {header: Idempotency-Key}\"",
		}},
		"method without keys": {
			codes + plans + keys + "operations:\n  PUT /a: {charge: {credits: 1, scans: 1, funds: 1}, slot: true, stores: true}\n",
			[]string{"x.yaml:12: operation PUT /a is charged again when a lost answer makes a caller repeat it, add PUT to idempotency.methods"},
		},
		"keys switched off": {
			codes + plans + keys + "operations:\n  POST /a: {charge: {credits: 1, scans: 1, funds: 1}, slot: true, stores: true, idempotency: off}\n",
			[]string{"x.yaml:12: operation POST /a is charged again when a lost answer makes a caller repeat it, leave"},
		},
		"told as something else": {
			goodContract + plans + keys + "operations:\n  POST /a: {charge: {credits: 1, scans: 1, funds: 1}, slot: true, stores: true}\n",
			[]string{
				"x.yaml:12: quota_exhausted, which operation POST /a can run into, is told as \"base\"",
				"x.yaml:12: balance_insufficient, which operation POST /a can run into, is told as \"base\"",
			},
		},
		"safe":    {codes + plans + "operations:\n  POST /a: {charge: {credits: 1, scans: 1, funds: 1}, slot: true, stores: true, safe: true}\n", nil},
		"reading": {codes + plans + "operations:\n  GET /a: {charge: {credits: 1, scans: 1, funds: 1}, slot: true, stores: true}\n", nil},
	} {
		parsed, err := contract.Parse("x.yaml", []byte(c.source))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := parsed.Advice()
		if len(got) != len(c.want) {
			t.Errorf("%s: %v", name, got)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i].String(), want) {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got[i], want)
			}
		}
	}
}
