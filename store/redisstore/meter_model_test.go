package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/meter/metertest"
)

// clocked is a script that reads the time from a hash of the server.
func clocked(t testing.TB, source string) *rueidis.Lua {
	t.Helper()
	replaced := strings.Replace(source, "call('TIME')", "call('HMGET', 'clock', 's', 'us')", 1)
	if replaced == source {
		t.Fatal("the script reads no time")
	}
	// Redis would go by its own clock.
	return rueidis.NewLuaScript(strings.ReplaceAll(replaced, "call('PEXPIREAT',", "call('EXISTS',"))
}

// clockedStore is one of a server whose scripts of the meter do that.
func clockedStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), servers.Redis(t, servers.RedisOptions{}).URL(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.take, s.settle = clocked(t, ratesSource+countersSource+takeSource), clocked(t, settleSource+countersSource+settleEndSource)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type fataler interface{ Fatal(args ...any) }

func setClock(t fataler, s *Store, micros int64) {
	err := s.link.client.Do(context.Background(), s.link.client.B().Hset().Key("clock").FieldValue().
		FieldValue("s", decimal(micros/1_000_000)).FieldValue("us", decimal(micros%1_000_000)).Build()).Error()
	if err != nil {
		t.Fatal(err)
	}
}

// driven is a meter on a clock of the suite's.
type driven struct {
	*Store

	t     *testing.T
	clock func() time.Time
	mu    sync.Mutex
	set   int64
}

func (d *driven) tick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.clock().UnixMicro(); d.set != now {
		setClock(d.t, d.Store, now)
		d.set = now
	}
}

// Take tells waits to the nanosecond, as the suite's clock has it; the server's
// ends at microseconds.
func (d *driven) Take(ctx context.Context, t *meter.Taking) error {
	d.tick() // the clock is set for whoever comes, not for this call
	past := time.Duration(d.clock().Nanosecond() % 1000)
	err := d.Store.Take(ctx, t)
	for i := range t.Outcomes {
		if o := &t.Outcomes[i]; o.RetryAfter > 0 {
			o.RetryAfter -= past
		}
	}
	return err
}

func (d *driven) Settle(ctx context.Context, x *meter.Settlement) error {
	d.tick() // the clock is set for whoever comes, not for this call
	return d.Store.Settle(ctx, x)
}

func TestMeterConformanceDriven(t *testing.T) {
	t.Parallel()
	s := clockedStore(t)
	metertest.Run(t, metertest.Driven(func(t *testing.T, clock func() time.Time) meter.Meter {
		// The suite uses the same names again, and expects them to be new.
		if err := s.link.client.Do(t.Context(), s.link.client.B().Flushall().Build()).Error(); err != nil {
			t.Fatal(err)
		}
		return &driven{Store: s, t: t, clock: clock}
	}))
}

// reference keeps limits as the arithmetic in Go has them, each as its bytes.
type reference map[string][]byte

func (r reference) load(t *rapid.T, owner string, demands []meter.Demand) []meter.State {
	states := make([]meter.State, len(demands))
	for i := range demands {
		if b, ok := r[r.name(owner, &demands[i])]; ok {
			s, rest, err := meter.ParseState(b)
			if err != nil || len(rest) > 0 {
				t.Fatal(err)
			}
			states[i] = s
		}
	}
	return states
}

func (r reference) keep(owner string, demands []meter.Demand, states []meter.State) {
	for i := range demands {
		r[r.name(owner, &demands[i])] = states[i].Append(nil)
	}
}

func (r reference) name(owner string, d *meter.Demand) string {
	return fmt.Sprintf("%q %q %q %q %d", owner, d.Limit, d.Subject, d.Operation, d.Rule.Kind)
}

