package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"

	"github.com/failwell/failwell/store/meter"
)

const (
	decided    = 100_000   // keys that decisions are about, at random
	remembered = 1_000_000 // keys that memory is measured for
)

const ours = "failwell, `meter.Local`"

// limiter decides about keys; each goroutine asks for a function of its own.
type limiter struct {
	decider func() func(key string) bool
	close   func()
}

// local is a limiter in the process. Each key may have perHour calls per hour,
// and as many at once.
type local struct {
	name string
	make func(perHour int64) (limiter, error)
}

func locals() []local {
	return []local{
		{ours, newMeter},
		{"x/time/rate in a sync.Map", newRate},
		{"throttled, memstore", newThrottled},
		{"go-limiter, memorystore", newGoLimiter},
	}
}

func newMeter(perHour int64) (limiter, error) {
	keeper := &meter.Local{}
	rule := &meter.Rule{Limit: perHour, Per: time.Hour}
	return limiter{func() func(string) bool {
		t := meter.Taking{Demands: make([]meter.Demand, 1), Outcomes: make([]meter.Outcome, 1)}
		return func(key string) bool {
			t.Owner = key
			t.Demands[0] = meter.Demand{Limit: "plan/pro/rate", Subject: key, Rule: rule, Cost: 1}
			return keeper.Take(context.Background(), &t) == nil && t.Admitted
		}
	}, func() { runtime.KeepAlive(keeper) }}, nil
}

func newRate(perHour int64) (limiter, error) {
	var limiters sync.Map
	allow := func(key string) bool {
		l, ok := limiters.Load(key)
		if !ok {
			l, _ = limiters.LoadOrStore(key, rate.NewLimiter(rate.Limit(float64(perHour)/3600), int(perHour)))
		}
		held, ok := l.(*rate.Limiter)
		return ok && held.Allow()
	}
	return limiter{func() func(string) bool { return allow }, func() { runtime.KeepAlive(&limiters) }}, nil
}

func newThrottled(perHour int64) (limiter, error) {
	held, err := memstore.NewCtx(0) // 0 has no bound
	if err != nil {
		return limiter{}, err
	}
	l, err := throttled.NewGCRARateLimiterCtx(held, throttled.RateQuota{MaxRate: throttled.PerHour(int(perHour)), MaxBurst: int(perHour) - 1})
	if err != nil {
		return limiter{}, err
	}
	l.SetMaxCASAttemptsLimit(1000)
	allow := func(key string) bool {
		limited, _, err := l.RateLimitCtx(context.Background(), key, 1)
		return err == nil && !limited
	}
	return limiter{func() func(string) bool { return allow }, func() { runtime.KeepAlive(l) }}, nil
}

func newGoLimiter(perHour int64) (limiter, error) {
	held, err := memorystore.New(&memorystore.Config{Tokens: uint64(perHour), Interval: time.Hour})
	if err != nil {
		return limiter{}, err
	}
	allow := func(key string) bool {
		_, _, _, ok, err := held.Take(context.Background(), key)
		return err == nil && ok
	}
	return limiter{func() func(string) bool { return allow }, func() { _ = held.Close(context.Background()) }}, nil
}

func keysOf(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key_%024x", uint64(i)*0x9e3779b97f4a7c15)
	}
	return keys
}

var errRefused = errors.New("a call was refused though its limit was never reached")

// decisions measures admitted calls on keys that are known already, from one
// goroutine and from as many as there are processors.
func decisions(ctx context.Context, s settings, progress io.Writer) (*table, error) {
	names := make([]string, 0, len(locals()))
	for _, l := range locals() {
		names = append(names, l.name)
	}
	all := runtime.GOMAXPROCS(0)
	t := newTable(fmt.Sprintf("One decision in the process, %d keys at random", decided), ours, names,
		figure{"CPU ns, 1 goroutine", "%.0f", true}, figure{fmt.Sprintf("CPU ns, %d goroutines", all), "%.0f", true}, figure{"allocations", "%.2f", false})
	keys := keysOf(decided)
	for round := range s.rounds {
		for _, l := range rotated(locals(), round) {
			x, err := l.make(1 << 31)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.name, err)
			}
			decide := x.decider()
			for _, key := range keys {
				decide(key)
			}
			runtime.GC()
			single, allocations, err := timed(ctx, x, keys, 1, s.loaded/2)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.name, err)
			}
			crowd, _, err := timed(ctx, x, keys, all, s.loaded/2)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.name, err)
			}
			x.close()
			t.add(l.name, single, crowd, allocations)
			fmt.Fprintf(progress, "round %d/%d  decision  %-28s %5.0f ns  %5.0f ns\n", round+1, s.rounds, l.name, single, crowd)
		}
	}
	return t, nil
}

// timed is the CPU time that a decision takes, which hardly depends on who else
// uses the machine, and what it allocates.
func timed(ctx context.Context, x limiter, keys []string, goroutines int, loaded time.Duration) (ns, allocations float64, err error) {
	const batch = 1024 // decisions between two looks at the clock
	var before, after runtime.MemStats
	var total, refused atomic.Int64
	runtime.ReadMemStats(&before)
	began, used := time.Now(), ownCPU()
	var crowd sync.WaitGroup
	for n := range goroutines {
		crowd.Go(func() {
			decide, random := x.decider(), rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // no secret
			for time.Since(began) < loaded && ctx.Err() == nil {
				no := int64(0)
				for range batch {
					if !decide(keys[random.IntN(len(keys))]) {
						no++
					}
				}
				total.Add(batch)
				refused.Add(no)
			}
		})
	}
	crowd.Wait()
	used = ownCPU() - used
	runtime.ReadMemStats(&after)
	switch {
	case ctx.Err() != nil:
		return 0, 0, ctx.Err()
	case refused.Load() > 0:
		return 0, 0, errRefused
	}
	n := float64(total.Load())
	return float64(used.Nanoseconds()) / n, float64(after.Mallocs-before.Mallocs) / n, nil
}

// memory measures what a key takes that has called once and is left alone.
func memory(ctx context.Context, s settings, progress io.Writer) (*table, error) {
	names := make([]string, 0, len(locals()))
	for _, l := range locals() {
		names = append(names, l.name)
	}
	t := newTable(fmt.Sprintf("Memory of %d idle keys, without the keys' own text", remembered), ours, names,
		figure{"bytes a key", "%.0f", true}, figure{"objects a key", "%.2f", false})
	keys := keysOf(remembered)
	for round := range min(s.rounds, 3) {
		for _, l := range rotated(locals(), round) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.GC() // what finalizers held
			runtime.ReadMemStats(&before)
			x, err := l.make(60) // a minute a call: nothing is free again while this lasts
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.name, err)
			}
			decide := x.decider()
			for _, key := range keys {
				if !decide(key) {
					return nil, fmt.Errorf("%s: %w", l.name, errRefused)
				}
			}
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&after)
			n := float64(len(keys))
			bytes, objects := float64(after.HeapAlloc-before.HeapAlloc)/n, float64(after.HeapObjects-before.HeapObjects)/n
			x.close()
			runtime.KeepAlive(decide)
			t.add(l.name, bytes, objects)
			fmt.Fprintf(progress, "round %d  memory  %-28s %5.0f bytes\n", round+1, l.name, bytes)
		}
	}
	return t, nil
}
