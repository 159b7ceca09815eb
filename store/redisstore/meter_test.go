package redisstore_test

import (
	"testing"

	"github.com/failwell/failwell/store/meter/metertest"
	"github.com/failwell/failwell/store/redisstore"
)

func TestMeterConformance(t *testing.T) {
	t.Parallel()
	url := shared.Get(t).URL()
	metertest.Run(t, func(t *testing.T) metertest.Keeper {
		return metertest.Keeper{Meter: open(t, namespace(url), redisstore.Options{})}
	})
}

func TestMeterConformanceCluster(t *testing.T) {
	t.Parallel()
	c := sharedCluster.Get(t)
	metertest.Run(t, func(t *testing.T) metertest.Keeper {
		return metertest.Keeper{Meter: open(t, namespace(c.URL()), redisstore.Options{})}
	})
}
