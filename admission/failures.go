package admission

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"

	"github.com/failwell/failwell/store/meter"
)

// failures throttles failing authentication per source, in memory that does not
// depend on how many sources there are: 512 KiB. Each source has a cell in both
// of two rows and is throttled only when both are spent, so that it takes two
// unlucky neighbours to share somebody's budget (count-min, with GCRA for a
// counter). Only attempts that fail are charged and refused; a key that is
// valid passes whatever comes from the same source.
type failures struct {
	seed maphash.Seed
	rows [2][failureCells]atomic.Int64
}

const failureCells = 1 << 15

// charge counts a failing attempt. It reports the outcome of the row with more
// room; the attempt is throttled if that is refused.
func (f *failures) charge(source string, r *meter.Rule, at meter.Instant) meter.Outcome {
	h := maphash.String(f.seed, block(source))
	var best meter.Outcome
	for i := range f.rows {
		spot := &f.rows[i][h>>(32*i)%failureCells]
		o := chargeCell(spot, r, at)
		if i == 0 || o.Remaining > best.Remaining || o.RetryAfter < best.RetryAfter {
			best = o
		}
	}
	return best
}

func chargeCell(spot *atomic.Int64, r *meter.Rule, at meter.Instant) meter.Outcome {
	for {
		held := spot.Load()
		next, o := r.Spend(meter.Micros(held), 1, at)
		if o.Refused || spot.CompareAndSwap(held, int64(next)) {
			return o
		}
	}
}

// block is what one party holds of the IPv6 addresses: a /64 (RFC 6177, section
// 2). Whatever is no IPv6 address stands for itself.
func block(source string) string {
	a, err := netip.ParseAddr(source)
	if err != nil || !a.Is6() || a.Is4In6() {
		return source
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return source
	}
	return p.Addr().String()
}
