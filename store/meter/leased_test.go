package meter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// counting counts how often the meter behind is asked.
type counting struct {
	Meter

	takes, settles atomic.Int64
	fail           atomic.Bool
}

var errBehind = errors.New("the meter behind is away")

func (c *counting) Take(ctx context.Context, t *Taking) error {
	if c.takes.Add(1); c.fail.Load() {
		return errBehind
	}
	return c.Meter.Take(ctx, t)
}

func (c *counting) Settle(ctx context.Context, s *Settlement) error {
	c.settles.Add(1)
	return c.Meter.Settle(ctx, s)
}

func one(r *Rule, cost int64) *Taking {
	return &Taking{Owner: "acct", Demands: []Demand{{Limit: "a", Subject: "key", Rule: r, Cost: cost}}, Outcomes: make([]Outcome, 1)}
}

func take(t interface{ Fatal(args ...any) }, m Meter, x *Taking) bool {
	if err := m.Take(context.Background(), x); err != nil {
		t.Fatal(err)
	}
	return x.Admitted
}

func closeLeased(t *testing.T, l *Leased) {
	t.Helper()
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestLeasedOvershoot: processes that share a meter admit at most the limit plus
// a lease each in any window, whatever they do and whenever they give back; and
// refuse nobody for whom the meter behind has room.
func TestLeasedOvershoot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := newFakeClock()
		behind := &Local{Clock: clock.Now}
		processes := rapid.IntRange(1, 4).Draw(t, "processes")
		rule := &Rule{
			Kind: rapid.SampledFrom([]Kind{Rate, Window}).Draw(t, "kind"), Limit: rapid.Int64Range(5, 100).Draw(t, "limit"),
			Per: time.Duration(rapid.Int64Range(1e6, 1e11).Draw(t, "per")),
		}
		parts := rapid.Int64Range(1, 20).Draw(t, "parts")
		lease := rule.Limit / parts
		leased := make([]*Leased, processes)
		for i := range leased {
			leased[i] = &Leased{Behind: behind, Clock: clock.Now, Parts: parts, Idle: time.Hour}
			defer func() {
				if err := leased[i].Close(context.Background()); err != nil {
					t.Fatal(err)
				}
			}()
		}
		type admission struct {
			at   time.Time
			cost int64
		}
		var admitted []admission
		for range 300 {
			l := rapid.SampledFrom(leased).Draw(t, "process")
			switch rapid.IntRange(0, 19).Draw(t, "what") {
			case 0, 1:
				clock.Advance(time.Duration(rapid.Int64Range(0, int64(rule.Per)/4).Draw(t, "pause")))
			case 2:
				clock.Advance(time.Duration(rapid.Int64Range(0, int64(rule.Per)*3/2).Draw(t, "long pause")))
			case 3:
				if err := l.giveBack(context.Background(), clock.Now().Add(-rule.Per/10)); err != nil {
					t.Fatal(err)
				}
			default:
				x := one(rule, rapid.Int64Range(1, 3).Draw(t, "cost"))
				if take(t, l, x) {
					admitted = append(admitted, admission{clock.Now(), x.Demands[0].Cost})
				} else if take(t, behind, one(rule, x.Demands[0].Cost)) {
					t.Fatalf("refused %d where the meter behind had room: %+v", x.Demands[0].Cost, x.Outcomes)
				}
			}
		}
		// In any span of one window: a fixed one can end and begin within it, and a
		// bucket is as deep as it fills.
		most := 2*rule.Limit + int64(processes)*lease
		for i := range admitted {
			sum := int64(0)
			for _, a := range admitted[i:] {
				if a.at.Sub(admitted[i].at) < rule.Per {
					sum += a.cost
				}
			}
			if sum > most {
				t.Fatalf("%d were admitted in a window from %v on; %d x limit %d, %d processes, lease %d", sum, admitted[i].at, 2, rule.Limit, processes, lease)
			}
		}
	})
}

// TestLeasedOvershootOfAWindow: processes that stored up leases in one window
// give them out in the next if they do not learn that it began; no more.
func TestLeasedOvershootOfAWindow(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Rate, Window} {
		clock := newFakeClock()
		behind := &Local{Clock: clock.Now}
		rule := &Rule{Kind: kind, Limit: 100, Per: time.Minute}
		const processes, lease = 4, 5
		leased := make([]*Leased, processes)
		late := -2 * time.Minute // the processes' clocks are behind
		for i := range leased {
			leased[i] = &Leased{Behind: behind, Clock: func() time.Time { return clock.Now().Add(late) }, Idle: time.Hour}
			closeLeased(t, leased[i])
			if !take(t, leased[i], one(rule, 1)) {
				t.Fatal("refused the first call")
			}
		}
		clock.Advance(time.Minute)
		admitted := 0
		for again := true; again; {
			again = false
			for _, l := range leased {
				if take(t, l, one(rule, 1)) {
					admitted++
					again = true
				}
			}
		}
		if admitted <= 100 || admitted > 100+processes*lease {
			t.Errorf("kind %d: %d were admitted; want more than 100, at most %d", kind, admitted, 100+processes*lease)
		}
	}
}

