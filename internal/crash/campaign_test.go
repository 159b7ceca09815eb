//go:build linux

package main

import (
	"testing"

	"github.com/failwell/failwell/internal/failpoint"
)

// TestCampaign is the short form of make crash. On the embedded store every
// point has its turn, so that none is dead.
func TestCampaign(t *testing.T) {
	t.Parallel()
	for store, kills := range map[string]int{"memory": 4, "pebble": 36, "redis": 20, "postgres": 10} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			r, err := run(t.Context(), options{store: store, kills: kills, seed: 7, workers: 6, binary: built(t), sweep: store == "pebble"})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.print(t.Output()); err != nil {
				t.Fatal(err)
			}
			if len(r.violations) > 0 {
				t.Errorf("%d promises were broken", len(r.violations))
			}
			for _, point := range failpoint.Points() {
				if store == "pebble" && r.reached[point] == 0 {
					t.Errorf("point %s was never reached, armed %d times", point, r.missed[point])
				}
			}
		})
	}
}
