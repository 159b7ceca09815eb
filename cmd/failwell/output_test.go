package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
)

func TestColoursAreForTerminalsOnly(t *testing.T) {
	t.Parallel()
	device, err := os.Open(os.DevNull) // a character device, as terminals are
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	for name, c := range map[string]struct {
		terminal bool
		env      map[string]string
		want     bool
	}{
		"terminal":      {true, nil, true},
		"file":          {false, nil, false},
		"NO_COLOR":      {true, map[string]string{"NO_COLOR": "1"}, false},
		"dumb terminal": {true, map[string]string{"TERM": "dumb"}, false},
	} {
		con := &console{getenv: func(name string) string { return c.env[name] }}
		p := con.painterFor(&bytes.Buffer{})
		if c.terminal {
			p = con.painterFor(device)
		}
		if got := strings.Contains(p.bad("x"), "\x1b["); got != c.want {
			t.Errorf("%s: coloured %v, want %v", name, got, c.want)
		}
	}
}

func TestLongTextsAreBrokenBetweenWords(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &console{stdout: &out, getenv: os.Getenv}
	text := strings.TrimSpace(strings.Repeat("word ", 50))
	if err := c.pairs(painter{}, [][2]string{{"a", "short  as it is"}, {"empty", ""}, {"long", text}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if lines[0] != "  a     short  as it is" || len(lines) != 4 {
		t.Errorf("got\n%s", out.String())
	}
	for _, line := range lines {
		if len(line) > width {
			t.Errorf("%q is longer than %d", line, width)
		}
	}
}

func TestTablesKeepTheirColumns(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &console{stdout: &out, getenv: os.Getenv}
	if err := c.table(painter{}, "things", []string{"A", "B"}, [][]string{{"é", "one"}, {"long", strings.Repeat("two ", 30)}}); err != nil {
		t.Fatal(err)
	}
	want := "things\n  A     B\n  é     one\n  long  " + strings.TrimSpace(strings.Repeat("two ", 23)) + "\n        " + strings.TrimSpace(strings.Repeat("two ", 7)) + "\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// One second is one second, not one seconds, in a first contract too.
func TestTheStarterReadsWellWithOneSecond(t *testing.T) {
	t.Parallel()
	c, err := contract.Parse("starter.yaml", []byte(starter))
	if err != nil {
		t.Fatal(err)
	}
	f := contract.Failure{Code: c.MustCode("rate_limited"), RetryAfter: time.Second, HasRetryAfter: true}
	if got, want := c.MessageOf(&f), "Too many requests. Retry after 1 s."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