var modelRules = map[string]*meter.Rule{
	"fast":    {Kind: meter.Rate, Limit: 5, Per: time.Second},
	"odd":     {Kind: meter.Rate, Limit: 7, Burst: 3, Per: 10*time.Second + 1},
	"tiny":    {Kind: meter.Rate, Limit: 3, Per: 2 * time.Microsecond},
	"huge":    {Kind: meter.Rate, Limit: meter.MaxUnits, Per: time.Hour},
	"long":    {Kind: meter.Rate, Limit: 1, Per: 290 * 365 * 24 * time.Hour},
	"window":  {Kind: meter.Window, Limit: 4, Per: time.Second},
	"minute":  {Kind: meter.Window, Limit: 2, Per: time.Minute},
	"monthly": {Kind: meter.Allowance, Limit: 10, Period: meter.Month},
	"daily":   {Kind: meter.Allowance, Limit: 5, Period: meter.Day},
	"money":   {Kind: meter.Balance},
	"bytes":   {Kind: meter.Capacity, Limit: 20},
	"slots":   {Kind: meter.Slots, Limit: 3},
}

// altered are rules that take over from others of the same name and kind. There
// are no rates: whether a state that a smaller rule takes as free is written
// back by a call that only asks is left to the keeper.
var altered = map[string]*meter.Rule{
	"bytes": {Kind: meter.Capacity, Limit: 5},
	"daily": {Kind: meter.Allowance, Limit: 5, Period: meter.Month},
}

// crowded are rates of one subject that small calls meet on, so that there are
// appointments.
var crowded = []string{"fast", "odd", "window", "minute"}

func drawDemands(t *rapid.T, kinds []string) []meter.Demand {
	if len(kinds) == len(crowded) {
		names := rapid.SampledFrom([][]string{{"fast"}, {"fast"}, {"window"}, {"odd", "window"}, {"window", "fast", "minute"}}).Draw(t, "limits")
		demands := make([]meter.Demand, len(names))
		for i, name := range names {
			demands[i] = meter.Demand{Limit: name, Subject: "acct", Rule: ruleOf(t, name), Cost: rapid.SampledFrom([]int64{1, 1, 1, 1, 1, 2, 0}).Draw(t, "cost")}
		}
		return demands
	}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(kinds), 1, 4, rapid.ID).Draw(t, "limits")
	demands := make([]meter.Demand, len(names))
	for i, name := range names {
		demands[i] = meter.Demand{
			Limit: name, Subject: rapid.SampledFrom([]string{"acct", "key}{"}).Draw(t, "subject"), Rule: ruleOf(t, name),
			Cost: rapid.SampledFrom([]int64{1, 1, 1, 0, 2, 3, 11}).Draw(t, "cost"),
		}
	}
	return demands
}

func ruleOf(t *rapid.T, name string) *meter.Rule {
	if r, ok := altered[name]; ok && rapid.IntRange(0, 9).Draw(t, "altered") == 0 {
		return r
	}
	return modelRules[name]
}