// TestLeasedTogether: when no time passes, processes with any number of callers
// admit exactly the limit.
func TestLeasedTogether(t *testing.T) {
	t.Parallel()
	for _, rule := range []*Rule{{Limit: 400, Per: 1000 * time.Hour}, {Kind: Window, Limit: 400, Per: time.Hour}, {Kind: Allowance, Limit: 400}} {
		behind := &counting{Meter: &Local{}}
		leased := make([]*Leased, 4)
		for i := range leased {
			leased[i] = &Leased{Behind: behind, Idle: time.Hour}
			closeLeased(t, leased[i])
		}
		var admitted atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for range 60 {
					if take(t, leased[i%len(leased)], one(rule, 1)) {
						admitted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		for _, l := range leased { // what is held has to be given out by its holder
			for take(t, l, one(rule, 1)) {
				admitted.Add(1)
			}
		}
		if admitted.Load() != 400 {
			t.Errorf("%+v: %d were admitted", rule, admitted.Load())
		}
	}
}

// TestLeasedAsksSeldom: a call in a row of many does not ask the meter behind.
func TestLeasedAsksSeldom(t *testing.T) {
	t.Parallel()
	behind := &counting{Meter: &Local{}}
	l := &Leased{Behind: behind}
	closeLeased(t, l)
	rule := &Rule{Kind: Window, Limit: 10_000, Per: time.Hour}
	for i := range int64(1000) {
		x := one(rule, 1)
		if !take(t, l, x) || x.Outcomes[0].Remaining != 10_000-i-1 || x.Outcomes[0].Reset.IsZero() {
			t.Fatalf("call %d: %+v", i, x.Outcomes)
		}
	}
	if n := behind.takes.Load(); n != 2 {
		t.Errorf("the meter behind was asked %d times for 1000 calls, want 2", n)
	}
	small := &Rule{Limit: 39, Per: time.Hour}
	for range 39 {
		if x := one(small, 1); !take(t, l, x) {
			t.Fatalf("refused: %+v", x.Outcomes)
		}
	}
	if n := behind.takes.Load(); n != 41 {
		t.Errorf("a limit too small for leases asked %d times for 39 calls", n-2)
	}
}

// TestLeasedGivesBack what nobody uses: by itself, and at the end.
func TestLeasedGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		behind := &counting{Meter: &Local{}}
		l := &Leased{Behind: behind}
		rule := &Rule{Limit: 1000, Per: 1000 * time.Hour}
		left := func() int64 {
			x := one(rule, 0)
			take(t, behind, x)
			return x.Outcomes[0].Remaining
		}
		if !take(t, l, one(rule, 1)) || left() != 950 {
			t.Fatalf("%d left behind, want 950", left())
		}
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		if left() != 999 {
			t.Errorf("%d left behind after a pause, want 999", left())
		}
		take(t, l, one(rule, 1))
		if err := l.Close(t.Context()); err != nil || left() != 998 {
			t.Errorf("%d left behind after the end, %v", left(), err)
		}
		take(t, l, one(rule, 1))
		if left() != 997 {
			t.Errorf("%d left behind: a closed meter takes ahead", left())
		}
	})
}

// TestLeasedAllOrNothing: a call that another limit refuses leaves the lease as
// it was, also when the meter behind fails.
func TestLeasedAllOrNothing(t *testing.T) {
	t.Parallel()
	behind := &counting{Meter: &Local{}}
	l := &Leased{Behind: behind, Idle: time.Hour}
	closeLeased(t, l)
	wide, slots := &Rule{Limit: 100, Per: 1000 * time.Hour}, &Rule{Kind: Slots, Limit: 1}
	both := one(wide, 1)
	both.Hold, both.Claim, both.Lease, both.Keep = "call", 1, time.Minute, time.Hour
	both.Demands = append(both.Demands, Demand{Limit: "slots", Subject: "key", Rule: slots, Cost: 1})
	both.Outcomes = make([]Outcome, 2)
	if !take(t, l, both) || both.Outcomes[0].Remaining != 99 {
		t.Fatalf("the first call: %+v", both.Outcomes)
	}
	for i := range 10 {
		both.Hold = fmt.Sprint("other", i)
		if take(t, l, both) || both.Outcomes[0].Refused || both.Outcomes[0].Remaining != 99 {
			t.Fatalf("a call without a slot: %+v", both.Outcomes)
		}
	}
	behind.fail.Store(true)
	for range 10 {
		if err := l.Take(t.Context(), both); !errors.Is(err, errBehind) {
			t.Fatal(err)
		}
	}
	for range 4 { // the lease is whole
		if x := one(wide, 1); !take(t, l, x) {
			t.Fatalf("refused: %+v", x.Outcomes)
		}
	}
	if err := l.Take(t.Context(), one(wide, 1)); !errors.Is(err, errBehind) {
		t.Fatalf("5 units of a lease of 5: %v", err)
	}
}

