package meter

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPruneLooksInTime: appointments are made for any instants, kept, cancelled
// and forgotten, and whoever is too late is dropped as soon as somebody looks.
func TestPruneLooksInTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule := Rule{Kind: rapid.SampledFrom([]Kind{Rate, Window}).Draw(t, "kind"), Limit: 100, Per: 100_000_000}
		p := paceOf(&rule)
		late := min(grace, p.span())
		var q queue
		now := Micros(1)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now += Micros(rapid.SampledFrom([]int64{-1, 0, 1, 20_000, 30_000, 90_000}).Draw(t, "pause"))
			dropped := q.made > now && len(q.entries) > 0 ||
				slices.ContainsFunc(q.entries, func(a appointment) bool { return now-a.at >= late })
			if got := q.prune(&p, now); got != dropped {
				t.Fatalf("at %d, %+v: dropped any is %v", now, q, got)
			}
			if slices.ContainsFunc(q.entries, func(a appointment) bool { return now-a.at >= late }) {
				t.Fatalf("at %d, %+v: somebody who is too late is left", now, q)
			}
			caller := rapid.Uint32Range(0, 40).Draw(t, "caller")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				q.came(&p, caller, 1)
			case 1:
				q.cancel(&p, caller)
			default:
				at := now + Micros(rapid.SampledFrom([]int64{0, 1, 10_000, 70_000, 100_000}).Draw(t, "in"))
				q.book(&p, cell{full: now}, now, appointment{caller: caller, cost: 1, at: at})
			}
		}
	})
}
