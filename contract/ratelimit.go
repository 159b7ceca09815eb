package contract

import "github.com/failwell/failwell/contract/hint"

// Unit is the form as package hint reads it. The empty form is whole seconds.
func (f TimeFormat) Unit() hint.Unit {
	switch f {
	case EpochSeconds:
		return hint.EpochSeconds
	case EpochMillis:
		return hint.EpochMilliseconds
	case DeltaMillis:
		return hint.Milliseconds
	case HTTPDate:
		return hint.HTTPDate
	case RFC3339, RFC3339Milli:
		return hint.RFC3339
	case DeltaSeconds:
	}
	return hint.DeltaSeconds
}

// ToldRates are the rates of plans and operations that a response tells apart by
// their limit alone, which is all that its headers say: one for each limit, and
// none for a limit that stands for rates of different windows or algorithms. Of
// rates that are the same, the last one is taken.
func (c *Contract) ToldRates() []*Rate {
	var all []*Rate
	for _, p := range c.Plans {
		for i := range p.Rates {
			all = append(all, &p.Rates[i])
		}
	}
	for _, o := range c.Operations {
		for i := range o.Rates {
			all = append(all, &o.Rates[i])
		}
	}
	var told []*Rate
	for i, r := range all {
		same, last := true, true
		for j, other := range all {
			if other.Limit == r.Limit {
				same = same && other.Per == r.Per && other.Algorithm == r.Algorithm
				last = last && j <= i
			}
		}
		if same && last && r.Limit > 0 {
			told = append(told, r)
		}
	}
	return told
}