// TestLeasedHolds: what is held is known to all, so that a repetition elsewhere
// is not charged again.
func TestLeasedHolds(t *testing.T) {
	t.Parallel()
	behind := &Local{}
	a, b := &Leased{Behind: behind}, &Leased{Behind: behind}
	closeLeased(t, a)
	closeLeased(t, b)
	x := one(&Rule{Kind: Allowance, Limit: 1000}, 10)
	x.Hold, x.Claim, x.Keep = "call", 1, time.Hour
	for _, l := range []*Leased{a, b, a} {
		if !take(t, l, x) || x.Outcomes[0].Remaining != 990 {
			t.Fatalf("%+v", x.Outcomes)
		}
	}
	x.Demands[0].Cost = 0
	if take(t, behind, x); x.Outcomes[0].Remaining != 990 {
		t.Fatalf("behind: %+v", x.Outcomes)
	}
}

// gated has every Take wait, and tells what it asks for.
type gated struct {
	Meter

	costs chan int64
	open  chan struct{}
}

func (g *gated) Take(ctx context.Context, t *Taking) error {
	g.costs <- t.Demands[0].Cost
	<-g.open
	return g.Meter.Take(ctx, t)
}

// TestLeasedOnce: while somebody asks for a lease, others ask for what they need.
func TestLeasedOnce(t *testing.T) {
	t.Parallel()
	behind := &gated{Meter: &Local{}, costs: make(chan int64), open: make(chan struct{})}
	l := &Leased{Behind: behind, Idle: time.Hour}
	closeLeased(t, l)
	rule := &Rule{Limit: 1000, Per: time.Hour}
	var wg sync.WaitGroup
	sum := int64(0)
	for range 8 {
		wg.Go(func() {
			if !take(t, l, one(rule, 1)) {
				t.Error("refused")
			}
		})
		sum += <-behind.costs
	}
	close(behind.open)
	wg.Wait()
	if sum != 50+7 {
		t.Errorf("8 calls asked for %d units, want a lease of 50 and 7", sum)
	}
}

// TestLeasedForgetsAWindow: what was taken ahead in a window is not given out in
// the next one by a process whose clock is right.
func TestLeasedForgetsAWindow(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	behind := &Local{Clock: clock.Now}
	l := &Leased{Behind: behind, Clock: clock.Now, Idle: time.Hour}
	closeLeased(t, l)
	rule := &Rule{Kind: Window, Limit: 100, Per: time.Minute}
	take(t, l, one(rule, 1))
	clock.Advance(time.Minute)
	n := 0
	for take(t, l, one(rule, 1)) {
		n++
	}
	if n != 100 {
		t.Errorf("%d were admitted in the second window", n)
	}
}

func BenchmarkLeased(b *testing.B) {
	l := &Leased{Behind: &Local{}}
	keys := benchmarkKeys(1000)
	rule := &Rule{Limit: 1e9, Burst: 1e9, Per: time.Minute}
	x := one(rule, 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x.Owner = keys[i%len(keys)]
		take(b, l, x)
		i++
	}
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// TestLeasedGivesBackWhatIsLeft: units that time has freed behind meanwhile are
// not there twice.
func TestLeasedGivesBackWhatIsLeft(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	behind := &Local{Clock: clock.Now}
	l := &Leased{Behind: behind, Clock: clock.Now, Idle: time.Hour, Parts: 10}
	rule := &Rule{Limit: 100, Per: 100 * time.Second}
	take(t, l, one(rule, 1)) // and 9 ahead
	clock.Advance(8 * time.Second)
	for take(t, behind, one(rule, 1)) {
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	x := one(rule, 0)
	if take(t, behind, x); x.Outcomes[0].Remaining != 2 {
		t.Errorf("%d units came back of 10 that 8 seconds have passed over", x.Outcomes[0].Remaining)
	}
}
