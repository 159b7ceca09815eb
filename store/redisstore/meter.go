package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"time"

	"github.com/failwell/failwell/store/meter"
)

var _ meter.Meter = (*Store)(nil)

// Take implements meter.Meter with one call of a script, on the server's clock:
// it is exact over all processes that share the server. The error is
// meter.ErrInvalid, the context's, store.ErrClosed or of type *Error.
func (s *Store) Take(ctx context.Context, t *meter.Taking) error {
	if err := s.begin(ctx, t.Check()); err != nil {
		return err
	}
	defer s.leave()
	if len(t.Demands) == 0 {
		t.Admitted = true
		return nil
	}
	var some [handful]*meter.Demand
	demands, rates := some[:0], 0
	for i := range t.Demands {
		if d := &t.Demands[i]; !d.Rule.Kind.Counts() {
			demands = append(demands, d)
			rates++
		}
	}
	for i := range t.Demands {
		if d := &t.Demands[i]; d.Rule.Kind.Counts() {
			demands = append(demands, d)
		}
	}
	c := s.newCall(t.Owner, demands, rates)
	c.numbers(int64(rates), int64(len(demands)-rates), int64(t.Caller), micros(t.Lease), micros(t.Keep), int64(t.Claim))
	for i, d := range demands {
		if i < rates {
			c.rate(d, d.Cost)
		} else {
			c.counter(d, d.Cost)
		}
	}
	keys, args := c.texts(t.Hold)
	answer, err := s.link.eval(ctx, s.take, keys, args).ToString()
	if err == nil {
		err = read(t, answer, rates)
	}
	if err != nil {
		return s.link.failed(err)
	}
	return nil
}

// Settle implements meter.Meter with one call of a script. Errors are those of
// Take.
func (s *Store) Settle(ctx context.Context, x *meter.Settlement) error {
	if err := s.begin(ctx, x.Check()); err != nil {
		return err
	}
	defer s.leave()
	var some [handful]*meter.Demand
	var held [handful]int64
	demands, kept, rates := some[:0], held[:0], 0
	for i := range x.Changes {
		// A hold is nothing to rates.
		if h := &x.Changes[i]; !h.Rule.Kind.Counts() && x.Hold == "" {
			demands, kept = append(demands, &h.Demand), append(kept, h.Kept)
			rates++
		}
	}
	for i := range x.Changes {
		if h := &x.Changes[i]; h.Rule.Kind.Counts() {
			demands, kept = append(demands, &h.Demand), append(kept, h.Kept)
		}
	}
	if len(demands) == 0 {
		return nil
	}
	var form int64
	switch {
	case x.Left:
		form = 1
	case x.Whole:
		form = 2
	}
	c := s.newCall(x.Owner, demands, rates)
	c.numbers(int64(rates), int64(len(demands)-rates), form, micros(x.Once), int64(x.Claim))
	for i, d := range demands {
		if i < rates {
			c.rate(d, kept[i]-d.Cost)
		} else {
			c.counter(d, kept[i]-d.Cost)
			c.numbers(kept[i])
		}
	}
	keys, args := c.texts(x.Hold)
	if err := s.link.eval(ctx, s.settle, keys, args).Error(); err != nil {
		return s.link.failed(err)
	}
	return nil
}

// period is the one that this process thinks it is, so that the script has to
// reckon only when the server thinks otherwise.
func period(p meter.Period, now time.Time) (from, to int64) {
	year, month, day := now.UTC().Date()
	if p == meter.Month {
		day = 1
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).UnixMicro(), int64(p.End(meter.Micros(now.UnixMicro())))
}

// pace is a rate in the numbers of its script: what one unit takes and what all
// of them, and one window. A window has its limit for step and its length for
// both others.
type pace struct{ step, depth, span int64 }

// farthest is the greatest span of package meter.
const farthest = int64(1) << 51

func paceOf(r *meter.Rule) pace {
	limit, per := max(r.Limit, 1), max(micros(r.Per), 1)
	if r.Kind == meter.Window {
		return pace{min(limit, meter.MaxUnits), per, per}
	}
	burst := r.Burst
	if burst <= 0 {
		burst = limit
	}
	step := (per-1)/limit + 1
	depth := farthest / step * step
	if high, low := bits.Mul64(uint64(step), uint64(burst)); high == 0 && low < uint64(depth) {
		depth = int64(low)
	}
	return pace{step, depth, max(per, depth)}
}

// micros is a span in whole microseconds, rounded up.
func micros(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return min(int64((d-1)/time.Microsecond)+1, farthest)
}

var errAnswer = errors.New("an answer that no script of failwell gives")

// read makes outcomes of the answer: whether it was admitted, when, and for each
// limit two numbers, or three where it was not; those of rates come first.
func read(t *meter.Taking, answer string, rates int) error {
	const size = 8
	number := func(i int) int64 {
		var b [size]byte
		copy(b[:], answer[i*size:])
		return int64(math.Float64frombits(binary.LittleEndian.Uint64(b[:])))
	}
	if len(answer) < 2*size {
		return errAnswer
	}
	each := 3
	if t.Admitted = number(0) == 1; t.Admitted {
		each = 2
	}
	if len(answer) != size*(2+each*len(t.Demands)) {
		return errAnswer
	}
	now, rate, counter := number(1), 2, 2+each*rates
	for i := range t.Demands {
		d, at := &t.Demands[i], &rate
		if d.Rule.Kind.Counts() {
			at = &counter
		}
		var third int64
		if !t.Admitted {
			third = number(*at + 2)
		}
		if d.Rule.Kind.Counts() {
			t.Outcomes[i] = counterOutcome(d, now, number(*at), number(*at+1), third == 1)
		} else {
			t.Outcomes[i] = rateOutcome(d.Rule, now, number(*at), number(*at+1), third)
		}
		*at += each
	}
	return nil
}

func rateOutcome(r *meter.Rule, now, full, used, wait int64) meter.Outcome {
	p := paceOf(r)
	o := meter.Outcome{Reset: time.UnixMicro(full).UTC(), Refused: wait != 0, Never: wait < 0}
	if wait > 0 {
		o.RetryAfter = time.Duration(wait) * time.Microsecond
	}
	if r.Kind == meter.Window {
		o.Remaining = max(p.step-used, 0)
	} else {
		o.Remaining = (now + p.depth - full) / p.step
	}
	return o
}

func counterOutcome(d *meter.Demand, now, room, ends int64, refused bool) meter.Outcome {
	o := meter.Outcome{Remaining: max(room, 0), Refused: refused}
	allowance := d.Rule.Kind == meter.Allowance
	if allowance {
		o.Reset = time.UnixMicro(ends).UTC()
	}
	if !refused {
		return o
	}
	o.Never = d.Rule.Kind != meter.Balance && d.Cost > d.Rule.Limit
	switch {
	case !allowance:
		o.Timeless = true
	case !o.Never:
		o.RetryAfter = time.Duration(ends-now) * time.Microsecond
	}
	return o
}
