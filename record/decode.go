package record

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// reader reads the body of a block. What is not as a writer leaves it sets bad.
// Records share the block's text and room: of a thousand records mostly a few
// are wanted, and each allocation saved is a thousand.
type reader struct {
	b []byte
	// s is the whole body, of which b is the end.
	s     string
	limit []Limit
	try   []Try
	words []string
	node  string
	last  int64
	bad   bool
}

// roomAhead is for how many limits and tries room is made at a time.
const roomAhead = 64

func newReader(body []byte) *reader {
	r := &reader{b: body, s: string(body)}
	if r.byte() != bodyVersion {
		r.bad = true
	}
	r.node = r.text()
	return r
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) span() time.Duration { return time.Duration(r.uint()) }

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string {
	b := r.bytes(r.uint())
	if from := len(r.s) - len(r.b) - len(b); from >= 0 {
		return r.s[from : from+len(b)]
	}
	return string(b) // a reader without text
}

func (r *reader) word() string {
	n := r.uint()
	if n == 0 {
		s := r.text()
		if len(r.words) < maxWords {
			r.words = append(r.words, s)
		}
		return s
	}
	if n > uint64(len(r.words)) {
		r.bad = true
		return ""
	}
	return r.words[n-1]
}

// count reads a number of things.
func (r *reader) count(most uint64) int {
	n := r.uint()
	if n > most {
		r.bad = true
		return 0
	}
	return int(n)
}

// next reads a record; false at the end, or where the rest is damaged.
func (r *reader) next() (x Record, ok bool) {
	if r.bad || len(r.b) == 0 {
		return x, false
	}
	flags := r.uint()
	if flags&hasUUID != 0 {
		prefix := r.word()
		if id := r.bytes(16); id != nil {
			x.ID = joinUUID(prefix, id)
		}
	} else {
		x.ID = r.text()
	}
	r.last += r.int()
	x.Ended = time.Unix(0, r.last).UTC()
	x.Time = time.Unix(0, r.last-r.int()).UTC()
	x.Took, x.Decided = r.span(), r.span()
	x.Operation, x.Method, x.Path, x.Stage = r.word(), r.word(), r.text(), Stage(r.word())
	x.Status, x.Sent, x.Bytes, x.Node = int(r.uint()), r.int(), r.int(), r.node
	if flags&hasCaller != 0 {
		x.Account, x.Key, x.KeyStart, x.Plan = r.word(), r.word(), r.word(), r.word()
	}
	if flags&hasCode != 0 {
		x.Code, x.Condition = r.word(), condition.Condition(r.word())
	}
	if flags&hasLimits != 0 {
		x.Limits = r.limits()
	}
	r.rest(&x, flags)
	return x, !r.bad
}

func (r *reader) limits() []Limit {
	n := r.count(maxLimits)
	if cap(r.limit)-len(r.limit) < n {
		r.limit = make([]Limit, 0, roomAhead)
	}
	from := len(r.limit)
	for range n {
		l := Limit{Name: r.word(), Kind: r.word(), Period: r.word(), Max: r.int(), Per: r.span(), Cost: r.int(), Before: r.int(), After: r.int()}
		bits := r.uint()
		l.Refused, l.Binding, l.Local = bits&1 != 0, bits&2 != 0, bits&4 != 0
		if bits&8 != 0 {
			l.Reset = time.Unix(0, r.last+r.int()).UTC()
		}
		r.limit = append(r.limit, l)
	}
	return slices.Clip(r.limit[from:])
}

func (r *reader) rest(x *Record, flags uint64) {
	if flags&hasWait != 0 {
		x.RetryAfter = r.span()
	}
	if flags&hasIdempotency != 0 {
		x.Idempotency = Idempotency{IdempotencyState(r.word()), r.text(), r.text()}
	}
	if flags&hasTries != 0 {
		n := r.count(maxTries)
		if cap(r.try)-len(r.try) < n {
			r.try = make([]Try, 0, roomAhead)
		}
		from := len(r.try)
		for range n {
			r.try = append(r.try, Try{r.word(), time.Duration(r.int()), time.Duration(r.int()), int(r.uint()), r.text()})
		}
		x.Tries = slices.Clip(r.try[from:])
	}
	if flags&hasTrace != 0 {
		x.Trace, x.Span = r.text(), r.text()
	}
	if flags&hasAttempt != 0 {
		x.Attempt = int(r.uint())
	}
	if flags&hasBody != 0 {
		x.Body = r.text()
	}
	x.Cut = flags&hasCut != 0
	if flags&hasCause != 0 {
		x.Cause = r.text()
	}
	if flags&hasUpstream != 0 {
		x.Upstream = r.span()
	}
}
