package redisstore

import (
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store/meter"
)

// handful is how many demands a call mostly has at most; more cost allocations.
const handful = 8

// call is what a script of the meter is given: see lua/rates.lua. All its texts
// are parts of one, which nobody writes to once it is sent: a call that is given
// up may still be in a queue.
type call struct {
	layout  *layout
	owner   string
	demands []*meter.Demand
	rates   int
	text    []byte
	now     time.Time
}

// newCall begins a call over demands of one owner, rates first.
func (s *Store) newCall(owner string, demands []*meter.Demand, rates int) call {
	size := 8 * (6 + 7*len(demands))
	for i, d := range demands {
		names := 1
		if i >= rates {
			names = 2
		}
		size += names * (len(s.layout.prefix) + len(owner) + 8 + nameSize(d))
	}
	size += len(s.layout.prefix) + len(owner) + 8
	return call{layout: &s.layout, owner: owner, demands: demands, rates: rates, text: make([]byte, 0, size)}
}

// numbers appends little-endian doubles, which hold every number of a meter exactly.
func (c *call) numbers(values ...int64) {
	for _, v := range values {
		c.text = appendNumber(c.text, v)
	}
}

func (c *call) rate(d *meter.Demand, units int64) {
	p := paceOf(d.Rule)
	c.numbers(int64(d.Rule.Kind), units, p.step, p.depth, p.span)
}

func (c *call) counter(d *meter.Demand, units int64) {
	var from, to, day int64
	if d.Rule.Kind == meter.Allowance {
		if c.now.IsZero() {
			c.now = time.Now()
		}
		from, to = period(d.Rule.Period, c.now)
		if d.Rule.Period == meter.Day {
			day = 1
		}
	}
	c.numbers(int64(d.Rule.Kind), units, d.Rule.Limit, from, to, day)
}

// texts ends the call: after the numbers come the names.
func (c *call) texts(hold string) (keys, args []string) {
	counters := len(c.demands) - c.rates
	var some [3*handful + 3]int
	ends := append(some[:0], len(c.text))
	end := func() { ends = append(ends, len(c.text)) }
	if c.rates > 0 {
		c.text = c.layout.appendOwned(c.text, c.owner, 'r', nil)
		end()
	}
	for _, d := range c.demands[c.rates:] {
		c.text = c.layout.appendOwned(c.text, c.owner, 'c', d)
		end()
		c.text = c.layout.appendOwned(c.text, c.owner, 'h', d)
		end()
	}
	for _, d := range c.demands[:c.rates] {
		c.text = appendName(c.text, c.owner, d)
		end()
	}
	text := rueidis.BinaryString(c.text)
	all := make([]string, 0, len(ends)+3)
	for i := range len(ends) - 1 {
		all = append(all, text[ends[i]:ends[i+1]])
		if i+1 == min(c.rates, 1)+2*counters {
			all = append(all, text[:ends[0]], hold, "") // between the keys and the fields
		}
	}
	names := min(c.rates, 1) + 2*counters
	if c.rates == 0 {
		return all[:names], all[names : names+2]
	}
	return all[:names], all[names:]
}

// owned is the name of a key that belongs to an owner's limits: all of them have
// one hash tag. Lengths keep names apart that run together.
func (l *layout) owned(owner string, sort byte, d *meter.Demand) string {
	return string(l.appendOwned(nil, owner, sort, d))
}

func (l *layout) appendOwned(b []byte, owner string, sort byte, d *meter.Demand) []byte {
	b = strconv.AppendInt(append(b, l.prefix...), int64(len(owner)), 10)
	b = append(append(append(append(b, "{m:"...), owner...), '}'), sort)
	if d != nil {
		b = appendName(b, owner, d)
	}
	return b
}

func nameSize(d *meter.Demand) int { return 16 + len(d.Limit) + len(d.Subject) + len(d.Operation) }

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
