package monitor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

// Dashboard makes a dashboard in Grafana's JSON, to be imported or provisioned.
// It asks for a data source of type Prometheus and works without the recording
// rules.
func Dashboard(c *contract.Contract) ([]gen.File, error) {
	d := &board{contract: c}
	d.draw()
	title := cmp.Or(c.Title, c.API) + ": calls and failures"
	text, err := json.MarshalIndent(map[string]any{
		"uid": "failwell-" + c.API, "title": title, "tags": []string{"failwell", c.API}, "schemaVersion": 39, "version": 1, "editable": true,
		"timezone": "browser", "refresh": "30s", "time": map[string]string{"from": "now-3h", "to": "now"}, "panels": d.panels, "graphTooltip": 1,
		"templating": map[string]any{"list": []any{
			map[string]any{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
			map[string]any{
				"name": "instance", "label": "Gateway", "type": "query", "datasource": source(), "query": "label_values(failwell_requests_in_flight, instance)",
				"includeAll": true, "multi": true, "allValue": ".*", "refresh": 2, "current": map[string]any{"text": "All", "value": "$__all"},
			},
		}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	return []gen.File{{Name: c.API + ".dashboard.json", Data: append(text, '\n')}}, nil
}

func source() map[string]string { return map[string]string{"type": "prometheus", "uid": "${source}"} }

// board places panels from left to right, in rows of 24 units.
type board struct {
	contract *contract.Contract
	panels   []map[string]any
	x, y     int
	height   int
}

// query is an expression and what its series are called.
type query struct{ expr, legend string }

// mine restricts an expression to the chosen gateways: $i stands where the
// restriction goes.
func mine(expr string) string { return strings.ReplaceAll(expr, "$i", `instance=~"$instance"`) }

func (d *board) place(width, height int) map[string]int {
	if d.x+width > 24 {
		d.x, d.y, d.height = 0, d.y+d.height, 0
	}
	at := map[string]int{"x": d.x, "y": d.y, "w": width, "h": height}
	d.x, d.height = d.x+width, max(d.height, height)
	return at
}

func (d *board) panel(kind, title, about, unit string, width, height int, queries ...query) map[string]any {
	targets := make([]any, 0, len(queries))
	for i, q := range queries {
		t := map[string]any{"refId": string(rune('A' + i)), "expr": mine(q.expr), "legendFormat": q.legend, "datasource": source()}
		if kind == "heatmap" {
			t["format"] = "heatmap"
		}
		targets = append(targets, t)
	}
	p := map[string]any{
		"id": len(d.panels) + 1, "type": kind, "title": title, "description": about, "gridPos": d.place(width, height), "datasource": source(), "targets": targets,
		"fieldConfig": map[string]any{"defaults": map[string]any{"unit": unit, "min": 0}, "overrides": []any{}},
	}
	d.panels = append(d.panels, p)
	return p
}

func (d *board) row(title string) {
	d.x, d.y, d.height = 0, d.y+d.height, 0
	d.panels = append(d.panels, map[string]any{
		"id": len(d.panels) + 1, "type": "row", "title": title, "collapsed": false, "gridPos": map[string]int{"x": 0, "y": d.y, "w": 24, "h": 1}, "panels": []any{},
	})
	d.y++
}

// stacked lays the series of a panel on top of each other.
func stacked(p map[string]any) {
	fields, _ := p["fieldConfig"].(map[string]any)
	defaults, _ := fields["defaults"].(map[string]any)
	defaults["custom"] = map[string]any{"fillOpacity": 25, "lineWidth": 1, "stacking": map[string]string{"mode": "normal"}}
}

func (d *board) draw() {
	f := featuresOf(d.contract)
	d.row("At a glance")
	d.panel("stat", "Calls per second", "", "reqps", 4, 4, query{`sum(rate(failwell_requests_total{$i}[5m]))`, ""})
	d.panel("stat", "Failed on our side", "Share of calls with a 5xx.", "percentunit", 4, 4, query{`sum(rate(failwell_requests_total{$i,status="5xx"}[5m])) / sum(rate(failwell_requests_total{$i}[5m]))`, ""})
	d.panel("stat", "Refused", "Share of decisions that refused a call.", "percentunit", 4, 4, query{`sum(rate(failwell_decisions_total{$i,condition!="admitted"}[5m])) / sum(rate(failwell_decisions_total{$i}[5m]))`, ""})
	d.panel("stat", "99 % answered within", "", "s", 4, 4, query{`histogram_quantile(0.99, sum by (le) (rate(failwell_request_seconds_bucket{$i}[5m])))`, ""})
	d.panel("stat", "Under way", "", "short", 4, 4, query{`sum(failwell_requests_in_flight{$i})`, ""})
	d.panel("stat", "Parts without the store", "0 is well.", "short", 4, 4, query{`sum(failwell_degraded{$i})`, ""})

	d.row("Calls")
	stacked(d.panel("timeseries", "By class of status", "gone: the caller left before the answer.", "reqps", 12, 8, query{`sum by (status) (rate(failwell_requests_total{$i}[5m]))`, "{{status}}"}))
	d.panel("heatmap", "How long they take", "", "s", 12, 8, query{`sum by (le) (increase(failwell_request_seconds_bucket{$i}[$__rate_interval]))`, "{{le}}"})
	stacked(d.panel("timeseries", "By operation", "none: no operation of the contract.", "reqps", 12, 8, query{`topk(15, sum by (operation) (rate(failwell_requests_total{$i}[5m])))`, "{{operation}}"}))
	d.panel("timeseries", "Failures by operation", "Share of each operation's calls with a 5xx.", "percentunit", 12, 8, query{`sum by (operation) (rate(failwell_requests_total{$i,status="5xx"}[5m])) / sum by (operation) (rate(failwell_requests_total{$i}[5m]))`, "{{operation}}"})

	d.row("Errors")
	stacked(d.panel("timeseries", "By code", "Errors that the gateway wrote.", "reqps", 12, 10, query{`sum by (code) (rate(failwell_requests_total{$i,code!=""}[5m]))`, "{{code}}"}))
	d.catalogue()
	stacked(d.panel("timeseries", "Refusals by condition", "", "reqps", 12, 8, query{`sum by (condition) (rate(failwell_decisions_total{$i,condition!="admitted"}[5m]))`, "{{condition}}"}))
	d.panel("timeseries", "Time to decide", "Keys, plans and limits.", "s", 12, 8,
		query{`histogram_quantile(0.5, sum by (le) (rate(failwell_decision_seconds_bucket{$i}[5m])))`, "half"},
		query{`histogram_quantile(0.99, sum by (le) (rate(failwell_decision_seconds_bucket{$i}[5m])))`, "99 %"})

	if f.keys || f.rates || f.quotas || f.balances {
		d.row("Keys and limits")
		stacked(d.panel("timeseries", "Decisions over limits", "exact: by the store; others: by the policy of a limit while it is away.", "reqps", 8, 8, query{`sum by (mode) (rate(failwell_limit_decisions_total{$i}[5m]))`, "{{mode}}"}))
		stacked(d.panel("timeseries", "Look-ups", "stale: known from before while the store is away.", "reqps", 8, 8, query{`sum by (of, result) (rate(failwell_lookups_total{$i}[5m]))`, "{{of}} {{result}}"}))
		d.panel("timeseries", "The store", "", "s", 8, 8, query{`histogram_quantile(0.99, sum by (le) (rate(failwell_store_seconds_bucket{$i}[5m])))`, "99 %"})
	}
	if f.idempotency {
		d.row("Repeated writes")
		d.panel("timeseries", "Answers given once more", "", "reqps", 12, 7, query{`sum(rate(failwell_replays_total{$i}[5m]))`, "replays"})
		d.panel("timeseries", "Writes with a key under way", "", "short", 12, 7, query{`sum(failwell_idempotent_calls_in_flight{$i})`, "under way"})
	}
	d.row("The gateway")
	d.panel("timeseries", "Services behind it", "", "short", 8, 7, query{`sum by (state) (failwell_upstreams{$i})`, "{{state}}"})
	d.panel("timeseries", "Bodies under way", "", "bytes", 8, 7, query{`sum(failwell_in_flight_bytes{$i})`, "bytes"})
	d.panel("timeseries", "CPU", "Cores in use.", "short", 8, 7, query{`rate(process_cpu_seconds_total{$i}[5m]) and on (instance) failwell_requests_in_flight`, "{{instance}}"})
}

// catalogue is the table of codes, beside the curves of their errors.
func (d *board) catalogue() {
	var b strings.Builder
	b.WriteString("| Code | Status | Meaning | Remedy |\n|---|---|---|---|\n")
	for _, code := range d.contract.Codes {
		x := d.contract.Explain(code)
		name := "`" + strings.ReplaceAll(code.Name, "`", "") + "`"
		if strings.HasPrefix(code.DocURL, "https://") {
			name = "[" + name + "](" + code.DocURL + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, strconv.Itoa(code.Status), cell(x.Meaning), cell(x.Remedy))
	}
	d.panels = append(d.panels, map[string]any{
		"id": len(d.panels) + 1, "type": "text", "title": "What the codes mean", "gridPos": d.place(12, 10),
		"options": map[string]any{"mode": "markdown", "content": b.String()},
	})
}

var cells = strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", ">", "&gt;", "$", "&#36;")

func cell(s string) string { return cells.Replace(s) }
