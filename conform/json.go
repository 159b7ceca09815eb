package conform

import (
	"encoding/json"
	"fmt"
	"io"
)

type reportJSON struct {
	Check    string      `json:"check"`
	Target   string      `json:"target"`
	API      string      `json:"api"`
	Contract string      `json:"contract"`
	Kept     bool        `json:"kept"`
	Findings int         `json:"findings"`
	Checked  int         `json:"checked"`
	Skipped  int         `json:"skipped"`
	Requests int         `json:"requests"`
	Stopped  *stopJSON   `json:"stopped,omitempty"`
	Seconds  float64     `json:"seconds"`
	Rules    []checkJSON `json:"rules"`
}

type stopJSON struct {
	Done int `json:"done"`
	All  int `json:"all"`
}

type checkJSON struct {
	ID       string        `json:"id"`
	Group    string        `json:"group"`
	Title    string        `json:"title"`
	Severity Severity      `json:"severity"`
	Promise  string        `json:"promise"`
	File     string        `json:"file"`
	Line     int           `json:"line"`
	State    string        `json:"state"`
	Why      string        `json:"why,omitempty"`
	Tried    int           `json:"tried"`
	Findings []findingJSON `json:"findings,omitempty"`
}

type findingJSON struct {
	Subject   string      `json:"subject"`
	Promise   string      `json:"promise"`
	Seen      string      `json:"seen"`
	File      string      `json:"file"`
	Line      int         `json:"line"`
	Reproduce string      `json:"reproduce,omitempty"`
	Evidence  []eventJSON `json:"evidence,omitempty"`
}

type eventJSON struct {
	Seconds float64 `json:"seconds"`
	What    string  `json:"what"`
}

// States of a rule in reports.
const (
	stateKept    = "kept"
	stateBroken  = "broken"
	stateSkipped = "skipped"
)

// State is what became of the rule, in a word: kept, broken or skipped.
func (c *Check) State() string {
	switch {
	case len(c.Findings) > 0:
		return stateBroken
	case c.Skipped != "":
		return stateSkipped
	}
	return stateKept
}

// WriteJSON writes the report as one JSON value on one line.
func (r *Report) WriteJSON(w io.Writer) error {
	out := reportJSON{
		Check: r.Kind, Target: r.Target, API: r.API, Contract: r.File, Kept: r.Kept(), Findings: r.Found(),
		Checked: r.Checked(), Skipped: r.Skipped(), Requests: r.Requests, Seconds: r.Took.Seconds(), Rules: []checkJSON{},
	}
	if r.Stopped {
		out.Stopped = &stopJSON{r.Done, r.All}
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		row := checkJSON{
			ID: c.ID, Group: c.Group, Title: c.Title, Severity: c.Severity, Promise: c.Promise, File: c.Pos.File, Line: c.Pos.Line,
			State: c.State(), Why: c.Skipped, Tried: c.Tried,
		}
		for j := range c.Findings {
			f := &c.Findings[j]
			at := f.At(c.Rule)
			found := findingJSON{Subject: f.Subject, Promise: f.Promised(c.Rule), Seen: f.Seen, File: at.File, Line: at.Line, Reproduce: f.Reproduce}
			for _, e := range f.Evidence {
				found.Evidence = append(found.Evidence, eventJSON{e.At.Seconds(), e.What})
			}
			row.Findings = append(row.Findings, found)
		}
		out.Rules = append(out.Rules, row)
	}
	return encode(w, out, "")
}

func encode(w io.Writer, v any, indent string) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
