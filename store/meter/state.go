package meter

// State is all that a keeper remembers of one limit. The zero State is a limit
// of which nothing has been taken. A State must not be copied once it was used:
// what is behind it is shared.
type State struct {
	kind Kind
	// known says that kind is set.
	known   bool
	cell    cell
	queue   *queue
	counter *counter
	// pace is of rule, which is that of the latest decision.
	pace pace
	rule Rule
}

// follow makes pace that of a rule.
func (s *State) follow(r *Rule) {
	if s.rule != *r || s.pace.limit == 0 {
		s.rule, s.pace = *r, paceOf(r)
	}
}

// prepare makes the state one of kind k. A limit whose rule became one of
// another kind starts anew.
func (s *State) prepare(k Kind) {
	if s.known && s.kind != k {
		*s = State{}
	}
	s.kind, s.known = k, true
	if k.Counts() && s.counter == nil {
		s.counter = &counter{}
	}
}

// Ends returns from when on a State that nobody touches says no more than the
// zero State; ok is false if it never does. It is on the keeper's line.
func (s *State) Ends(at Instant) (ends Micros, ok bool) {
	if !s.kind.Counts() {
		ends = s.cell.full
		if s.queue != nil {
			for i := range s.queue.entries {
				ends = max(ends, s.queue.entries[i].at+grace)
			}
		}
		return ends, true
	}
	c := s.counter
	if c == nil {
		return at.Now, true
	}
	ends = at.Now
	for i := range c.holds {
		ends = max(ends, c.holds[i].until)
	}
	switch s.kind {
	case Allowance:
		if c.used > 0 || c.held > 0 {
			ends = max(ends, c.end-at.Shift)
		}
		return ends, true
	case Balance:
		return ends, c.used == 0 && c.held == 0
	default:
		return ends, c.used == 0
	}
}

// Idle reports whether the State says no more than the zero State, and so need
// not be kept.
func (s *State) Idle(at Instant) bool {
	ends, ok := s.Ends(at)
	return ok && ends <= at.Now
}

func (q *queue) empty() bool { return q == nil || len(q.entries) == 0 }
