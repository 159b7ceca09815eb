package admission

import (
	"testing"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/meter/metertest"
	"github.com/failwell/failwell/store/pebblestore"
)

// TestLedgerIsAMeter, over a store in memory, with rates counted beside it, and
// on disk.
func TestLedgerIsAMeter(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T, clock func() time.Time) meter.Meter{
		"memory": func(_ *testing.T, clock func() time.Time) meter.Meter {
			return &Ledger{Store: &store.Memory{Clock: clock}}
		},
		"rates beside": func(_ *testing.T, clock func() time.Time) meter.Meter {
			return &Ledger{Store: &store.Memory{Clock: clock}, Rates: &meter.Local{Clock: clock}}
		},
		"pebble": func(t *testing.T, clock func() time.Time) meter.Meter {
			t.Helper()
			s, err := pebblestore.Open(t.TempDir(), pebblestore.Options{Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return &Ledger{Store: s}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metertest.Run(t, metertest.Driven(open))
		})
	}
}
