package gen

import (
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// CompiledPace is how responses tell what is left of a limit.
type CompiledPace struct {
	// Limit, Remaining and Reset name headers, "" for none. Unit is that of Reset,
	// as in hints.
	Limit     string              `json:"limit"`
	Remaining string              `json:"remaining"`
	Reset     string              `json:"reset"`
	Unit      contract.TimeFormat `json:"unit"`
	// IETF: the fields of draft-ietf-httpapi-ratelimit-headers are sent.
	IETF bool `json:"ietf"`
	// Rates are those of Contract.ToldRates.
	Rates []CompiledRate `json:"rates"`
	// Code is the entry for a call that is not sent, since there is no room.
	Code string `json:"code"`
}

// CompiledRate is a rate of the contract.
type CompiledRate struct {
	Limit int64 `json:"limit"`
	// EveryMs is how long one unit takes to be free again; 0 where all of them are
	// free again after PerMs.
	EveryMs float64 `json:"every_ms"`
	PerMs   float64 `json:"per_ms"`
	// Burst is how many units there are at most; 0: as many as the limit.
	Burst int64 `json:"burst"`
}

// paceOf returns nil where responses tell nothing of limits.
func paceOf(c *contract.Contract) *CompiledPace {
	h := &c.Headers.RateLimit
	if h.Remaining == "" && !h.IETF {
		return nil
	}
	p := &CompiledPace{Limit: h.Limit, Remaining: h.Remaining, Reset: h.Reset, Unit: h.ResetFormat, IETF: h.IETF, Rates: []CompiledRate{}}
	if code, _ := c.For(condition.RateLimited); code != nil {
		p.Code = code.Name
	}
	for _, r := range c.ToldRates() {
		out := CompiledRate{Limit: r.Limit, PerMs: ms(r.Per), Burst: r.Burst}
		if r.Algorithm != contract.FixedWindow {
			out.EveryMs = ms(r.Per) / float64(r.Limit)
		}
		p.Rates = append(p.Rates, out)
	}
	return p
}
