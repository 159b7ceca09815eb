package metertest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/storetest"
)

// model is one limit as a child would keep it: with a list of what was taken.
type model struct {
	rule    *meter.Rule
	entries []entry
	// level is how much of a rate is taken, in microseconds of work, at the
	// instant asOf; for a window it is units, and asOf is its end.
	level, asOf int64
	// corrected says that a wait that was told may have become shorter.
	corrected bool
}

// entry is something that was taken of a counter.
type entry struct {
	hold   string // "" is for good
	amount int64
	claims []uint64
	// crowded: there were more claims than a hold tells apart.
	crowded bool
	until   time.Time // zero is for good
	// period is when the period ends that it belongs to.
	period time.Time
}

func micros(t time.Time) int64 { return t.UnixMicro() }

// step and depth are a rate's; one unit takes a step, all of them the depth.
func (m *model) step() int64 {
	per := (m.rule.Per + time.Microsecond - 1).Microseconds()
	return (per + m.rule.Limit - 1) / m.rule.Limit
}

func (m *model) depth() int64 {
	if m.rule.Burst > 0 {
		return m.step() * m.rule.Burst
	}
	return m.step() * m.rule.Limit
}

func (m *model) end(now time.Time) time.Time {
	y, month, d := now.UTC().Date()
	if m.rule.Kind != meter.Allowance {
		return time.Time{}
	}
	if m.rule.Period == meter.Day {
		return day(y, month, d).AddDate(0, 0, 1)
	}
	return day(y, month, 1).AddDate(0, 1, 0)
}

// roll brings the model to now.
func (m *model) roll(now time.Time) {
	switch at := micros(now); m.rule.Kind {
	case meter.Rate:
		m.level, m.asOf = max(m.level-(at-m.asOf), 0), at
	case meter.Window:
		if at >= m.asOf {
			m.level, m.asOf = 0, at
		}
	case meter.Allowance, meter.Balance, meter.Capacity, meter.Slots:
		for i := range m.entries {
			e := &m.entries[i]
			if !e.until.IsZero() && !now.Before(e.until) {
				*e = entry{amount: e.amount, period: e.period}
				if m.rule.Kind == meter.Capacity || m.rule.Kind == meter.Slots {
					e.amount = 0
				}
			}
		}
	}
}

func (m *model) remaining(now time.Time) int64 {
	left := m.rule.Limit
	switch m.rule.Kind {
	case meter.Rate:
		return (m.depth() - m.level) / m.step()
	case meter.Window:
		return left - m.level
	case meter.Balance:
		left = 0
	case meter.Allowance, meter.Capacity, meter.Slots:
	}
	for _, e := range m.entries {
		if e.period.Equal(m.end(now)) {
			left -= e.amount
		}
	}
	return left
}

func (m *model) find(hold string) int {
	return slices.IndexFunc(m.entries, func(e entry) bool { return e.hold == hold })
}

// want is the outcome before a charge.
func (m *model) want(now time.Time, cost int64, hold string) meter.Outcome {
	o := meter.Outcome{Remaining: max(m.remaining(now), 0), Reset: m.end(now)}
	held := m.rule.Kind.Counts() && hold != "" && m.find(hold) >= 0
	if cost == 0 || held || cost <= m.remaining(now) {
		return o
	}
	o.Refused = true
	switch m.rule.Kind {
	case meter.Rate:
		o.Never = cost > m.depth()/m.step()
		o.RetryAfter = time.Duration(cost*m.step()+m.level-m.depth()) * time.Microsecond
	case meter.Window:
		o.Never = cost > m.rule.Limit
		o.RetryAfter = time.Duration(m.asOf-micros(now)) * time.Microsecond
	case meter.Allowance:
		o.Never = cost > m.rule.Limit
		o.RetryAfter = o.Reset.Sub(now.Truncate(time.Microsecond))
	case meter.Capacity, meter.Slots:
		o.Never, o.Timeless = cost > m.rule.Limit, true
	case meter.Balance:
		o.Timeless = true
	}
	if o.Never {
		o.RetryAfter = 0
	} else if o.RetryAfter > 0 {
		o.RetryAfter -= now.Sub(now.Truncate(time.Microsecond))
	}
	return o
}

