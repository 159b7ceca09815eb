package main

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseStatSkipsTheName(t *testing.T) {
	t.Parallel()
	// Field 2, the name, holds what looks like further fields.
	line := "42 (a) b (c) S 1 42 42 0 -1 4194560 9 0 0 0 150 50 7 7 20 0 1 0 100 8192 3 18446744073709551615 1 1 0\n"
	got, err := parseStat([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if got.cpu != 2*time.Second {
		t.Errorf("200 ticks are %v, want 2s", got.cpu)
	}
	if got.rss <= 0 || got.rss%3 != 0 {
		t.Errorf("3 pages are %d bytes", got.rss)
	}
	for _, bad := range []string{"", "42 (x) S 1", strings.Replace(line, "150", "x", 1)} {
		if u, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v, want an error", bad, u)
		}
	}
}

func TestParseWrk(t *testing.T) {
	t.Parallel()
	got, err := parseWrk([]byte("Running 4s test\n  1 threads\nRESULT 8000 4000000 12 3 1500 9000\n"))
	want := load{
		requests: 8000, took: 4 * time.Second, refused: 12, broken: 3,
		p50: 1500 * time.Microsecond, p99: 9 * time.Millisecond,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got.rate() != 2000 {
		t.Errorf("rate is %v, want 2000", got.rate())
	}
	for _, bad := range []string{"", "RESULT 1 2 3", "RESULT 0 4000000 0 64 0 0", "RESULT a b c d e f"} {
		if l, err := parseWrk([]byte(bad)); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, l)
		}
	}
}

func TestHonestRefusesAnotherStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		load load
		mode string
		ok   bool
	}{
		"all served":           {load{requests: 1000}, "keys", true},
		"some limited":         {load{requests: 1000, refused: 30}, "keys", false},
		"all limited but free": {load{requests: 1000, refused: 990}, "429", true},
		"mostly served":        {load{requests: 1000, refused: 400}, "429", false},
		"broken connections":   {load{requests: 1000, refused: 1000, broken: 1}, "401", false},
	} {
		m, err := modeNamed(c.mode)
		if err != nil {
			t.Fatal(err)
		}
		if err := honest(c.load, m); (err == nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReportTakesRatiosWithinARound(t *testing.T) {
	t.Parallel()
	// The machine is twice as slow in round 1, and chance visits round 2.
	var results []result
	for round, micros := range [][2]int{{10, 20}, {20, 40}, {10, 60}} {
		for i, target := range []string{"bare", "nginx"} {
			results = append(results, result{
				round: round, mode: "plain", target: target, cpu: time.Duration(micros[i]) * time.Microsecond,
				load: load{requests: 1, took: time.Second, p50: time.Millisecond, p99: time.Millisecond}, rss: 1 << 20,
			})
		}
	}
	m, err := modeNamed("plain")
	if err != nil {
		t.Fatal(err)
	}
	s := settings{rounds: 3, loaded: time.Second, connections: 8, targets: []string{"nginx", "bare"}, modes: []mode{m}}
	var out bytes.Buffer
	if err := report(&out, s, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| nginx | 40.0 | **2.00** (2.00–6.00) | 1 | **1.00** (1.00–1.00) |",
		"| bare ReverseProxy | 10.0 | 1 | 1 | 1 |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
}

func TestMedianOfAnEvenCount(t *testing.T) {
	t.Parallel()
	if got := median([]float64{4, 1, 3, 2}); math.Abs(got-2.5) > 1e-9 {
		t.Errorf("got %v, want 2.5", got)
	}
}

func TestEveryTargetIsOnceFirst(t *testing.T) {
	t.Parallel()
	var first []string
	for round := range allTargets() {
		first = append(first, rotate(allTargets(), round)[0])
	}
	if !slices.Equal(first, allTargets()) {
		t.Errorf("first were %v", first)
	}
	for _, target := range allTargets() {
		if starters()[target] == nil {
			t.Errorf("nothing starts %s", target)
		}
	}
}

func TestParseRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-targets", "bare,apache"}, {"-parts", "everything"}, {"-stores", "sqlite"}, {"-records", "0"}, {"-modes", "plain,500"}, {"-rounds", "0"}, {"-bogus"},
	} {
		if s, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v: got %+v, want an error", args, s)
		}
	}
}

func TestStopEndsAProcess(t *testing.T) {
	t.Parallel()
	p, err := start(t.Context(), t.TempDir(), "idle", nil, "tail", "-f", "/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	if p.cmd.ProcessState == nil {
		t.Error("the process was not waited for")
	}
}

func TestWaitingEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	p, err := start(t.Context(), t.TempDir(), "hasty", nil, "sh", "-c", "echo no such upstream; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	err = p.accepts(t.Context(), "127.0.0.1:1")
	if err == nil || !strings.Contains(err.Error(), "no such upstream") {
		t.Errorf("got %v, want the process's own words", err)
	}
}

func TestReportOfWrites(t *testing.T) {
	t.Parallel()
	var all []write
	for round, rates := range [][2]int64{{100, 60}, {200, 140}, {100, 80}} {
		w := write{store: "pebble", round: round, cpu: [2]time.Duration{10 * time.Microsecond, 20 * time.Microsecond}}
		for i := range w.load {
			w.load[i] = load{requests: rates[i] + 10, refused: 10, took: time.Second, p99: time.Millisecond}
		}
		all = append(all, w)
	}
	var out bytes.Buffer
	if err := reportWrites(&out, []string{"memory", "pebble"}, all); err != nil {
		t.Fatal(err)
	}
	if want := "| pebble | 100 | 10.0 | 1.00 | 80 | **0.70** (0.60–0.80) | 20.0 | **2.00** (2.00–2.00) | 1.00 | 11.11 |\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got\n%s\nwant at the end\n%s", &out, want)
	}
}

func TestReportOfRecords(t *testing.T) {
	t.Parallel()
	x := kept{afterEnd: []float64{0.2, 0.1, 0.3}, ease: []load{{requests: 10, took: time.Second, p50: time.Millisecond, p99: 2 * time.Millisecond}}}
	var out bytes.Buffer
	if err := x.report(&out, 1000, 64); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"### 1000 live records", "after a clean end, s | 0.20 | 0.10 | 0.30 |", "replay p99, 8 connections, ms | 2.00 | 2.00 | 2.00 |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "after a kill") {
		t.Errorf("the report has rows without a measurement:\n%s", &out)
	}
}

func TestRunsAsTheScriptReadsThem(t *testing.T) {
	t.Parallel()
	if r := (runs{100, 90}); r.list() != "AGAIN=held0:100,held1:90" || r.records() != 190 {
		t.Errorf("%s, %d records", r.list(), r.records())
	}
}
