// Package monitor makes what watches a gateway, from the contract that it obeys:
// recording and alert rules for Prometheus, and a dashboard for Grafana. Metrics
// are those of the gateway's /metrics; what a contract does not have (limits,
// idempotency, several codes) is neither watched nor drawn.
package monitor

import (
	"slices"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// features are the parts of a contract that can be watched.
type features struct {
	keys, rates, quotas, balances, idempotency bool
}

func featuresOf(c *contract.Contract) features {
	f := features{
		keys: len(c.Auth.Schemes) > 0, balances: len(c.Balances) > 0, idempotency: c.Idempotency.Header != "",
		rates: slices.ContainsFunc(c.Operations, func(o *contract.Operation) bool { return len(o.Rates) > 0 }),
	}
	for _, p := range c.Plans {
		f.rates = f.rates || len(p.Rates) > 0
		f.quotas = f.quotas || len(p.Quotas) > 0
	}
	return f
}

// serverCodes are the codes that tell of a failure which callers cannot mend.
func serverCodes(c *contract.Contract) (out []contract.Explanation) {
	for _, code := range c.Codes {
		if x := c.Explain(code); x.Fault == condition.FaultServer || x.Fault == condition.FaultUpstream {
			out = append(out, x)
		}
	}
	return out
}
