package meter

import "time"

// Micros is time in whole microseconds: an instant on a keeper's line, or a
// span. A script on a server that has only floating-point numbers counts in
// it as exactly as Go does, up to 2^53.
type Micros int64

// farthest bounds every span, 71 years: an instant plus two spans stays
// below 2^53.
const farthest = Micros(1) << 51

// up is a span in whole microseconds, rounded up and at least 1.
func up(d time.Duration) Micros {
	m := Micros(d / time.Microsecond)
	if d%time.Microsecond > 0 {
		m++
	}
	return min(max(m, 1), farthest)
}

// Instant is when something is decided. Rates and leases go by the keeper's
// line, which should be monotonic; calendars go by UTC.
type Instant struct {
	// Now is on the keeper's line, rounded down.
	Now Micros
	// Past is what was rounded off, in nanoseconds below 1,000. It makes waits
	// exact on a clock finer than microseconds.
	Past time.Duration
	// Shift is what makes Unix microseconds of the line's. 0 for a keeper whose
	// line is Unix time, for example a server.
	Shift Micros
}

// At is an instant on a line of Unix microseconds.
func At(t time.Time) Instant { return instant(t.UnixNano(), 0) }

// instant rounds nanoseconds down.
func instant(ns, shift int64) Instant {
	past := ns % 1000
	if past < 0 {
		past += 1000
	}
	return Instant{Now: Micros((ns - past) / 1000), Past: time.Duration(past), Shift: Micros(shift / 1000)}
}

// wall is the instant in Unix microseconds.
func (i Instant) wall() Micros { return i.Now + i.Shift }

// tell is an instant of the line as callers are told it.
func (i Instant) tell(m Micros) time.Time { return time.UnixMicro(int64(m + i.Shift)).UTC() }

// until is how long it is until an instant of the line, exactly.
func (i Instant) until(m Micros) time.Duration {
	return max(time.Duration(m-i.Now)*time.Microsecond-i.Past, 0)
}

// End is the first instant after the period that t is in. Both are Unix
// microseconds.
func (p Period) End(t Micros) Micros {
	year, month, day := time.UnixMicro(int64(t)).UTC().Date()
	if p == Day {
		day++
	} else {
		month, day = month+1, 1
	}
	return Micros(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).UnixMicro())
}
