package hint

import (
	"strings"
	"time"
)

// RateLimit is what one RateLimit header field says of the limit that binds.
type RateLimit struct {
	// Remaining is the quota left, valid with HasRemaining.
	Remaining    float64
	HasRemaining bool
	// Reset is the time until the quota grows again, valid with HasReset.
	Reset    time.Duration
	HasReset bool
}

// ParseRateLimit reads a RateLimit field of draft-ietf-httpapi-ratelimit-headers
// in its three shapes: `"policy";r=0;t=30` (from -08), `limit=100, remaining=0,
// reset=30` (-03 to -07) and bare `r=0;t=30`. Of several policies an exhausted
// one with the longest reset binds, otherwise the first.
func ParseRateLimit(value string) (RateLimit, bool) {
	if len(value) > 4*maxValue {
		return RateLimit{}, false
	}
	var best RateLimit
	found := false
	var flat RateLimit
	for item := range strings.SplitSeq(value, ",") {
		var r RateLimit
		for param := range strings.SplitSeq(item, ";") {
			r.set(param)
			flat.set(param)
		}
		if !r.HasReset {
			continue
		}
		if !found || binds(r, best) {
			best = r
		}
		found = true
	}
	// The flat shape spreads one limit over several items.
	if found && !best.HasRemaining && flat.HasRemaining {
		best = flat
	}
	return best, found
}

func (r *RateLimit) set(param string) {
	name, value, ok := strings.Cut(param, "=")
	if !ok {
		return
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "r", "remaining":
		if v, ok := number(value); ok {
			r.Remaining, r.HasRemaining = v, true
		}
	case "t", "reset":
		if d, ok := count(value, time.Second); ok {
			r.Reset, r.HasReset = d, true
		}
	}
}

func binds(a, b RateLimit) bool {
	aOut, bOut := a.HasRemaining && a.Remaining <= 0, b.HasRemaining && b.Remaining <= 0
	if aOut != bOut {
		return aOut
	}
	return aOut && a.Reset > b.Reset
}
