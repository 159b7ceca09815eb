package vectors

import (
	"maps"
	"strconv"
	"time"
)

// Limiter answers as a limit does: with the step it belongs to, or with 429, and
// with headers that tell how it stands.
type Limiter struct {
	Limit int    `yaml:"limit"`
	Per   Millis `yaml:"per"`
	// Window: units come back all at once, that long after the first of them was
	// taken. Otherwise they come back one by one (GCRA).
	Window bool `yaml:"window"`
	// Seconds: the reset is told in seconds from now, rounded up, and else as the
	// instant, in milliseconds since 1970.
	Seconds bool `yaml:"seconds"`

	// full is when all units are free again.
	full time.Time
	used int
}

// answer is the step for a request at an instant.
func (l *Limiter) answer(now time.Time, step Step) *Step {
	wait := l.take(now)
	step.Headers = maps.Clone(step.Headers)
	if step.Headers == nil {
		step.Headers = map[string]string{}
	}
	if wait > 0 {
		step.Status, step.Body = 429, `{"error":{"code":"slow_down","message":"m"}}`
		step.Headers["Content-Type"] = "application/json"
		step.Headers["Retry-After"] = strconv.FormatFloat(wait.Seconds(), 'f', -1, 64)
	}
	left := l.Limit - l.used
	if !l.Window {
		left = int((time.Duration(l.Per) - max(l.full.Sub(now), 0)) / l.every())
	}
	step.Headers["X-RateLimit-Limit"] = strconv.Itoa(l.Limit)
	step.Headers["X-RateLimit-Remaining"] = strconv.Itoa(left)
	step.Headers["X-RateLimit-Reset"] = strconv.FormatInt(l.full.UnixMilli(), 10)
	if l.Seconds {
		step.Headers["X-RateLimit-Reset"] = strconv.FormatInt(int64((l.full.Sub(now)+time.Second-1)/time.Second), 10)
	}
	return &step
}

func (l *Limiter) every() time.Duration { return time.Duration(l.Per) / time.Duration(l.Limit) }

// take takes a unit, or says after how long there is one.
func (l *Limiter) take(now time.Time) (wait time.Duration) {
	if !l.Window {
		next := now
		if l.full.After(now) {
			next = l.full
		}
		next = next.Add(l.every())
		if wait = next.Sub(now) - time.Duration(l.Per); wait <= 0 {
			l.full = next
		}
		return wait
	}
	if !now.Before(l.full) {
		l.full, l.used = now.Add(time.Duration(l.Per)), 0
	}
	if l.used == l.Limit {
		return l.full.Sub(now)
	}
	l.used++
	return 0
}
