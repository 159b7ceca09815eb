package meter

import "hash/maphash"

// Look fills in Outcomes and Admitted as Decide would, but charges nothing and
// makes no appointment: for keepers who share a decision with another. It
// reports whether any state has become one that must be kept, because time has
// passed.
func (t *Taking) Look(states []State, at Instant) (changed bool) {
	changed, _ = t.weigh(states, at)
	t.tell(states, at)
	return changed
}

// Look says what Take would do at this instant, and does not do it. The only
// error is ErrInvalid.
func (l *Local) Look(t *Taking) error {
	if err := t.Check(); err != nil {
		return err
	}
	l.once.Do(l.prepare)
	at := l.line.at(l.clock())
	o := owner{t.Owner, maphash.String(l.seed, t.Owner)}
	s := &l.shards[o.hash%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserve(len(t.Demands), l.bound, at.Now)
	for i := range t.Demands {
		s.load(&t.Demands[i], o, l.seed)
	}
	t.Look(s.states, at)
	for i := range t.Demands {
		s.keep(i, &t.Demands[i], at, false)
	}
	return nil
}
