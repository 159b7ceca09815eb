package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrCorrupt says that bytes are not those of a State.
var ErrCorrupt = errors.New("meter: corrupt state")

// Append appends the State in a compact form that ends by itself:
//
//	kind
//	Rate, Window:  full, used, number of appointments, and if there are any
//	               booked, made and for each caller, cost, at
//	the counters:  end, used, number of holds, and for each
//	               length of its name, its name, amount, number of claims, the
//	               claims, until, lease
//
// One claim more than MaxClaims stands for crowded, and none of them follows.
// kind is a byte, numbers and lengths are unsigned varints of encoding/binary,
// and full, used, booked, made, end, at and until are signed ones.
func (s *State) Append(dst []byte) []byte {
	dst = append(dst, byte(s.kind))
	if !s.kind.Counts() {
		dst = binary.AppendVarint(dst, int64(s.cell.full))
		dst = binary.AppendVarint(dst, s.cell.used)
		return s.queue.append(dst)
	}
	c := s.counter
	if c == nil {
		c = &counter{}
	}
	dst = binary.AppendVarint(dst, int64(c.end))
	dst = binary.AppendVarint(dst, c.used)
	dst = binary.AppendUvarint(dst, uint64(len(c.holds)))
	for i := range c.holds {
		h := &c.holds[i]
		dst = binary.AppendUvarint(dst, uint64(len(h.name)))
		dst = append(dst, h.name...)
		dst = binary.AppendUvarint(dst, uint64(h.amount))
		dst = h.appendClaims(dst)
		dst = binary.AppendVarint(dst, int64(h.until))
		dst = binary.AppendUvarint(dst, uint64(h.lease))
	}
	return dst
}

func (h *hold) appendClaims(dst []byte) []byte {
	if h.crowded {
		return binary.AppendUvarint(dst, MaxClaims+1)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.claims)))
	for _, claim := range h.claims {
		dst = binary.AppendUvarint(dst, claim)
	}
	return dst
}

func (q *queue) append(dst []byte) []byte {
	if q.empty() {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(q.entries)))
	dst = binary.AppendVarint(dst, q.booked)
	dst = binary.AppendVarint(dst, int64(q.made))
	for _, a := range q.entries {
		dst = binary.AppendUvarint(dst, uint64(a.caller))
		dst = binary.AppendUvarint(dst, uint64(a.cost))
		dst = binary.AppendVarint(dst, int64(a.at))
	}
	return dst
}

// ParseState reads what Append made and returns what follows it. The error is
// ErrCorrupt.
func ParseState(data []byte) (s State, rest []byte, err error) {
	if len(data) == 0 || Kind(data[0]) > Slots {
		return State{}, nil, fmt.Errorf("%w: no kind", ErrCorrupt)
	}
	s.kind, s.known = Kind(data[0]), true
	r := reader{rest: data[1:]}
	if s.kind.Counts() {
		s.counter = r.counter()
	} else {
		s.cell = cell{full: Micros(r.signed()), used: r.signed()}
		s.queue = r.queue()
	}
	if r.bad != "" {
		return State{}, nil, fmt.Errorf("%w: %s", ErrCorrupt, r.bad)
	}
	return s, r.rest, nil
}

// reader takes a State apart. After the first fault it reads zeros.
type reader struct {
	rest []byte
	bad  string
}

func (r *reader) fail(what string) {
	if r.bad == "" {
		r.rest, r.bad = nil, what
	}
}

// bound is what no number of a State reaches, with room for sums.
const bound = 1 << 55

func (r *reader) unsigned() int64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > bound {
		r.fail("a number is cut off or too large")
		return 0
	}
	r.rest = r.rest[n:]
	return int64(v)
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 || v > bound || v < -bound {
		r.fail("a number is cut off or too large")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) queue() *queue {
	n := r.unsigned()
	if n == 0 {
		return nil
	}
	if n > Remembered {
		r.fail("too many appointments")
		return nil
	}
	q := &queue{booked: r.signed(), made: Micros(r.signed()), entries: make([]appointment, n)}
	for i := range q.entries {
		caller := r.unsigned()
		if caller > 1<<32-1 {
			r.fail("a caller is too large")
		}
		q.entries[i] = appointment{caller: uint32(caller), cost: r.unsigned(), at: Micros(r.signed())}
	}
	q.note()
	return q
}

func (r *reader) counter() *counter {
	c := &counter{end: Micros(r.signed()), used: r.signed()}
	last := ""
	for i := range r.unsigned() {
		if r.bad != "" {
			break
		}
		size := r.unsigned()
		if size == 0 || size > int64(len(r.rest)) {
			r.fail("a hold's name is cut off")
			break
		}
		h := hold{name: string(r.rest[:size])}
		r.rest = r.rest[size:]
		h.amount = r.unsigned()
		h.claims, h.crowded = r.claims()
		h.until, h.lease = Micros(r.signed()), Micros(r.unsigned())
		if i > 0 && h.name <= last {
			r.fail("holds are out of order")
		}
		last = h.name
		c.holds = append(c.holds, h)
	}
	c.sum()
	return c
}

func (r *reader) claims() (list []uint64, crowded bool) {
	n := r.unsigned()
	switch {
	case n == MaxClaims+1:
		return nil, true
	case n > MaxClaims:
		r.fail("too many claims")
		return nil, false
	}
	for range n {
		claim := uint64(r.unsigned())
		if claim > MaxUnits || slices.Contains(list, claim) {
			r.fail("a claim is too large or there twice")
			return nil, false
		}
		list = append(list, claim)
	}
	return list, false
}
