package meter

import "slices"

// Shorten is for keepers who run out of space: it ends up to n holds of an
// Allowance or a Balance as if their time had come, those first that would end
// first, and returns how many. What they took stays charged; their names are
// forgotten, so that a call that is repeated is charged again.
func (s *State) Shorten(n int) (ended int) {
	if s.counter == nil || !s.kind.keeps() {
		return 0
	}
	c := s.counter
	n = min(n, len(c.holds))
	if n <= 0 {
		return 0
	}
	untils := make([]Micros, len(c.holds))
	for i := range c.holds {
		untils[i] = c.holds[i].until
	}
	slices.Sort(untils)
	last := untils[n-1]
	kept := c.holds[:0]
	for _, h := range c.holds {
		if ended < n && h.until <= last {
			c.used += h.amount
			ended++
			continue
		}
		kept = append(kept, h)
	}
	clear(c.holds[len(kept):])
	c.holds = kept
	c.sum()
	return ended
}
