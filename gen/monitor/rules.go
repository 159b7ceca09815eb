package monitor

import (
	"cmp"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/gen"
)

// file is a file of rules as Prometheus reads it.
type file struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// Severities of alerts: somebody is called, or finds it the next morning.
const (
	page   = "page"
	ticket = "ticket"
)

// Rules makes a file of recording and alert rules. Alerts carry the labels api and
// severity (page or ticket); those of a code link to its documentation where
// the contract has a link.
func Rules(c *contract.Contract) ([]gen.File, error) {
	b := &rulebook{contract: c, features: featuresOf(c)}
	f := file{[]group{{"failwell_" + c.API + "_recorded", recorded()}, {"failwell_" + c.API, b.alerts()}}}
	if codes := b.codes(); len(codes) > 0 {
		f.Groups = append(f.Groups, group{"failwell_" + c.API + "_codes", codes})
	}
	text, err := yaml.Dump(f, yaml.WithV3Defaults(), yaml.WithIndent(2), yaml.WithLineWidth(1<<20))
	if err != nil {
		return nil, fmt.Errorf("yaml: %w", err)
	}
	head := "# Rules for the gateway of " + c.API + ", made by failwell generate rules from its contract.\n"
	return []gen.File{{Name: c.API + ".rules.yaml", Data: append([]byte(head), text...)}}, nil
}

func recorded() []rule {
	return []rule{
		{Record: "failwell:requests:rate5m", Expr: `sum by (operation, status) (rate(failwell_requests_total[5m]))`},
		{Record: "failwell:codes:rate5m", Expr: `sum by (code) (rate(failwell_requests_total{code!=""}[5m]))`},
		{Record: "failwell:errors:ratio5m", Expr: `sum(rate(failwell_requests_total{status="5xx"}[5m])) / sum(rate(failwell_requests_total[5m]))`},
		{Record: "failwell:refusals:ratio5m", Expr: `sum by (condition) (rate(failwell_decisions_total{condition!="admitted"}[5m])) / ignoring (condition) group_left sum(rate(failwell_decisions_total[5m]))`},
		{Record: "failwell:request_seconds:p50_5m", Expr: `histogram_quantile(0.5, sum by (le) (rate(failwell_request_seconds_bucket[5m])))`},
		{Record: "failwell:request_seconds:p99_5m", Expr: `histogram_quantile(0.99, sum by (le) (rate(failwell_request_seconds_bucket[5m])))`},
		{Record: "failwell:decision_seconds:p99_5m", Expr: `histogram_quantile(0.99, sum by (le) (rate(failwell_decision_seconds_bucket[5m])))`},
	}
}

type rulebook struct {
	contract *contract.Contract
	features features
}

// alert is one that calls somebody or leaves a note.
func (b *rulebook) alert(name, severity, wait, expr, summary, action string) rule {
	return rule{
		Alert: name, Expr: expr, For: wait, Labels: map[string]string{"api": b.contract.API, "severity": severity},
		Annotations: map[string]string{"summary": summary, "description": action},
	}
}

// Shares and times of alerts. A rate of 1 % of failures sustained for five
// minutes is past what retries of well-behaved clients hide; the rest are
// thresholds at which a person should look, and meant to be adapted.
func (b *rulebook) alerts() []rule {
	api := cmp.Or(b.contract.Title, b.contract.API)
	out := []rule{
		b.alert("FailwellErrors", page, "5m", `failwell:errors:ratio5m > 0.01`,
			"{{ $value | humanizePercentage }} of the calls to "+api+" fail on the server's side",
			"See which codes lead in failwell:codes:rate5m, then failwell log --status 5xx."),
		b.alert("FailwellNoUpstream", page, "1m", `failwell_upstreams{state="healthy"} == 0`,
			"No service behind the gateway of "+api+" is healthy", "Every call is answered with an error of the gateway. Look at the services."),
		b.alert("FailwellUpstreamEjected", ticket, "10m", `failwell_upstreams{state="ejected"} > 0`,
			"{{ $value }} of the services behind "+api+" get no requests", "They failed and were taken out; failwell_upstreams counts them."),
		b.alert("FailwellDegraded", page, "2m", `failwell_degraded == 1`,
			"The gateway of "+api+" goes on without its store ({{ $labels.part }})",
			"Limits follow their policy for a store that is away, and known keys are served for stale_keys. Bring the store back."),
		b.alert("FailwellStoreErrors", ticket, "10m", `rate(failwell_store_errors_total[5m]) > 0.1`,
			"The store of "+api+" leaves {{ $value | humanize }} questions a second without an answer", "Look at its load and at the network between."),
		b.alert("FailwellDecisionsSlow", ticket, "10m", `failwell:decision_seconds:p99_5m > 0.02`,
			"One call in a hundred to "+api+" waits {{ $value | humanizeDuration }} for its decision", "A store over a network is asked for too long; leased limits ask it less."),
		b.alert("FailwellCallersLeave", ticket, "10m", `sum(rate(failwell_requests_total{status="gone"}[5m])) / sum(rate(failwell_requests_total[5m])) > 0.05`,
			"{{ $value | humanizePercentage }} of the callers of "+api+" leave before their answer", "Answers take longer than callers wait."),
	}
	refused := func(name, share, conditions, summary, action string) {
		out = append(out, b.alert(name, ticket, "15m", fmt.Sprintf(`sum(failwell:refusals:ratio5m{condition=~%q}) > %s`, conditions, share), summary, action))
	}
	if b.features.keys {
		refused("FailwellKeysRefused", "0.2", "key_.*", "{{ $value | humanizePercentage }} of the calls to "+api+" come with keys that do not work",
			"A key in use has expired or was revoked, or somebody guesses. failwell log --status 401 shows which.")
	}
	if b.features.rates {
		refused("FailwellRateLimited", "0.2", string(condition.RateLimited), "{{ $value | humanizePercentage }} of the calls to "+api+" are above their rate",
			"Look at the accounts concerned with failwell log: a client in a loop, or a plan that is too small.")
	}
	if b.features.quotas || b.features.balances {
		refused("FailwellAllowanceGone", "0.05", string(condition.QuotaExhausted)+"|"+string(condition.BalanceInsufficient),
			"{{ $value | humanizePercentage }} of the calls to "+api+" meet a used-up quota or balance", "Tell the accounts concerned, or raise their plan.")
	}
	return out
}

// codes are alerts of single codes that callers cannot mend. The names of the
// contract's entries are those of the label.
func (b *rulebook) codes() (out []rule) {
	for _, x := range serverCodes(b.contract) {
		r := b.alert("FailwellCode"+gen.Pascal(x.Name), ticket, "10m",
			fmt.Sprintf(`sum(rate(failwell_requests_total{code=%q}[5m])) / sum(rate(failwell_requests_total[5m])) > 0.01`, x.Name),
			"{{ $value | humanizePercentage }} of the calls are answered with "+literal(cmp.Or(x.Code, x.Name)),
			literal(strings.TrimSpace(x.Meaning+" "+x.Cause)))
		if strings.HasPrefix(x.DocURL, "https://") || strings.HasPrefix(x.DocURL, "http://") {
			r.Annotations["runbook_url"] = literal(x.DocURL)
		}
		out = append(out, r)
	}
	return out
}

// literal keeps words of a contract from being read as a template.
func literal(s string) string {
	return strings.ReplaceAll(s, "{{", `{{ "{{" }}`)
}
