//go:build unix

package pgstore

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/meter/metertest"
)

// A ledger over this store keeps what meters promise, by the server's clock. The
// cases that need one that can be moved run over stores in the process; over
// this one they take a minute.
func TestLedgerIsAMeter(t *testing.T) {
	t.Parallel()
	url := shared.Get(t).URL()
	metertest.Run(t, func(t *testing.T) metertest.Keeper {
		t.Helper()
		return metertest.Keeper{Meter: &admission.Ledger{Store: mustOpen(t, url, Options{Schema: emptied(t, url), MaxConns: 4})}}
	})
}

// taking is what a call takes: three limits, of which one is held.
func taking(owner string, call int64) *meter.Taking {
	rate := &meter.Rule{Kind: meter.Rate, Limit: 1_000_000, Per: time.Second}
	quota := &meter.Rule{Kind: meter.Allowance, Limit: 1 << 40}
	return &meter.Taking{
		Owner: owner, Hold: fmt.Sprint("hold", call), Claim: uint64(call) + 1, Lease: time.Minute, Keep: time.Minute,
		Demands: []meter.Demand{
			{Limit: "plan/calls", Subject: owner, Rule: rate, Cost: 1},
			{Limit: "plan/burst", Subject: owner, Rule: rate, Cost: 1},
			{Limit: "plan/quota", Subject: owner, Rule: quota, Cost: 1},
		},
		Outcomes: make([]meter.Outcome, 3),
	}
}

// decide takes and settles once.
func decide(b *testing.B, l *admission.Ledger, owner string, call int64) error {
	b.Helper()
	t := taking(owner, call)
	if err := l.Take(b.Context(), t); err != nil {
		return err
	}
	if !t.Admitted {
		return errors.New("refused")
	}
	changes := make([]meter.Change, len(t.Demands))
	for i, d := range t.Demands {
		changes[i] = meter.Change{Demand: d, Kept: d.Cost}
	}
	return l.Settle(b.Context(), &meter.Settlement{Owner: owner, Hold: t.Hold, Changes: changes})
}

// BenchmarkLedger is 64 callers over three processes' worth of pools on one
// server that syncs: a take and a settlement each.
func BenchmarkLedger(b *testing.B) {
	server := servers.Postgres(b, servers.PostgresOptions{})
	const callers = 64
	for _, pools := range []int{1, 3} {
		for _, owners := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("pools=%d/owners=%d", pools, owners), func(b *testing.B) {
				schema := freshSchema()
				ledgers := make([]*admission.Ledger, pools)
				for i := range ledgers {
					ledgers[i] = &admission.Ledger{Store: mustOpen(b, server.URL(), Options{Schema: schema})}
				}
				var next atomic.Int64
				var wg sync.WaitGroup
				b.ResetTimer()
				for caller := range callers {
					wg.Go(func() {
						for {
							call := next.Add(1)
							if call > int64(b.N) {
								return
							}
							if err := decide(b, ledgers[caller%pools], fmt.Sprint("account", caller%owners), call); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
			})
		}
	}
}
