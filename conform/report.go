// Package conform is what checks of a contract have in common: rules, what was
// promised, what was seen instead, and reports for people's programs (JSON, JUnit,
// SARIF). Who checks stands below: a live server in conform/server.
//
// A rule is stated in a contract's own words (its header names, codes and
// numbers), with the line that says so. What a contract does not promise is not
// checked, and the report says that and why.
package conform

import (
	"slices"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract"
)

// Severity is how bad it is to break a rule.
type Severity string

const (
	// Error breaks a promise that clients build on.
	Error Severity = "error"
	// Warning breaks no client by itself, but will cost somebody an afternoon.
	Warning Severity = "warning"
)

// Rule is one thing to be checked.
type Rule struct {
	// ID is stable: words of lower case joined by hyphens.
	ID string
	// Group is what the rule is about, one word; reports put them together by it.
	Group string
	// Title is the rule in a few words, the same for every contract.
	Title    string
	Severity Severity
	// Promise is the rule in the contract's words.
	Promise string
	// Pos is the line that promises it.
	Pos contract.Position
}

// Check is what became of one rule.
type Check struct {
	Rule

	// Skipped says why the rule was not checked; "" when it was.
	Skipped string
	// Tried counts the observations the rule was held against.
	Tried    int
	Findings []Finding
}

// Finding is one broken promise.
type Finding struct {
	// Subject is what was called, such as "POST /v1/memories, no key".
	Subject string
	// Seen is what was there in place of what was promised: a sentence in lower
	// case, without a full stop.
	Seen string
	// Promise is what was promised to this call; empty: what the rule says.
	Promise string
	// Pos is the line that promises it; zero: the rule's.
	Pos contract.Position
	// Reproduce is a command line for a shell. It names keys by variables.
	Reproduce string
	// Evidence is what happened, in order.
	Evidence []Event
}

// Event is something that happened during a check.
type Event struct {
	// At counts from the beginning of what the finding is about.
	At   time.Duration
	What string
}

// Report is the outcome of one run.
type Report struct {
	// Kind is what was checked: "server" or "client".
	Kind string
	// Target is the URL or the command line.
	Target string
	// API is the contract's short name, File where it was read from.
	API, File string
	Checks    []Check
	// Requests that were sent, or received.
	Requests int
	Took     time.Duration
	// Stopped: somebody ended the run after Done of All steps, which are planned
	// requests or runs of the program. Rules that had seen nothing by then are
	// skipped. Done and All are 0 where it came to its end.
	Stopped   bool
	Done, All int
}

// Kept reports whether everything was looked at that should be, and nothing found.
func (r *Report) Kept() bool { return r.Found() == 0 && !r.Stopped }

// StoppedAfter says in words how far a run came that was stopped.
func (r *Report) StoppedAfter() string {
	steps := "planned requests"
	if r.Kind == "client" {
		steps = "runs"
	}
	return "stopped after " + strconv.Itoa(r.Done) + " of " + strconv.Itoa(r.All) + " " + steps
}

// Found counts all findings.
func (r *Report) Found() int {
	n := 0
	for i := range r.Checks {
		n += len(r.Checks[i].Findings)
	}
	return n
}

// Checked and Skipped count rules.
func (r *Report) Checked() int { return len(r.Checks) - r.Skipped() }

// Skipped counts the rules that were not checked.
func (r *Report) Skipped() int {
	n := 0
	for i := range r.Checks {
		if r.Checks[i].Skipped != "" {
			n++
		}
	}
	return n
}

// Broken are the checks with findings, errors first.
func (r *Report) Broken() []Check {
	var list []Check
	for _, c := range r.Checks {
		if len(c.Findings) > 0 {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b Check) int { return weight(a.Severity) - weight(b.Severity) })
	return list
}

func weight(s Severity) int {
	if s == Error {
		return 0
	}
	return 1
}

// At is where the finding of a rule is promised.
func (f *Finding) At(r Rule) contract.Position {
	if f.Pos == (contract.Position{}) {
		return r.Pos
	}
	return f.Pos
}

// Promised is what was promised to the call of a finding.
func (f *Finding) Promised(r Rule) string {
	if f.Promise == "" {
		return r.Promise
	}
	return f.Promise
}
