package gateway

import (
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

// TestCountingDoesNotAllocate: what each request pays for metrics.
func TestCountingDoesNotAllocate(t *testing.T) {
	c := &contract.Contract{Operations: []*contract.Operation{{ID: "items"}}}
	o := newMetrics(&Gateway{}).observer(c)
	x := failwell.Outcome{Operation: c.Operations[0], Status: 200, Took: time.Millisecond, Decided: time.Microsecond}
	o.observe(&x)
	if n := testing.AllocsPerRun(100, func() { o.observe(&x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	c := &contract.Contract{Operations: []*contract.Operation{{ID: "items"}}}
	o := newMetrics(&Gateway{}).observer(c)
	for name, x := range map[string]failwell.Outcome{
		"answered": {Operation: c.Operations[0], Status: 200, Took: time.Millisecond, Decided: time.Microsecond},
		"refused":  {Operation: c.Operations[0], Status: 429, Code: &contract.Code{Name: "slow"}, Took: time.Millisecond, Decided: time.Microsecond, Refusal: failwell.RateLimited},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					o.observe(&x)
				}
			})
		})
	}
}
