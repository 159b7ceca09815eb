package redisstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store/meter"
)

// leastSource decides on three rates and does nothing else: no appointments, no
// outcomes, no names.
const leastSource = `
local time = redis.call('TIME')
local now, full = time[1] * 1000000 + time[2], {}
for i = 1, 3 do
  full[i] = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now) + ARGV[2 * i - 1]
  if full[i] - now > tonumber(ARGV[2 * i]) then return 0 end
end;
for i = 1, 3 do
  redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000) + 1)
end
return 0`

// BenchmarkTake measures decisions of 64 callers over 10,000 owners, beside a
// script that does nothing and one that does the least.
func BenchmarkTake(b *testing.B) {
	r, err := servers.NewRedis(servers.RedisOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			b.Error(err)
		}
	}()
	s, err := Open(b.Context(), r.URL(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	rate := &meter.Rule{Kind: meter.Rate, Limit: 1_000_000, Per: time.Second}
	rates := []*meter.Rule{rate, rate, {Kind: meter.Rate, Limit: 10_000_000, Per: time.Minute}}
	mixed := []*meter.Rule{rate, {Kind: meter.Allowance, Limit: meter.MaxUnits}, {Kind: meter.Allowance, Limit: meter.MaxUnits, Period: meter.Day}}
	held := []*meter.Rule{rate, {Kind: meter.Allowance, Limit: meter.MaxUnits}, {Kind: meter.Slots, Limit: meter.MaxUnits}}
	taking := func(owner, hold string, rules []*meter.Rule) *meter.Taking {
		t := &meter.Taking{Owner: owner, Hold: hold, Claim: 1, Lease: time.Minute, Keep: time.Minute, Outcomes: make([]meter.Outcome, len(rules))}
		for i, rule := range rules {
			t.Demands = append(t.Demands, meter.Demand{Limit: fmt.Sprintf("plan.%d", i), Subject: owner, Rule: rule, Cost: 1})
		}
		return t
	}
	const owners = 10_000
	owner := func(n int) string { return fmt.Sprintf("acct_%08d", n*7919%owners) }
	bare := rueidis.NewLuaScript("return 1")
	least, pace := rueidis.NewLuaScript(leastSource), []string{"1", "1000000", "1", "1000000", "1", "1000000"}
	for _, c := range []struct {
		name string
		do   func(n int) error
	}{
		{"bare", func(n int) error {
			keys := []string{s.layout.owned(owner(n), 'r', nil)}
			return bare.Exec(b.Context(), s.link.client, keys, []string{"1"}).Error()
		}},
		{"least for 3 rates", func(n int) error {
			o := owner(n)
			return least.Exec(b.Context(), s.link.client, []string{"{" + o + "}a", "{" + o + "}b", "{" + o + "}c"}, pace).Error()
		}},
		{"3 rates", func(n int) error { return s.Take(b.Context(), taking(owner(n), "", rates)) }},
		{"1 rate", func(n int) error { return s.Take(b.Context(), taking(owner(n), "", rates[:1])) }},
		{"rate and 2 allowances", func(n int) error { return s.Take(b.Context(), taking(owner(n), "", mixed)) }},
		{"rate, allowance and slot, settled", func(n int) error {
			t := taking(owner(n), "call", held)
			if err := s.Take(b.Context(), t); err != nil {
				return err
			}
			x := &meter.Settlement{Owner: t.Owner, Hold: t.Hold}
			for _, d := range t.Demands {
				x.Changes = append(x.Changes, meter.Change{Demand: d, Kept: 1})
			}
			return s.Settle(b.Context(), x)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var taken atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			if _, err := r.Do("CONFIG", "RESETSTAT"); err != nil {
				b.Fatal(err)
			}
			before := processor(b)
			for range 64 {
				wg.Go(func() {
					for n := int(taken.Add(1)); n <= b.N; n = int(taken.Add(1)) {
						if err := c.do(n); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64((processor(b)-before).Nanoseconds())/float64(b.N), "client-ns/op")
			stats, err := r.Do("INFO", "commandstats")
			if err != nil {
				b.Fatal(err)
			}
			var calls, micros float64
			_, rest, _ := strings.Cut(stats, "cmdstat_evalsha:")
			if _, err := fmt.Sscanf(rest, "calls=%g,usec=%g", &calls, &micros); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(1000*micros/float64(b.N), "server-ns/op")
		})
	}
}

// processor is the time that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
