package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func TestReportTakesRatiosWithinARound(t *testing.T) {
	t.Parallel()
	x := newTable("Things", "ours", []string{"ours", "theirs"}, figure{"ns", "%.0f", true}, figure{"bytes", "%.1f", false})
	for _, values := range [][2]float64{{10, 20}, {20, 40}, {10, 60}} {
		x.add("ours", values[0], 1)
		x.add("theirs", values[1], 2)
	}
	var out bytes.Buffer
	if err := x.write(&out); err != nil {
		t.Fatal(err)
	}
	want := "\n### Things\n\n| | ns | × | bytes |\n| --- | ---: | ---: | ---: |\n| ours | 10 | 1 | 1.0 |\n| theirs | 40 | **2.00** (2.00–6.00) | 2.0 |\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestParseRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-parts", "decision,apache"}, {"-rounds", "0"}, {"-seconds", "0"}, {"-bogus"}} {
		if s, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v: got %+v, want an error", args, s)
		}
	}
}

// Each of them limits, or a comparison of speeds would be one of nothing.
func TestEachPeerLimits(t *testing.T) {
	t.Parallel()
	for _, l := range locals() {
		x, err := l.make(3)
		if err != nil {
			t.Fatal(err)
		}
		decide := x.decider()
		got := ""
		for _, key := range []string{"a", "a", "b", "a", "a", "b"} {
			if decide(key) {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != "yyyyny" {
			t.Errorf("%s: with three calls an hour it says %s, want yyyyny", l.name, got)
		}
		x.close()
	}
}

func TestThroughRedis(t *testing.T) {
	t.Parallel()
	s := settings{rounds: 1, loaded: 30 * time.Millisecond, callers: 8}
	x, err := throughRedis(t.Context(), s, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := x.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{bare, threeOurs} {
		if scripts := x.rows[name][0][5]; scripts < 0.9 || scripts > 1.1 {
			t.Errorf("%s: %.2f scripts a decision, want one\n%s", name, scripts, &out)
		}
	}
}
