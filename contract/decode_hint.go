package contract

import (
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/hint"
)

func waitMatters(f *Failure) bool {
	return f.Retry != condition.Never || f.Status == 429 || f.Status == 503
}

// hintOf asks the contract's hints in order. Headers that tell when a limit is
// free again are often on every response; they count as a wait only for a
// failure that is about a limit.
func (c *Contract) hintOf(x *reading, f *Failure) (time.Duration, bool) {
	for i := range c.Client.Hints {
		h := &c.Client.Hints[i]
		if h.name == "" && h.Header != "" {
			h = h.settled(c)
		}
		var value string
		if h.Header != "" {
			if h.limits && !aboutLimit(f) {
				continue
			}
			if values := x.Header[h.name]; len(values) > 0 {
				value = values[0]
			} else if !x.hasty {
				value = header(x.Header, h.Header)
			}
		} else {
			value = x.body.along(h.Body).plain()
		}
		if value == "" {
			continue
		}
		if wait, ok := hint.Parse(value, h.Unit, x.clock()); ok {
			return wait, true
		}
	}
	return 0, false
}

// settled is the hint with what follows from its header's name. One that a program
// has put into a contract has to go without until it is asked.
func (h *Hint) settled(c *Contract) *Hint {
	out := *h
	out.name, out.limits = canonical(h.Header), tellsOfLimit(h.Header, c)
	return &out
}

func tellsOfLimit(name string, c *Contract) bool {
	if name == "" {
		return false
	}
	return strings.EqualFold(name, c.Headers.RateLimit.Reset) || strings.Contains(strings.ToLower(name), "reset")
}

func aboutLimit(f *Failure) bool {
	switch f.Condition {
	case condition.RateLimited, condition.QuotaExhausted, condition.ConcurrencyExceeded, condition.Overloaded:
		return true
	}
	return f.Status == 429
}
