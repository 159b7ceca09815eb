//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/internal/failpoint"
)

// most violations that are printed; the rest is counted.
const printed = 20

// print writes the figures as docs/reliability.md has them.
func (r *result) print(w io.Writer) error {
	var b strings.Builder
	kills := 0
	parts := make([]string, 0, len(r.kills))
	for _, what := range slices.Sorted(maps.Keys(r.kills)) {
		kills += r.kills[what]
		parts = append(parts, fmt.Sprintf("%s %d", what, r.kills[what]))
	}
	f := r.figures
	fmt.Fprintf(&b, "%s, seed %d: %d kills (%s) in %v\n", r.store, r.seed, kills, strings.Join(parts, ", "), r.took.Round(time.Second))
	fmt.Fprintf(&b, "  calls       %d, in %d requests; %d final outcomes seen\n", f.Calls, r.requests, f.Observations)
	fmt.Fprintf(&b, "  executions  %d, of which %d repeated where the policy is reexecute; %d refusals\n", f.Executions, f.Reexecuted, f.Refusals)
	fmt.Fprintf(&b, "  outcomes    %d answers (%d replayed), %d unknown (%d of the calls executed), %d not replayable, %d other payload\n",
		f.Answered, f.Replayed, f.Unknown, f.UnknownExecuted, f.Buried, f.Mismatched)
	fmt.Fprintf(&b, "  charges     %d units; the executions are worth %d, the rest is of calls of which nobody knows\n", r.charged, r.worth)
	points := make([]string, 0, len(failpoint.Points()))
	for _, p := range failpoint.Points() {
		points = append(points, fmt.Sprintf("%s %d", p, r.reached[p]))
	}
	fmt.Fprintf(&b, "  points      %s\n", strings.Join(points, ", "))
	fmt.Fprintf(&b, "  violations  %d\n", len(r.violations))
	for i, v := range r.violations {
		if i == printed {
			fmt.Fprintf(&b, "    … and %d more\n", len(r.violations)-printed)
			break
		}
		fmt.Fprintf(&b, "    %s\n", v)
	}
	if len(r.violations) > 0 {
		for _, said := range r.logs {
			fmt.Fprintf(&b, "  %s\n", said)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	return nil
}
