package meter_test

import (
	"testing"
	"time"

	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/meter/metertest"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	metertest.Run(t, func(t *testing.T) metertest.Keeper {
		k := metertest.Driven(func(_ *testing.T, clock func() time.Time) meter.Meter { return &meter.Local{Clock: clock} })(t)
		k.Tick = time.Nanosecond
		return k
	})
}

// TestLocalByTheClock is what of the suite a clock allows that nobody can move.
func TestLocalByTheClock(t *testing.T) {
	t.Parallel()
	metertest.Run(t, func(*testing.T) metertest.Keeper { return metertest.Keeper{Meter: &meter.Local{}} })
}
