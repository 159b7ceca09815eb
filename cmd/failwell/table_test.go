package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/record"
)

func printed(t *testing.T, show func(*console) error) []string {
	t.Helper()
	var out bytes.Buffer
	if err := show(&console{stdout: &out, stderr: io.Discard, getenv: os.Getenv}); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// What a narrow terminal has no room for goes in the order of its worth, and the
// heading says so; ids are whole at any width.
func TestKeysFitTheTerminal(t *testing.T) {
	t.Parallel()
	keys := []admission.Key{{
		ID: "key_01a22d79f9a00a4bebdd75c9", Start: "heppu_live_i1f6", Account: "org_suspended", Environment: "live", State: "deactivated",
		Permissions: []string{"agents:read", "agents:write", "calls:read"}, Name: "the laptop of somebody",
	}}
	for wide, want := range map[int]string{
		0:   "ID START ACCOUNT ENV STATE EXPIRES PERMISSIONS NAME",
		200: "ID START ACCOUNT ENV STATE EXPIRES PERMISSIONS NAME",
		105: "ID START ACCOUNT ENV STATE EXPIRES NAME",
		80:  "ID START ACCOUNT STATE",
		60:  "ID ACCOUNT STATE",
		20:  "ID ACCOUNT STATE",
	} {
		p := painter{wide: wide}
		lines := printed(t, func(c *console) error { return c.keyTable(p, keys, time.Now()) })
		if got := strings.Join(strings.Fields(lines[1]), " "); got != want {
			t.Errorf("%d columns: got %s, want %s", wide, got, want)
		}
		if gone := strings.Contains(lines[0], "; --wide shows "); gone != (want != "ID START ACCOUNT ENV STATE EXPIRES PERMISSIONS NAME") {
			t.Errorf("%d columns: the heading says %q", wide, lines[0])
		}
		for _, line := range lines[1:] {
			if wide >= 60 && utf8.RuneCountInString(line) > wide {
				t.Errorf("%d columns: %q is wider", wide, line)
			}
		}
		if !strings.Contains(lines[2], keys[0].ID) || !strings.Contains(lines[2], keys[0].Account) {
			t.Errorf("%d columns: the id is not whole in %q", wide, lines[2])
		}
	}
}

// Texts without room beside the other columns stand below them.
func TestTextsWithoutRoomGoBelow(t *testing.T) {
	t.Parallel()
	code, text := strings.Repeat("c", 35), "one two three four five six seven eight nine"
	got := printed(t, func(c *console) error {
		return c.table(painter{wide: 60}, "things", []string{"CODE", "MEANING"}, [][]string{{code, text}, {"d", ""}})
	})
	want := []string{"things", "  CODE", "      MEANING", "  " + code, "      one two three four five six seven eight nine", "  d"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// Whatever is in a list, it is no wider than the terminal unless what may not be
// cut is, and outside of terminals all of it is there.
func TestListsFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(r, "columns")
		columns := make([]column, n)
		least := 0
		for i := range columns {
			columns[i] = column{head: "H", goes: rapid.IntRange(0, 3).Draw(r, "goes"), least: rapid.SampledFrom([]int{0, 4}).Draw(r, "least")}
			columns[i].breaks = i == n-1 && rapid.Bool().Draw(r, "breaks")
		}
		rows := make([][]string, rapid.IntRange(1, 4).Draw(r, "rows"))
		for i := range rows {
			for range columns {
				rows[i] = append(rows[i], rapid.StringMatching(`[aé]{0,25}`).Draw(r, "cell"))
			}
		}
		widest := func(i int) int {
			w := 1
			for _, row := range rows {
				w = max(w, utf8.RuneCountInString(row[i]))
			}
			return w
		}
		for i, x := range columns {
			switch {
			case x.goes > 0 || x.breaks:
			case x.least > 0:
				least += gap + min(widest(i), x.least)
			default:
				least += gap + widest(i)
			}
		}
		wide := rapid.IntRange(max(least, indent+25), 200).Draw(r, "wide")
		var out bytes.Buffer
		c := &console{stdout: &out, getenv: os.Getenv}
		if err := c.list(painter{wide: wide}, "t", columns, rows); err != nil {
			r.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if got := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); got > wide && !strings.HasPrefix(line, "t;") {
				r.Fatalf("%q has %d columns, the terminal %d", line, got, wide)
			}
		}
		out.Reset()
		if err := c.list(painter{}, "t", columns, rows); err != nil {
			r.Fatal(err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if !strings.Contains(out.String(), cell) {
					r.Fatalf("%q is not in\n%s", cell, out.String())
				}
			}
		}
	})
}

// Why a rule was not checked stands below it where there is no room beside it.
func TestSkippedRulesFitTheTerminal(t *testing.T) {
	t.Parallel()
	k := &conform.Check{Rule: conform.Rule{Title: "a code comes from operations that have it"}, Skipped: "not promised: the contract has no code that belongs to some operations only"}
	if got := ruleLine(painter{}, k); strings.Contains(got, "\n") {
		t.Errorf("outside of terminals: %s", got)
	}
	want := "  -       a code comes from operations that have it\n            not promised: the contract has no code that belongs to some\n            operations only"
	if got := ruleLine(painter{wide: 80}, k); got != want {
		t.Errorf("80 columns: got\n%s", got)
	}
}

// A line of the log ends with the id; a narrow terminal has it in a second line.
func TestLogLinesFitTheTerminal(t *testing.T) {
	t.Parallel()
	r := record.Record{
		Ended: time.Date(2030, 1, 31, 10, 0, 0, 0, time.UTC), Status: 404, Method: "DELETE", Path: "/api/v1/agents/agent_123/some/long/path", Code: "resource_not_found",
		Took: 256 * time.Microsecond, Account: "org_main", KeyStart: "heppu_live_m3z9", ID: "req_01a22d7a-3584-709c-8611-f027b5cfb809",
	}
	for wide, want := range map[int]string{
		0:   "01-31 10:00:00.000  404  DELETE  /api/v1/agents/agent_123/some/long/path  resource_not_found           256µs  org_main heppu_live_m3z9…       req_01a22d7a-3584-709c-8611-f027b5cfb809\n",
		140: "01-31 10:00:00.000  404  DELETE  /api/v1/agents/a…  resource_not_fou…     256µs  org_main heppu_l…  req_01a22d7a-3584-709c-8611-f027b5cfb809\n",
		80: "01-31 10:00:00.000  404  DELETE  /api/v1/agents/a…  resource_not_found     256µs\n" +
			"    req_01a22d7a-3584-709c-8611-f027b5cfb809  org_main heppu_live_m3z9…\n",
	} {
		got := painter{wide: wide}.logLine(&r)
		if got != want {
			t.Errorf("%d columns: got\n%swant\n%s", wide, got, want)
		}
		for line := range strings.Lines(got) {
			if wide > 0 && utf8.RuneCountInString(line) > wide+1 {
				t.Errorf("%d columns: %q is wider", wide, line)
			}
		}
	}
	r.Account, r.KeyStart = "", ""
	if got := (painter{wide: 80}).logLine(&r); !strings.HasSuffix(got, "\n    "+r.ID+"\n") {
		t.Errorf("without an account: got\n%s", got)
	}
}