// Random histories on the server and in Go, on one clock, must agree to the
// microsecond.
func TestMeterAgreesWithTheArithmetic(t *testing.T) {
	t.Parallel()
	s := clockedStore(t)
	histories := 0
	rapid.Check(t, func(t *rapid.T) {
		histories++
		owner := fmt.Sprintf("acct%d", histories)
		model := reference{}
		now := time.Date(2031, time.December, 31, 23, 59, 58, 0, time.UTC).UnixMicro()
		tick := func() meter.Instant {
			setClock(t, s, now)
			return meter.At(time.UnixMicro(now))
		}
		var kinds []string
		for name := range modelRules {
			kinds = append(kinds, name)
		}
		if rapid.Bool().Draw(t, "rates") {
			kinds = crowded
		}
		var told []time.Duration
		holds := rapid.SampledFrom([]string{"a", "b", "c", ""})
		last := uint64(meter.MaxUnits - 10_000)
		claim := func() uint64 { last++; return last }
		settles := rapid.Uint64Range(0, 5) // whose claim, counted back; 0 is all
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				demands := drawDemands(t, kinds)
				got := meter.Taking{
					Owner: owner, Caller: rapid.Uint32Range(0, 40).Draw(t, "caller"), Hold: holds.Draw(t, "hold"),
					Claim: claim(), Lease: 2 * time.Second, Keep: time.Hour, Demands: demands, Outcomes: make([]meter.Outcome, len(demands)),
				}
				want := got
				want.Outcomes = make([]meter.Outcome, len(demands))
				if got.Check() != nil {
					return // slots without a hold
				}
				at := tick()
				states := model.load(t, owner, demands)
				if want.Decide(states, at) {
					model.keep(owner, demands, states)
				}
				if err := s.Take(t.Context(), &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("take at %d (want -, got +):\n%s", now, diff)
				}
				for i := range got.Outcomes {
					if wait := got.Outcomes[i].RetryAfter; wait > 0 && wait < time.Minute {
						told = append(told, wait)
					}
				}
			},
			"crowd": func(t *rapid.T) {
				demands := []meter.Demand{{Limit: "fast", Subject: "acct", Rule: modelRules["fast"], Cost: 1}}
				at := tick()
				first := rapid.Uint32Range(0, 30).Draw(t, "first")
				for caller := first; caller < first+40; caller++ {
					got := meter.Taking{Owner: owner, Caller: caller, Demands: demands, Outcomes: make([]meter.Outcome, 1)}
					want := got
					want.Outcomes = make([]meter.Outcome, 1)
					states := model.load(t, owner, demands)
					if want.Decide(states, at) {
						model.keep(owner, demands, states)
					}
					if err := s.Take(t.Context(), &got); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("take at %d (want -, got +):\n%s", now, diff)
					}
				}
			},
			"crowd on a hold": func(t *rapid.T) {
				demands := []meter.Demand{{Limit: "money", Subject: "acct", Rule: modelRules["money"], Cost: 1}}
				at := tick()
				for range meter.MaxClaims {
					got := meter.Taking{
						Owner: owner, Hold: "a", Claim: claim(), Lease: 2 * time.Second, Keep: time.Hour, Demands: demands, Outcomes: make([]meter.Outcome, 1),
					}
					states := model.load(t, owner, demands)
					if got.Decide(states, at) {
						model.keep(owner, demands, states)
					}
					if err := s.Take(t.Context(), &got); err != nil {
						t.Fatal(err)
					}
				}
			},
			"settle": func(t *rapid.T) {
				x := meter.Settlement{Owner: owner, Hold: holds.Draw(t, "hold"), Claim: settles.Draw(t, "claim")}
				if x.Claim > 0 {
					x.Claim = last + 1 - x.Claim
				}
				switch {
				case x.Hold == "":
				case rapid.Bool().Draw(t, "left"):
					x.Left = true
				case rapid.Bool().Draw(t, "whole"):
					x.Whole = true
				case rapid.Bool().Draw(t, "once"):
					x.Once = rapid.SampledFrom([]time.Duration{1, time.Second, time.Hour}).Draw(t, "keep")
				}
				demands := drawDemands(t, kinds)
				for i := range demands {
					x.Changes = append(x.Changes, meter.Change{Demand: demands[i], Kept: rapid.Int64Range(0, 12).Draw(t, "kept")})
				}
				at := tick()
				states := model.load(t, owner, demands)
				if x.Resolve(states, at) {
					model.keep(owner, demands, states)
				}
				if err := s.Settle(t.Context(), &x); err != nil {
					t.Fatal(err)
				}
			},
			"obey": func(t *rapid.T) {
				if len(told) > 0 {
					now += rapid.SampledFrom(told).Draw(t, "told").Microseconds() + rapid.Int64Range(-1, 1).Draw(t, "off")
					told = nil
				}
			},
			"advance a little": func(t *rapid.T) {
				now += rapid.Int64Range(1, 300_000).Draw(t, "by")
			},
			"advance": func(t *rapid.T) {
				now += rapid.SampledFrom([]int64{
					1, 999, 199_999, 200_000, 250_000, 1_000_000, 2_000_000, 20_000_000, 3_600_000_000, 86_400_000_000, 40 * 86_400_000_000,
				}).Draw(t, "by")
			},
		})
	})
}
