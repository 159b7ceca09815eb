package metertest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/store/meter"
)

// visit is a caller on its way back.
type visit struct {
	*caller
	at time.Time
}

// crowd has members of a crowd refused together, each with a cost of its own,
// and returns who was given an appointment, in the order in which they come back.
// Who was told to wait for just a window has none.
func (f *fixture) crowd(t failer, c *caller, members int, cost func() int64) (visits []visit) {
	t.Helper()
	for i := range members {
		m := c.like(uint32(i+1), "")
		for j := range m.Demands {
			m.Demands[j].Cost = cost()
		}
		if m.again() {
			t.Fatalf("admitted where all was taken: %+v", m.Outcomes)
		}
		wait, longest := m.wait(), time.Duration(0)
		for _, d := range c.Demands {
			longest = max(longest, span(d.Rule))
		}
		if wait <= 0 || wait > longest {
			t.Fatalf("member %d is to wait %v, the longest window is %v", i, wait, longest)
		}
		if wait <= longest-time.Microsecond {
			visits = append(visits, visit{m, f.Clock.Now().Add(wait)})
		}
	}
	slices.SortStableFunc(visits, func(a, b visit) int { return a.at.Compare(b.at) })
	for i := 1; i < len(visits); i++ {
		if visits[i].at.Equal(visits[i-1].at) {
			t.Fatalf("two of %d were told %v", members, visits[i].at)
		}
	}
	return visits
}

// span is one window of a rule: how long it takes until all of it is free.
func span(r *meter.Rule) time.Duration {
	m := model{rule: r}
	per := (r.Per + time.Microsecond - 1).Truncate(time.Microsecond)
	if r.Kind == meter.Window {
		return per
	}
	return max(per, time.Duration(m.depth())*time.Microsecond)
}

// keep has all come back when they were told to.
func (f *fixture) keep(t failer, visits []visit) {
	t.Helper()
	for i, v := range visits {
		f.Clock.Set(v.at)
		if !v.again() {
			t.Fatalf("%d of %d kept the appointment and was refused: %+v", i, len(visits), v.Outcomes)
		}
	}
}

// fill takes whatever is left.
func (c *caller) fill() {
	c.t.Helper()
	c.take(0)
	for i := range c.Demands {
		c.Demands[i].Cost = c.Outcomes[i].Remaining
	}
	if !c.again() {
		c.t.Fatalf("less than remained: %+v", c.Outcomes)
	}
}

func costs(t *rapid.T, most int64) func() int64 {
	return func() int64 { return rapid.Int64Range(1, most).Draw(t, "cost") }
}

// testAppointments: callers who are refused together and obey are each admitted
// when they first come back, no two of them at the same instant, and none is
// told to wait for more than a window.
func testAppointments(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		r := drawRate(t, "a")
		r.Per += time.Second
		c := f.calls(t, r)
		c.fill()
		f.Clock.Advance(r.Per / time.Duration(2*r.Limit+rapid.Int64Range(0, 50).Draw(t, "pause")))
		most := min(rapid.Int64Range(1, 4).Draw(t, "most"), max(r.Limit, 1))
		if r.Kind == meter.Rate && r.Burst > 0 {
			most = min(most, r.Burst)
		}
		visits := f.crowd(t, c, rapid.IntRange(1, 60).Draw(t, "members"), costs(t, most))
		if r.Kind == meter.Rate && r.Limit >= 4 && len(visits) == 0 {
			t.Fatalf("nobody got an appointment")
		}
		f.keep(t, visits)
	})
}

// testJointAppointments: the same where several limits count, of which only one
// refuses at first.
func testJointAppointments(f *fixture) {
	for _, rules := range [][]*meter.Rule{
		{{Limit: 5, Per: time.Second}, {Limit: 12, Per: time.Minute}},
		{{Limit: 5, Per: time.Second, Burst: 1}, {Limit: 12, Per: time.Minute}},
		{{Limit: 5, Per: time.Second}, {Limit: 30, Per: time.Minute, Burst: 9}, {Limit: 100, Per: time.Hour}},
		{{Limit: 5, Per: 10 * time.Second}, {Kind: meter.Window, Limit: 12, Per: time.Minute}},
	} {
		c := f.calls(f, rules...)
		for c.take(1) {
		}
		visits := f.crowd(f, c, 20, func() int64 { return 1 })
		if len(visits) < 6 {
			f.Fatalf("%d of 20 have an appointment", len(visits))
		}
		f.keep(f, visits)
	}
}

