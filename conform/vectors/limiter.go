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
	// Others is at which distance other clients call, from the first request on; 0:
	// there are none. Where there are, everybody who is refused is promised a unit
	// within the time of two limits, and comes for it when told to.
	Others Millis `yaml:"others"`

	// full is when all units are free again, those that are promised included.
	full time.Time
	used int
	// next is when the next of the others calls, promised when the client under test
	// has units.
	next     time.Time
	promised []time.Time
}

// answer is the step for a request at an instant.
func (l *Limiter) answer(now time.Time, step Step) *Step {
	wait := l.serve(now)
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
	left = max(left, 0)
	step.Headers["X-RateLimit-Limit"] = strconv.Itoa(l.Limit)
	step.Headers["X-RateLimit-Remaining"] = strconv.Itoa(left)
	step.Headers["X-RateLimit-Reset"] = strconv.FormatInt(l.full.UnixMilli(), 10)
	if l.Seconds {
		step.Headers["X-RateLimit-Reset"] = strconv.FormatInt(int64((l.full.Sub(now)+time.Second-1)/time.Second), 10)
	}
	return &step
}

func (l *Limiter) every() time.Duration { return time.Duration(l.Per) / time.Duration(l.Limit) }

// serve lets the others call who come before the client under test, and then that.
func (l *Limiter) serve(now time.Time) (wait time.Duration) {
	if l.Others <= 0 {
		return l.take(now)
	}
	if l.next.IsZero() {
		l.next = now.Add(time.Duration(l.Others))
	}
	for ; !l.next.After(now); l.next = l.next.Add(time.Duration(l.Others)) {
		l.take(l.next)
	}
	if len(l.promised) > 0 && !l.promised[0].After(now) {
		l.promised = l.promised[1:]
		return 0
	}
	if wait = l.take(now); wait > 0 {
		l.promised = append(l.promised, now.Add(wait))
	}
	return wait
}

// take takes a unit, or says after how long there is one, and promises that.
func (l *Limiter) take(now time.Time) (wait time.Duration) {
	per := time.Duration(l.Per)
	if !l.Window {
		next := now
		if l.full.After(now) {
			next = l.full
		}
		next = next.Add(l.every())
		wait = max(next.Sub(now)-per, 0)
		if wait == 0 || l.Others > 0 && wait <= per {
			l.full = next
		}
		return wait
	}
	for ; l.used > l.Limit && !now.Before(l.full); l.full = l.full.Add(per) {
		l.used -= l.Limit
	}
	if !now.Before(l.full) {
		l.full, l.used = now.Add(per), 0
	}
	if l.used >= l.Limit {
		wait = l.full.Sub(now) + time.Duration(l.used/l.Limit-1)*per
	}
	if wait == 0 || l.Others > 0 && l.used < 2*l.Limit {
		l.used++
	}
	return wait
}