func (m *model) charge(now time.Time, cost int64, by *meter.Taking, ttl time.Duration) {
	hold := by.Hold
	switch {
	case cost == 0:
	case m.rule.Kind == meter.Rate:
		m.level += cost * m.step()
	case m.rule.Kind == meter.Window:
		if m.asOf == micros(now) {
			m.asOf += (m.rule.Per + time.Microsecond - 1).Microseconds()
		}
		m.level += cost
	case hold == "":
		m.entries = append(m.entries, entry{amount: cost, period: m.end(now)})
	default:
		i := m.find(hold)
		if i < 0 {
			i = len(m.entries)
			m.entries = append(m.entries, entry{hold: hold, amount: cost, period: m.end(now)})
		}
		e := &m.entries[i]
		if e.claims = append(e.claims, by.Claim); len(e.claims) > meter.MaxClaims || e.crowded {
			e.claims, e.crowded = nil, true
		}
		if until := now.Truncate(time.Microsecond).Add(ttl); until.After(e.until) {
			e.until = until
		}
	}
}

// settle does to a counter what a Settlement with a hold says.
func (m *model) settle(now time.Time, s *meter.Settlement, kept int64) {
	i := m.find(s.Hold)
	if i < 0 || !m.rule.Kind.Counts() {
		return
	}
	e := &m.entries[i]
	mine := slices.Index(e.claims, s.Claim)
	switch {
	case mine < 0 && (s.Left || s.Claim != 0 && !e.crowded && !s.Whole):
	case mine < 0 && s.Claim != 0 && !e.crowded:
		m.entries = slices.Delete(m.entries, i, i+1)
	case s.Left && len(e.claims) > 1:
		e.claims = slices.Delete(e.claims, mine, mine+1)
	case s.Left || m.rule.Kind == meter.Slots || !e.period.Equal(m.end(now)):
		m.entries = slices.Delete(m.entries, i, i+1)
	default:
		*e = entry{amount: kept, period: e.period}
	}
}

// testModel compares random histories over all kinds with the model.
func testModel(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		f.Clock.Set(storetest.NewClock().Now())
		models := []*model{
			{rule: drawRate(t, "a")},
			{rule: drawRate(t, "b")},
			{rule: &meter.Rule{Kind: meter.Allowance, Limit: 12}},
			{rule: &meter.Rule{Kind: meter.Allowance, Limit: 7, Period: meter.Day}},
			{rule: &meter.Rule{Kind: meter.Balance}},
			{rule: &meter.Rule{Kind: meter.Capacity, Limit: 15}},
			{rule: &meter.Rule{Kind: meter.Slots, Limit: 6}},
		}
		var rules []*meter.Rule
		for _, m := range models {
			rules = append(rules, m.rule)
		}
		c := f.calls(t, rules...)
		c.Lease, c.Keep = 40*time.Minute, 20*time.Hour
		w := &walk{f: f, t: t, c: c, models: models}
		t.Repeat(map[string]func(*rapid.T){
			"take": w.take, "take again": w.take, "settle": w.settle, "pay": w.pay, "give back": w.giveBack,
			"advance": func(t *rapid.T) {
				f.Clock.Advance(rapid.SampledFrom([]time.Duration{
					1, time.Microsecond, 77 * time.Second, 19 * time.Minute, 5 * time.Hour, 40 * time.Hour, 700 * time.Hour,
				}).Draw(t, "by"))
			},
		})
	})
}

type walk struct {
	f      *fixture
	t      failer
	c      *caller
	models []*model
	// appointed is until when the caller may have an appointment, which it keeps
	// when it asks fewer limits the next time.
	appointed time.Time
}

var holds = []string{"a", "b", "c", "d"}

