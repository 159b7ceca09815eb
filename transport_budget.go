package failwell

import (
	"sync"
	"time"
)

// Budget bounds how much a [Transport] repeats, over all its calls, so that a
// server in trouble is not buried: of n calls to a dead server, at most the
// larger of Reserve and Ratio×n are repetitions.
//
// Waiting goes on as before: a budget decides whether a call is repeated, not
// when. Repetitions at a moment that a rate limit itself named are free, since
// that server governs its own load.
type Budget struct {
	// Ratio of repetitions to calls. 0 is 0.1; negative earns none.
	Ratio float64
	// Reserve is what a transport may repeat before it has made calls enough to
	// earn it, and again after a minute in which none was asked for. 0 is 10.
	Reserve int
}

const (
	defaultRatio   = 0.1
	defaultReserve = 10
	// savings bounds, in reserves, what a long healthy time can set aside.
	savings = 10
	// calm is how long nothing may be asked for until the reserve is there again.
	calm = time.Minute
)

func (b Budget) filled() Budget {
	if b.Ratio == 0 {
		b.Ratio = defaultRatio
	}
	if b.Reserve == 0 {
		b.Reserve = defaultReserve
	}
	b.Ratio, b.Reserve = max(b.Ratio, 0), max(b.Reserve, 0)
	return b
}

// purse is a token bucket. The reserve is an advance: calls pay it back before
// they earn, so that the sum keeps to the ratio.
type purse struct {
	mu           sync.Mutex
	open         bool
	tokens, debt float64
	asked        time.Time
}

// earn is called once for each call.
func (p *purse) earn(b Budget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start(b)
	if p.debt > 0 {
		p.debt -= b.Ratio
		return
	}
	p.tokens = min(p.tokens+b.Ratio, float64(savings*b.Reserve))
}

// spend takes a token for a repetition, if there is one.
func (p *purse) spend(b Budget, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start(b)
	reserve := float64(b.Reserve)
	if !p.asked.IsZero() && now.Sub(p.asked) >= calm && p.tokens < reserve {
		p.debt = min(p.debt+reserve-p.tokens, reserve)
		p.tokens = reserve
	}
	p.asked = now
	const rounding = 1e-9
	if p.tokens < 1-rounding {
		return false
	}
	p.tokens--
	return true
}

func (p *purse) start(b Budget) {
	if !p.open {
		p.open = true
		p.tokens, p.debt = float64(b.Reserve), float64(b.Reserve)
	}
}
