package conform

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What CI systems read of JUnit's format: a suite of cases, each of which may
// have failed or been skipped, with a message and a text.
type suitesXML struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"`
	Suites   []suiteXML `xml:"testsuite"`
}

type suiteXML struct {
	Name     string    `xml:"name,attr"`
	Tests    int       `xml:"tests,attr"`
	Failures int       `xml:"failures,attr"`
	Errors   int       `xml:"errors,attr"`
	Skipped  int       `xml:"skipped,attr"`
	Time     string    `xml:"time,attr"`
	Cases    []caseXML `xml:"testcase"`
}

type caseXML struct {
	Class   string      `xml:"classname,attr"`
	Name    string      `xml:"name,attr"`
	Time    string      `xml:"time,attr"`
	Failure *failureXML `xml:"failure,omitempty"`
	Error   *failureXML `xml:"error,omitempty"`
	Skipped *skippedXML `xml:"skipped,omitempty"`
}

type failureXML struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type skippedXML struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes the report as JUnit XML: a case for each rule, in a suite
// that is named after the check and the API.
func (r *Report) WriteJUnit(w io.Writer) error {
	took := strconv.FormatFloat(r.Took.Round(time.Millisecond).Seconds(), 'f', 3, 64)
	suite := suiteXML{Name: "failwell check " + r.Kind + " " + r.API, Tests: len(r.Checks), Skipped: r.Skipped(), Time: took}
	for i := range r.Checks {
		c := &r.Checks[i]
		row := caseXML{Class: "failwell." + r.Kind + "." + c.Group, Name: c.ID + ": " + c.Title, Time: "0.000"}
		switch c.State() {
		case stateBroken:
			suite.Failures++
			row.Failure = &failureXML{Message: legal(c.Findings[0].Subject + ": " + c.Findings[0].Seen), Type: c.ID, Text: legal(c.text())}
		case stateSkipped:
			row.Skipped = &skippedXML{legal(c.Skipped)}
		}
		suite.Cases = append(suite.Cases, row)
	}
	if r.Stopped { // else a run that somebody stopped would look like one that went well
		suite.Tests, suite.Errors = suite.Tests+1, 1
		suite.Cases = append(suite.Cases, caseXML{
			Class: "failwell." + r.Kind, Name: "the check comes to its end", Time: "0.000", Error: &failureXML{Message: r.StoppedAfter(), Type: "stopped"},
		})
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	out := suitesXML{
		Name: "failwell", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Skipped: suite.Skipped, Time: took, Suites: []suiteXML{suite},
	}
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// text tells of all findings of a rule.
func (c *Check) text() string {
	var b strings.Builder
	for i := range c.Findings {
		f := &c.Findings[i]
		at := f.At(c.Rule)
		fmt.Fprintf(&b, "%s\n  promised   %s (%s:%d)\n  seen       %s\n", f.Subject, f.Promised(c.Rule), at.File, at.Line, f.Seen)
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "  %8.3fs  %s\n", e.At.Seconds(), e.What)
		}
		if f.Reproduce != "" {
			fmt.Fprintf(&b, "  reproduce  %s\n", f.Reproduce)
		}
	}
	return b.String()
}

// legal replaces what XML 1.0 cannot hold, which a server may well have sent.
func legal(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r != 0xfffe && r != 0xffff {
			return r
		}
		return utf8.RuneError
	}, s)
}
