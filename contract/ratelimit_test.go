package contract

import (
	"testing"
	"time"

	"github.com/failwell/failwell/contract/hint"
)

func TestToldRates(t *testing.T) {
	t.Parallel()
	minute, hour := time.Minute, time.Hour
	c := &Contract{
		Plans: []*Plan{
			{Rates: []Rate{{Limit: 10, Per: minute, Name: "first"}, {Limit: 20, Per: minute}, {Limit: 30, Per: minute}}},
			{Rates: []Rate{{Limit: 20, Per: hour}, {Per: minute}}},
		},
		Operations: []*Operation{{Rates: []Rate{{Limit: 30, Per: minute, Algorithm: FixedWindow}, {Limit: 10, Per: minute, Name: "last"}}}},
	}
	told := c.ToldRates()
	if len(told) != 1 || told[0].Limit != 10 || told[0].Name != "last" {
		t.Errorf("told %+v, want the last one of 10 a minute: 20 has two windows, 30 two algorithms", told)
	}
}

func TestUnitsOfForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for form, value := range map[TimeFormat]string{
		EpochSeconds: "1796040030", EpochMillis: "1796040030000", DeltaSeconds: "30", "": "30", DeltaMillis: "30000",
		HTTPDate: "Mon, 30 Nov 2026 12:00:30 GMT", RFC3339: "2026-11-30T12:00:30Z", RFC3339Milli: "2026-11-30T12:00:30.000Z",
	} {
		if wait, ok := hint.Parse(value, form.Unit(), now); !ok || wait != 30*time.Second {
			t.Errorf("%q: %s is %v, %v", form, value, wait, ok)
		}
	}
}
