package redisstore

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store/meter"
)

// BenchmarkTake measures decisions of 64 callers over 10,000 owners, beside
// scripts that do less with the same keys: nothing, or no more than read and
// write them.
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
		t := &meter.Taking{Owner: owner, Hold: hold, Lease: time.Minute, Keep: time.Minute, Outcomes: make([]meter.Outcome, len(rules))}
		for i, rule := range rules {
			t.Demands = append(t.Demands, meter.Demand{Limit: fmt.Sprintf("plan.%d", i), Subject: owner, Rule: rule, Cost: 1})
		}
		return t
	}
	const owners = 10_000
	owner := func(n int) string { return fmt.Sprintf("acct_%08d", n*7919%owners) }
	bare := rueidis.NewLuaScript("return 1")
	touch := rueidis.NewLuaScript("local v = redis.call('MGET', unpack(KEYS)) redis.call('MSET', KEYS[1], '1', KEYS[2], '1', KEYS[3], '1') return v")
	for _, c := range []struct {
		name string
		do   func(n int) error
	}{
		{"bare", func(n int) error {
			keys := []string{s.layout.owned(owner(n), 'r', nil)}
			return bare.Exec(b.Context(), s.link.client, keys, []string{"1"}).Error()
		}},
		{"bare 3 keys", func(n int) error {
			o := owner(n)
			return bare.Exec(b.Context(), s.link.client, []string{"{" + o + "}a", "{" + o + "}b", "{" + o + "}c"}, []string{"1"}).Error()
		}},
		{"touch 3 keys", func(n int) error {
			o := owner(n)
			return touch.Exec(b.Context(), s.link.client, []string{"{" + o + "}a", "{" + o + "}b", "{" + o + "}c"}, []string{"1"}).Error()
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
		})
	}
}