// testEarlyCallers: members of a crowd who ask again before it is time are told
// the same instant again, and cost the others nothing.
func testEarlyCallers(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		kind := rapid.SampledFrom([]meter.Kind{meter.Rate, meter.Window}).Draw(t, "kind")
		c := f.calls(t, &meter.Rule{Kind: kind, Limit: 60, Per: time.Minute})
		c.fill()
		f.Clock.Advance(500 * time.Millisecond)
		visits := f.crowd(t, c, rapid.IntRange(2, 12).Draw(t, "members"), func() int64 { return 1 })
		first := visits[0].at // from then on all of a window is free, and any of them may come
		for len(visits) > 0 {
			asks := visits[rapid.IntRange(0, len(visits)-1).Draw(t, "asks")]
			if now := f.Clock.Now(); visits[0].at.After(now) && (kind == meter.Rate || first.After(now)) {
				if asks.again() || asks.wait() != asks.at.Sub(now) {
					t.Fatalf("asked early: admitted %v, to wait %v instead of %v", asks.Admitted, asks.wait(), asks.at.Sub(now))
				}
			}
			pause := visits[0].at.Sub(f.Clock.Now())
			if rapid.Bool().Draw(t, "early") {
				pause = time.Duration(rapid.Int64Range(0, int64(pause)).Draw(t, "pause"))
			}
			f.Clock.Advance(pause)
			if visits[0].at.After(f.Clock.Now()) {
				continue
			}
			if !visits[0].again() {
				t.Fatalf("kept the appointment and was refused: %+v", visits[0].Outcomes)
			}
			visits = visits[1:]
		}
	})
}

// testWholeSeconds: Retry-After is sent in whole seconds, rounded up, so callers
// come late, some of them together. Where the burst can save up what a second
// frees, everybody still gets in at once.
func testWholeSeconds(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		r := drawRate(t, "a")
		r.Per, r.Burst = 10*time.Second+r.Per%time.Minute, 0
		most := min(3, r.Limit)
		c := f.calls(t, r)
		c.fill()
		f.Clock.Advance(r.Per / time.Duration(r.Limit+1))
		start := f.Clock.Now()
		visits := f.crowd(t, c, rapid.IntRange(1, 20).Draw(t, "members"), costs(t, most))
		for _, v := range visits {
			seconds := (v.at.Sub(start) + time.Second - 1).Truncate(time.Second)
			f.Clock.Set(start.Add(seconds))
			if !v.again() {
				// Three units may take longer than the burst saves up for one second.
				if r.Kind == meter.Rate && r.Per/time.Duration(r.Limit)*time.Duration(most) > r.Per-time.Second {
					continue
				}
				t.Fatalf("came a little late and was refused: %+v", v.Outcomes)
			}
		}
	})
}

// testLate: Retry-After is rounded up, so for a second after an appointment the
// unit is promised to nobody else; then it is.
func testLate(f *fixture) {
	for _, late := range []time.Duration{900 * time.Millisecond, time.Second} {
		c := f.calls(f, &meter.Rule{Limit: 10, Per: 100 * time.Second, Burst: 2})
		c.fill()
		a, b := c.like(1, ""), c.like(2, "")
		a.refused(1)
		f.Clock.Advance(a.wait() + late)
		b.refused(2)
		want := 20*time.Second - late // a is waited for, and b comes after it
		if late >= time.Second {
			want -= 10 * time.Second
		}
		if b.wait() != want {
			f.Fatalf("%v after an appointment that nobody kept yet: to wait %v, want %v", late, b.wait(), want)
		}
		if late < time.Second {
			a.admitted(1)
		}
		f.Clock.Advance(b.wait())
		b.admitted(2)
	}
}

// testSpread: all of a window is free at its start, but a crowd does not come at
// its start.
func testSpread(f *fixture) {
	c := f.calls(f, &meter.Rule{Kind: meter.Window, Limit: 60, Per: time.Minute})
	c.fill()
	f.Clock.Advance(30 * time.Second)
	visits := f.crowd(f, c, 60, func() int64 { return 1 })
	if len(visits) != 60 {
		f.Fatalf("%d of 60 have an appointment", len(visits))
	}
	if first, last := visits[0].at, visits[59].at; last.Sub(first) < 15*time.Second {
		f.Fatalf("all come between %v and %v, with 30 s to spread them over", first, last)
	}
	f.keep(f, visits)
}