func (w *walk) take(t *rapid.T) {
	now, c := w.f.Clock.Now(), w.c
	c.t = t
	c.Hold = rapid.SampledFrom(holds).Draw(t, "hold")
	admitted := true
	wants := make([]meter.Outcome, len(w.models))
	for i, m := range w.models {
		m.roll(now)
		c.Demands[i].Cost = rapid.SampledFrom([]int64{0, 0, 1, 1, 2, 5}).Draw(t, fmt.Sprint("cost ", i))
		wants[i] = m.want(now, c.Demands[i].Cost, c.Hold)
		admitted = admitted && !wants[i].Refused
	}
	if c.again() != admitted {
		t.Fatalf("admitted %v, want %v: %+v, want %+v", c.Admitted, admitted, c.Outcomes, wants)
	}
	for i, m := range w.models {
		if admitted {
			ttl := c.Lease
			if m.rule.Kind == meter.Allowance || m.rule.Kind == meter.Balance {
				ttl = c.Keep
			}
			m.charge(now, c.Demands[i].Cost, &c.Taking, ttl)
			wants[i].Remaining = max(m.remaining(now), 0)
		}
		got := c.Outcomes[i]
		if !m.rule.Kind.Counts() {
			got.Reset = time.Time{} // testRemaining looks at it
		}
		told := m.corrected && got.RetryAfter <= span(m.rule) || !now.Add(got.RetryAfter).After(w.appointed)
		if told && got.RetryAfter > wants[i].RetryAfter {
			got.RetryAfter = wants[i].RetryAfter // told before the correction, or for more limits
		}
		if got != wants[i] {
			t.Fatalf("limit %d, %+v: %+v, want %+v", i, m.rule, got, wants[i])
		}
	}
	if at := now.Add(c.wait()); at.After(w.appointed) {
		w.appointed = at
	}
}

// change draws a settlement of one limit.
func (w *walk) change(t *rapid.T, first, last int) (*model, meter.Settlement) {
	i := rapid.IntRange(first, last).Draw(t, "limit")
	w.models[i].roll(w.f.Clock.Now())
	return w.models[i], meter.Settlement{Owner: w.c.Owner, Changes: []meter.Change{{Demand: w.c.Demands[i]}}}
}

func (w *walk) send(t *rapid.T, s *meter.Settlement, cost, kept int64) {
	s.Changes[0].Cost, s.Changes[0].Kept = cost, kept
	if err := w.f.Meter.Settle(w.f.ctx, s); err != nil {
		t.Fatalf("settle: %v", err)
	}
}

func (w *walk) settle(t *rapid.T) {
	m, s := w.change(t, 0, len(w.models)-1)
	s.Hold, s.Left = rapid.SampledFrom(holds).Draw(t, "hold"), rapid.Bool().Draw(t, "left")
	s.Whole = !s.Left && rapid.Bool().Draw(t, "whole")
	if back := rapid.Uint64Range(0, 5).Draw(t, "claim"); back > 0 {
		s.Claim = w.f.claims.Load() - min(back, w.f.claims.Load()) + 1
	}
	kept := rapid.Int64Range(0, 6).Draw(t, "kept")
	w.send(t, &s, 1, kept)
	m.settle(w.f.Clock.Now(), &s, kept)
}

func (w *walk) pay(t *rapid.T) {
	m, s := w.change(t, 4, 4)
	n := rapid.Int64Range(1, 20).Draw(t, "units")
	if rapid.Bool().Draw(t, "once") {
		s.Hold, s.Once = rapid.SampledFrom([]string{"p", "q"}).Draw(t, "payment"), time.Hour
	}
	w.send(t, &s, n, 0)
	if s.Once == 0 {
		m.entries = append(m.entries, entry{amount: -n})
	} else if m.find(s.Hold) < 0 {
		now := w.f.Clock.Now()
		m.entries = append(m.entries, entry{amount: -n}, entry{hold: s.Hold, until: now.Truncate(time.Microsecond).Add(s.Once)})
	}
}

func (w *walk) giveBack(t *rapid.T) {
	m, s := w.change(t, 0, 1)
	n := rapid.Int64Range(1, 5).Draw(t, "units")
	w.send(t, &s, n, 0)
	if m.rule.Kind == meter.Rate {
		m.level = max(m.level-n*m.step(), 0)
	} else {
		m.level = max(m.level-n, 0)
	}
	m.corrected = true
}
