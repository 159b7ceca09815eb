package hint_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/hint"
)

// now is the instant that every case counts from.
var now = time.Date(2026, time.March, 5, 12, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	t.Parallel()
	const refused = time.Duration(-1)
	cases := []struct {
		value string
		unit  hint.Unit
		want  time.Duration
	}{
		{"120", hint.Seconds, 2 * time.Minute},
		{"0.25", hint.Seconds, 250 * time.Millisecond},
		{" 7 ", hint.Seconds, 7 * time.Second},
		{`"7"`, hint.Seconds, 7 * time.Second},
		{"-5", hint.Seconds, 0},
		{"NaN", hint.Seconds, refused},
		{"inf", hint.Seconds, refused},
		{"0x10", hint.Seconds, refused},
		{"1e300", hint.Seconds, refused},
		{"9223372037", hint.Seconds, refused},
		{"soon", hint.Seconds, refused},
		{"", hint.Seconds, refused},
		{"1500", hint.Milliseconds, 1500 * time.Millisecond},
		{"30", hint.DeltaSeconds, 30 * time.Second},
		{"1772712060", hint.EpochSeconds, time.Minute},
		{"1772712000.5", hint.EpochSeconds, 500 * time.Millisecond},
		{"1772700000", hint.EpochSeconds, 0},
		{"1772712060000", hint.EpochMilliseconds, time.Minute},
		{"1e30", hint.EpochSeconds, refused},
		{"Thu, 05 Mar 2026 12:01:00 GMT", hint.HTTPDate, time.Minute},
		{"Thursday, 05-Mar-26 12:01:00 GMT", hint.HTTPDate, time.Minute},
		{"Thu Mar  5 12:01:00 2026", hint.HTTPDate, time.Minute},
		{"Thu, 05 Mar 2020 12:01:00 GMT", hint.HTTPDate, 0},
		{"2026-03-05T12:00:10Z", hint.RFC3339, 10 * time.Second},
		{"2026-03-05T13:00:10+01:00", hint.RFC3339, 10 * time.Second},
		{"2026-03-05 12:00:10", hint.RFC3339, 10 * time.Second},
		{"9999-12-31T00:00:00Z", hint.RFC3339, refused},
		{"1m30s", hint.Duration, 90 * time.Second},
		{"6m0s", hint.Duration, 6 * time.Minute},
		{"20ms", hint.Duration, 20 * time.Millisecond},
		{"3.5s", hint.Duration, 3500 * time.Millisecond},
		{"1 hour and 2 minutes", hint.Duration, 62 * time.Minute},
		{"1d2h", hint.Duration, 26 * time.Hour},
		{"PT1M30S", hint.Duration, 90 * time.Second},
		{"P1DT1H", hint.Duration, 25 * time.Hour},
		{"P", hint.Duration, refused},
		{"5", hint.Duration, refused},
		{"5 fortnights", hint.Duration, refused},
		{"300000000h", hint.Duration, refused},

		{"60", hint.Auto, time.Minute},
		{"999999999", hint.Auto, 999999999 * time.Second},
		{"1772712060", hint.Auto, time.Minute},
		{"1772712060000", hint.Auto, time.Minute},
		{"1772712060000000", hint.Auto, time.Minute},
		{"1772712060000000000", hint.Auto, time.Minute},
		{"Thu, 05 Mar 2026 12:01:00 GMT", hint.Auto, time.Minute},
		{"2026-03-05T12:01:00Z", hint.Auto, time.Minute},
		{"1m0s", hint.Auto, time.Minute},
		{`"default";r=0;t=60`, hint.Auto, time.Minute},
		{"limit=100, remaining=0, reset=60", hint.Auto, time.Minute},
		{"r=0;t=60", hint.Auto, time.Minute},
		{"12, 3600", hint.Auto, 12 * time.Second},
		{"never", hint.Auto, refused},
		{strings.Repeat("9", 400), hint.Auto, refused},
		{"60", hint.Unit("weeks"), refused},
	}
	for _, c := range cases {
		got, ok := hint.Parse(c.value, c.unit, now)
		if !ok {
			got = refused
		}
		if got != c.want {
			t.Errorf("Parse(%q, %s) = %v, want %v", c.value, c.unit, got, c.want)
		}
	}
}

func TestParseRateLimitPicksTheExhaustedPolicy(t *testing.T) {
	t.Parallel()
	got, ok := hint.ParseRateLimit(`"burst";r=12;t=5, "hour";r=0;t=900, "day";r=0;t=60`)
	if !ok || got.Reset != 15*time.Minute || got.Remaining != 0 || !got.HasRemaining {
		t.Errorf("got %+v, %v; want the hour policy", got, ok)
	}
	if _, ok = hint.ParseRateLimit("limit=100"); ok {
		t.Error("a field without a reset is no hint")
	}
}

var units = []hint.Unit{
	hint.Auto, hint.Seconds, hint.Milliseconds, hint.EpochSeconds, hint.EpochMilliseconds, hint.DeltaSeconds, hint.HTTPDate, hint.RFC3339, hint.Duration,
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"120", "1e9", "-1", "1m30s", "PT5M", "Thu, 05 Mar 2026 12:01:00 GMT", `"a";r=0;t=9`, "2026-03-05T12:01:00Z"} {
		f.Add(seed, "auto")
	}
	f.Add("9999999999999999", "epoch_ms")
	f.Fuzz(func(t *testing.T, value, unit string) {
		wait, ok := hint.Parse(value, hint.Unit(unit), now)
		if wait < 0 || (!ok && wait != 0) {
			t.Fatalf("Parse(%q, %q) = %v, %v", value, unit, wait, ok)
		}
		if ok && !slices.Contains(units, hint.Unit(unit)) {
			t.Fatalf("unit %q was accepted", unit)
		}
	})
}
