package redisstore

import (
	"context"
	"errors"
	"math/bits"
	"strconv"
	"time"

	"github.com/redis/rueidis"

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
	c := newCall(len(t.Demands), t.Owner)
	now := time.Now()
	for i := range t.Demands {
		c.count(&t.Demands[i])
	}
	c.numbers(int64(c.rates), int64(c.counters), int64(t.Caller), micros(t.Lease), micros(t.Keep))
	for i := range t.Demands {
		if d := &t.Demands[i]; !d.Rule.Kind.Counts() {
			c.rate(s, d, d.Cost)
		}
	}
	for i := range t.Demands {
		if d := &t.Demands[i]; d.Rule.Kind.Counts() {
			c.counter(s, d, d.Cost, now)
		}
	}
	answer, err := s.link.eval(ctx, s.take, c.keys, c.arguments(t.Hold)).ToArray()
	if err == nil {
		err = read(t, answer, c.rates)
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
	c := newCall(len(x.Changes), x.Owner)
	now := time.Now()
	for i := range x.Changes {
		if d := &x.Changes[i].Demand; d.Rule.Kind.Counts() || x.Hold == "" {
			c.count(d)
		}
	}
	if c.rates+c.counters == 0 {
		return nil // a hold is nothing to rates
	}
	var left int64
	if x.Left {
		left = 1
	}
	c.numbers(int64(c.rates), int64(c.counters), left, micros(x.Once))
	for i := range x.Changes {
		if h := &x.Changes[i]; !h.Rule.Kind.Counts() && x.Hold == "" {
			c.rate(s, &h.Demand, h.Kept-h.Cost)
		}
	}
	for i := range x.Changes {
		if h := &x.Changes[i]; h.Rule.Kind.Counts() {
			c.counter(s, &h.Demand, h.Kept-h.Cost, now)
			c.numbers(h.Kept)
		}
	}
	if err := s.link.eval(ctx, s.settle, c.keys, c.arguments(x.Hold)).Error(); err != nil {
		return s.link.failed(err)
	}
	return nil
}

// call is what a script is given: see lua/rates.lua.
type call struct {
	owner           string
	rates, counters int
	keys            []string
	fields          []string
	packed          []byte
}

func newCall(demands int, owner string) *call {
	return &call{
		owner: owner, keys: make([]string, 0, 1+2*demands), fields: make([]string, 2, 3+demands),
		packed: make([]byte, 0, 8*(5+7*demands)),
	}
}

func (c *call) count(d *meter.Demand) {
	if d.Rule.Kind.Counts() {
		c.counters++
	} else {
		c.rates++
	}
}

// numbers appends little-endian doubles, which hold every number of a meter exactly.
func (c *call) numbers(values ...int64) {
	for _, v := range values {
		c.packed = appendNumber(c.packed, v)
	}
}

func (c *call) arguments(hold string) []string {
	c.fields[0], c.fields[1] = rueidis.BinaryString(c.packed), hold
	return c.fields
}

func (c *call) rate(s *Store, d *meter.Demand, units int64) {
	if len(c.keys) == 0 {
		c.keys = append(c.keys, s.layout.owned(c.owner, 'r', nil))
		c.fields = append(c.fields, "")
	}
	c.fields = append(c.fields, string(appendName(make([]byte, 0, nameSize(d)), c.owner, d)))
	p := paceOf(d.Rule)
	c.numbers(int64(d.Rule.Kind), units, p.step, p.depth, p.span)
}

func (c *call) counter(s *Store, d *meter.Demand, units int64, now time.Time) {
	c.keys = append(c.keys, s.layout.owned(c.owner, 'c', d), s.layout.owned(c.owner, 'h', d))
	var from, to, day int64
	if d.Rule.Kind == meter.Allowance {
		from, to = period(d.Rule.Period, now)
		if d.Rule.Period == meter.Day {
			day = 1
		}
	}
	c.numbers(int64(d.Rule.Kind), units, d.Rule.Limit, from, to, day)
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
// limit two numbers, or three where it was not.
func read(t *meter.Taking, answer []rueidis.RedisMessage, rates int) error {
	if len(answer) < 2 {
		return errAnswer
	}
	number := func(i int) int64 {
		n, _ := answer[i].AsInt64() // no script of ours answers anything else
		return n
	}
	each := 3
	if t.Admitted = number(0) == 1; t.Admitted {
		each = 2
	}
	if len(answer) != 2+each*len(t.Demands) {
		return errAnswer
	}
	now, rate, counter := number(1), 2, 2+each*rates
	for i := range t.Demands {
		at := &rate
		if t.Demands[i].Rule.Kind.Counts() {
			at = &counter
		}
		var third int64
		if !t.Admitted {
			third = number(*at + 2)
		}
		o := &t.Outcomes[i]
		if t.Demands[i].Rule.Kind.Counts() {
			*o = counterOutcome(&t.Demands[i], now, number(*at), number(*at+1), third == 1)
		} else {
			*o = rateOutcome(t.Demands[i].Rule, now, number(*at), number(*at+1), third)
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

// owned is the name of a key that belongs to an owner's limits: all of them have
// one hash tag. Lengths keep names apart that run together.
func (l *layout) owned(owner string, sort byte, d *meter.Demand) string {
	b := make([]byte, 0, len(l.prefix)+len(owner)+16+nameSize(d))
	b = strconv.AppendInt(append(b, l.prefix...), int64(len(owner)), 10)
	b = append(append(append(append(b, "{m:"...), owner...), '}'), sort)
	if d != nil {
		b = appendName(b, owner, d)
	}
	return string(b)
}

func nameSize(d *meter.Demand) int {
	if d == nil {
		return 0
	}
	return 16 + len(d.Limit) + len(d.Subject) + len(d.Operation)
}

// appendName appends the name of a limit among those of its owner.
func appendName(b []byte, owner string, d *meter.Demand) []byte {
	b = append(b, '0'+byte(d.Rule.Kind))
	b = append(strconv.AppendInt(b, int64(len(d.Limit)), 10), '.')
	subject := d.Subject
	if subject == owner {
		subject = ""
		b = append(b, '=')
	} else {
		b = strconv.AppendInt(b, int64(len(subject)), 10)
	}
	return append(append(append(append(b, ':'), d.Limit...), subject...), d.Operation...)
}
