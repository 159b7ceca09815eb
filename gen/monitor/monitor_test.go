package monitor_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen/monitor"
)

func get(t *testing.T, api string) *contract.Contract {
	t.Helper()
	c, err := builtin.Get(api)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// promtool runs the tool of Prometheus in a folder of files.
func promtool(t *testing.T, files map[string][]byte, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Record, Alert, Expr string
			Annotations         map[string]string
		}
	}
}

func rulesOf(t *testing.T, c *contract.Contract) (file []byte, parsed rules) {
	t.Helper()
	files, err := monitor.Rules(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(files[0].Data, &parsed); err != nil {
		t.Fatal(err)
	}
	return files[0].Data, parsed
}

// Rules of all contracts are what Prometheus takes, and each code that callers
// cannot mend is watched.
func TestRules(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	args := []string{"check", "rules", "--lint=all", "--lint-fatal"}
	for _, api := range builtin.Names() {
		c := get(t, api)
		file, parsed := rulesOf(t, c)
		files[api+".yaml"] = file
		args = append(args, api+".yaml")
		for _, code := range c.Codes {
			watched := strings.Contains(string(file), fmt.Sprintf("{code=%q}", code.Name))
			if fault := c.Explain(code).Fault; watched != (fault == "server" || fault == "upstream") {
				t.Errorf("%s: %s, the %s's, is watched: %v", api, code.Name, fault, watched)
			}
		}
		names := map[string]bool{}
		for _, g := range parsed.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" && (names[r.Alert] || r.Annotations["summary"] == "" || r.Annotations["description"] == "") {
					t.Errorf("%s: alert %s is there twice or says nothing", api, r.Alert)
				}
				names[r.Alert] = true
			}
		}
		if names["FailwellRateLimited"] != (len(c.Plans) > 0) {
			t.Errorf("%s has plans: %v, and alerts %v", api, len(c.Plans) > 0, names)
		}
	}
	if out, err := promtool(t, files, args...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Alerts fire when they should, and not before.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	file, _ := rulesOf(t, get(t, "hebbrix"))
	cases := `
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'failwell_requests_total{operation="search",status="2xx",code=""}', values: '0+97x30'}
      - {series: 'failwell_requests_total{operation="search",status="5xx",code="internal_error"}', values: '0+3x30'}
      - {series: 'failwell_decisions_total{condition="admitted"}', values: '0+70x30'}
      - {series: 'failwell_decisions_total{condition="rate_limited"}', values: '0+30x30'}
      - {series: 'failwell_decisions_total{condition="key_expired"}', values: '0+1x30'}
      - {series: 'failwell_upstreams{state="healthy"}', values: '1+0x30'}
      - {series: 'failwell_degraded{part="limits"}', values: '0x10 1x20'}
    alert_rule_test:
      - {alertname: FailwellErrors, eval_time: 3m, exp_alerts: []}
      - eval_time: 10m
        alertname: FailwellErrors
        exp_alerts:
          - exp_labels: {api: hebbrix, severity: page}
            exp_annotations:
              summary: 3% of the calls to Hebbrix fail on the server's side
              description: See which codes lead in failwell:codes:rate5m, then failwell log --status 5xx.
      - eval_time: 20m
        alertname: FailwellRateLimited
        exp_alerts:
          - exp_labels: {api: hebbrix, severity: ticket}
            exp_annotations:
              summary: 29.7% of the calls to Hebbrix are above their rate
              description: "Look at the accounts concerned with failwell log: a client in a loop, or a plan that is too small."
      - {alertname: FailwellKeysRefused, eval_time: 25m, exp_alerts: []}
      - {alertname: FailwellNoUpstream, eval_time: 25m, exp_alerts: []}
      - {alertname: FailwellDegraded, eval_time: 9m, exp_alerts: []}
      - eval_time: 15m
        alertname: FailwellDegraded
        exp_alerts:
          - exp_labels: {api: hebbrix, severity: page, part: limits}
            exp_annotations:
              summary: The gateway of Hebbrix goes on without its store (limits)
              description: Limits follow their policy for a store that is away, and known keys are served for stale_keys. Bring the store back.
      - eval_time: 20m
        alertname: FailwellCodeInternalError
        exp_alerts:
          - exp_labels: {api: hebbrix, severity: ticket}
            exp_annotations:
              summary: 3% of the calls are answered with internal_error
              description: SAID
`
	c := get(t, "hebbrix")
	x := c.Explain(c.MustCode("internal_error"))
	said, err := json.Marshal(x.Meaning + " " + x.Cause)
	if err != nil {
		t.Fatal(err)
	}
	cases = strings.Replace(cases, "SAID", string(said), 1)
	if out, err := promtool(t, map[string][]byte{"rules.yaml": file, "cases.yaml": []byte(cases)}, "test", "rules", "cases.yaml"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Words of a contract are no templates of Prometheus.
func TestHostileWords(t *testing.T) {
	t.Parallel()
	c, err := contract.Parse("c.yaml", []byte(`failwell: 1
api: shop
envelopes: {standard: {body: {code: $code}}}
errors:
  'a"b\{{ query "up" }}': {status: 500, is: [internal, unavailable, rate_limited, permission_denied, key_unknown, request_malformed, resource_missing], meaning: "{{ .Labels }} | <b>", cause: "{{", remedy: "$x | }}"}
`))
	if err != nil {
		t.Fatal(err)
	}
	file, _ := rulesOf(t, c)
	if out, err := promtool(t, map[string][]byte{"r.yaml": file}, "check", "rules", "r.yaml"); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, file)
	}
}

type dashboard struct {
	Title  string `json:"title"`
	Panels []struct {
		ID      int    `json:"id"`
		Type    string `json:"type"`
		Title   string `json:"title"`
		GridPos struct {
			X int `json:"x"`
			Y int `json:"y"`
			W int `json:"w"`
			H int `json:"h"`
		} `json:"gridPos"`
		Targets []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

func dashboardOf(t *testing.T, c *contract.Contract) (d dashboard) {
	t.Helper()
	files, err := monitor.Dashboard(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(files[0].Data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// expressions of a dashboard, with what Grafana fills in.
func (d *dashboard) expressions() (out []string) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			out = append(out, strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr))
		}
	}
	return out
}

// Panels do not overlap, and their expressions are PromQL.
func TestDashboard(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	args := []string{"check", "rules"}
	for _, api := range builtin.Names() {
		d := dashboardOf(t, get(t, api))
		taken, ids := map[[2]int]string{}, []int{}
		for _, p := range d.Panels {
			if slices.Contains(ids, p.ID) || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %+v", api, p)
			}
			ids = append(ids, p.ID)
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					if other := taken[at]; other != "" {
						t.Fatalf("%s: %s lies on %s", api, p.Title, other)
					}
					taken[at] = p.Title
				}
			}
		}
		var b strings.Builder
		b.WriteString("groups:\n- name: x\n  rules:\n")
		for i, expr := range d.expressions() {
			text, err := json.Marshal(expr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "  - {record: 'x:y:z%d', expr: %s}\n", i, text)
		}
		files[api+".yaml"] = []byte(b.String())
		args = append(args, api+".yaml")
	}
	if out, err := promtool(t, files, args...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
