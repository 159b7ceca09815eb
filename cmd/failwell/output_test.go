package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
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

// In a narrow terminal texts are as narrow, and samples stay in one piece.
func TestTextsFitTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &console{stdout: &out, getenv: os.Getenv}
	p := painter{wide: 60}
	text, sample := strings.TrimSpace(strings.Repeat("word ", 50)), `  "detail": "`+strings.Repeat("word ", 50)+`"`
	if err := errors.Join(
		c.pairs(p, [][2]string{{"long", text}}), c.sentences(p, text), c.table(p, "t", []string{"A", "B"}, [][]string{{"a", text}}),
	); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 61 {
			t.Errorf("%q is longer than 60", line)
		}
	}
	out.Reset()
	if err := c.pairs(p, [][2]string{{"sample", sample}}); err != nil || out.String() != "  sample  "+sample+"\n" {
		t.Errorf("%v\n%s", err, out.String())
	}
	for wide, want := range map[int]int{0: width, 20: narrowest, 80: 80, 300: width} {
		if got := (painter{wide: wide}).columns(); got != want {
			t.Errorf("%d of %d columns, want %d", got, wide, want)
		}
	}
}

// Work that is stopped says so, with the status that shells expect.
func TestAStoppedCheckSaysSo(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stop() }))
	defer server.Close()
	var out, complaint bytes.Buffer
	c := &console{stdout: &out, stderr: &complaint, getenv: func(string) string { return "" }}
	if got := run(ctx, []string{"check", "server", server.URL, "-c", "heppu"}, c); got != exitStopped {
		t.Errorf("status %d, want %d", got, exitStopped)
	}
	if got, want := complaint.String(), "failwell: stopped before the end\n"; got != want {
		t.Errorf("%q, want %q", got, want)
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
