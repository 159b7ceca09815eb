package main

import (
	"context"

	"github.com/failwell/failwell/gen/monitor"
)

type generateRulesCmd struct {
	generateTo
}

// Run writes the file of rules.
func (x *generateRulesCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, monitor.Rules)
}

type generateDashboardCmd struct {
	generateTo
}

// Run writes the dashboard.
func (x *generateDashboardCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, monitor.Dashboard)
}
