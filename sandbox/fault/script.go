// Package fault makes an API fail on purpose: errors of its contract, and a
// wire that is slow, breaks off or lies. What goes wrong is a script; the same
// script and seed give the same run.
package fault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Script is what goes wrong. The zero value is: nothing.
type Script struct {
	// Seed chooses among what is left to chance.
	Seed uint64 `json:"seed" yaml:"seed"`
	// Rules are tried in order; the first that fits a call decides about it.
	Rules []Rule `json:"rules" yaml:"rules"`
}

// Rule says which calls go wrong, and how. All that is given must fit.
type Rule struct {
	// Operation by its id; "" is any. Method and Path, with * for a segment,
	// serve what is no operation.
	Operation string `json:"operation,omitempty" yaml:"operation"`
	Method    string `json:"method,omitempty"    yaml:"method"`
	Path      string `json:"path,omitempty"      yaml:"path"`
	// Key by its name, as "valid"; "" is any.
	Key string `json:"key,omitempty" yaml:"key"`
	// Nth are ordinals among the calls that fit so far, from 1, as "2", "1..3" or
	// "4.."; "" is all.
	Nth string `json:"nth,omitempty" yaml:"nth"`
	// Every is each so-manieth call that fits; 0 is all.
	Every int `json:"every,omitempty" yaml:"every"`
	// Percent of the calls that fit; 0 is all.
	Percent float64 `json:"percent,omitempty" yaml:"percent"`
	// Fault is what happens.
	Fault Fault `json:"fault" yaml:"fault"`
}

// Fault is what goes wrong with one call. Several parts may be given, where
// they do not exclude each other.
type Fault struct {
	// Delay before anything happens, as "250ms", or "lognormal 40ms 0.6" by its
	// median and the standard deviation of its logarithm.
	Delay string `json:"delay,omitempty" yaml:"delay"`
	// Error is a code of the contract. It takes the place of the work.
	Error string `json:"error,omitempty" yaml:"error"`
	// OneOf is one of several codes, by chance.
	OneOf []string `json:"one_of,omitempty" yaml:"one_of"`
	// Done has the work done before it seems to fail, as when only the answer is lost.
	Done bool `json:"done,omitempty" yaml:"done"`
	// Reset breaks the connection off: "before" the head, or after so many bytes
	// of the body, as "512".
	Reset string `json:"reset,omitempty" yaml:"reset"`
	// Stall stops after so many bytes of the body, and says nothing more.
	Stall string `json:"stall,omitempty" yaml:"stall"`
	// Drip sends the body a few bytes at a time, as "16 every 100ms".
	Drip string `json:"drip,omitempty" yaml:"drip"`
	// Body is another body: "malformed" JSON, "html" as of a proxy, "empty",
	// "truncated", or "binary".
	Body string `json:"body,omitempty" yaml:"body"`
	// ContentType replaces that of the answer.
	ContentType string `json:"content_type,omitempty" yaml:"content_type"`
	// Status of an answer that no contract knows, as a proxy's 502. The work is
	// not done then, unless Done is given.
	Status int `json:"status,omitempty" yaml:"status"`
	// RetryAfter is sent as it is written, for example "3", "-1", "1.5", "soon",
	// "999999999999"; "date 30s" is an HTTP date so far ahead.
	RetryAfter string `json:"retry_after,omitempty" yaml:"retry_after"`
	// Missing headers are left out, Duplicate ones sent twice.
	Missing   []string `json:"missing,omitempty"   yaml:"missing"`
	Duplicate []string `json:"duplicate,omitempty" yaml:"duplicate"`
	// Headers are set.
	Headers map[string]string `json:"headers,omitempty" yaml:"headers"`
	// CutEvents ends a stream of server-sent events after so many of them, in the
	// middle of the next.
	CutEvents int `json:"cut_events,omitempty" yaml:"cut_events"`
}

// Parse reads a script in YAML, or JSON. Unknown keys and values that mean
// nothing are errors with the line.
func Parse(name string, text []byte, c *contract.Contract) (*Script, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	s := &Script{}
	if err := d.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := compile(s, c); err != nil {
		return nil, located(name, text, err)
	}
	return s, nil
}

// ruleError is what is wrong with one rule.
type ruleError struct {
	rule int // from 1
	err  error
}

func (e *ruleError) Error() string { return fmt.Sprintf("rule %d: %v", e.rule, e.err) }
func (e *ruleError) Unwrap() error { return e.err }

// located says of each fault in which line its rule begins.
func located(name string, text []byte, err error) error {
	var lines struct {
		Rules []yaml.Node `yaml:"rules"`
	}
	all, ok := err.(interface{ Unwrap() []error })
	if !ok || yaml.Unmarshal(text, &lines) != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var out []error
	for _, err := range all.Unwrap() {
		if r, ok := errors.AsType[*ruleError](err); ok && r.rule <= len(lines.Rules) {
			out = append(out, fmt.Errorf("%s:%d: %w", name, lines.Rules[r.rule-1].Line, err))
		}
	}
	return errors.Join(out...)
}

// Mild is what a sandbox does by itself: a few calls in a hundred fail in a way
// that is worth another try, and none takes the same time. A client that cannot
// cope with it cannot cope with any API.
func Mild(c *contract.Contract, seed uint64) *Script {
	s := &Script{Seed: seed}
	if codes := passing(c); len(codes) > 0 {
		s.Rules = append(s.Rules, Rule{Percent: 3, Fault: Fault{OneOf: codes, Delay: jitter}})
	}
	s.Rules = append(s.Rules, Rule{Fault: Fault{Delay: jitter}})
	return s
}

const jitter = "lognormal 8ms 0.6"

// Hostile fails every fifth call or so, in every way that there is.
func Hostile(c *contract.Contract, seed uint64) *Script {
	s := &Script{Seed: seed}
	add := func(percent float64, f Fault) { s.Rules = append(s.Rules, Rule{Percent: percent, Fault: f}) }
	if codes := passing(c); len(codes) > 0 {
		add(8, Fault{OneOf: codes, Delay: jitter})
	}
	add(2, Fault{Reset: "before"})
	add(2, Fault{Reset: "before", Done: true})
	add(2, Fault{Reset: "20", Done: true})
	add(2, Fault{Status: 502, Body: "html", ContentType: "text/html"})
	add(1, Fault{Status: 503, Body: "empty", RetryAfter: "1"})
	add(1, Fault{Status: 503, Body: "malformed", RetryAfter: "date 1s"})
	add(1, Fault{Drip: "8 every 5ms", Done: true})
	s.Rules = append(s.Rules, Rule{Fault: Fault{Delay: "lognormal 15ms 0.9"}})
	return s
}

// passing are the codes that stand for trouble on the API's side that passes.
func passing(c *contract.Contract) []string {
	var names []string
	for _, code := range c.Codes {
		trouble := code.Status >= 500 && (code.Retry == condition.Backoff || code.Retry == condition.AfterWait || code.Retry == condition.SameKey)
		if trouble && len(code.Operations) == 0 && !slices.ContainsFunc(code.Is, func(m contract.Meaning) bool { return m.Condition == condition.ProcessingFailed }) {
			names = append(names, code.Name)
		}
	}
	return names
}

// rule is a Rule in a form that can be asked.
type rule struct {
	Rule

	from, to uint64
	fault    made
}

// made is a Fault in a form that can be done.
type made struct {
	Fault

	delay           time.Duration
	sigma           float64
	codes           []*contract.Code
	resetBefore     bool
	reset, stall    int // bytes; -1 is never
	dripBytes       int
	dripEvery       time.Duration
	retryAfterAhead time.Duration
}

var bodies = []string{"malformed", "html", "empty", "truncated", "binary"}

// compile checks a script, all of it.
func compile(s *Script, c *contract.Contract) ([]rule, error) {
	var faults []error
	rules := make([]rule, len(s.Rules))
	for i, r := range s.Rules {
		wrong := func(format string, args ...any) {
			faults = append(faults, &ruleError{i + 1, fmt.Errorf(format, args...)})
		}
		rules[i] = rule{Rule: r, from: 1}
		if r.Operation != "" && !slices.ContainsFunc(c.Operations, func(o *contract.Operation) bool { return o.ID == r.Operation }) {
			ids := make([]string, len(c.Operations))
			for j, o := range c.Operations {
				ids[j] = o.ID
			}
			wrong("operation %q is not in the contract: %s", r.Operation, contract.DidYouMean(r.Operation, ids))
		}
		if r.Percent < 0 || r.Percent > 100 || r.Every < 0 {
			wrong("percent is 0 to 100, every 0 or more")
		}
		if err := rules[i].ordinals(); err != nil {
			wrong("%w", err)
		}
		var err error
		if rules[i].fault, err = r.Fault.make(c); err != nil {
			wrong("%w", err)
		}
	}
	return rules, errors.Join(faults...)
}

func (r *rule) ordinals() error {
	if r.Nth == "" {
		return nil
	}
	from, to, ranged := strings.Cut(r.Nth, "..")
	var err error
	if r.from, err = strconv.ParseUint(from, 10, 32); err == nil {
		switch {
		case !ranged:
			r.to = r.from
		case to != "":
			r.to, err = strconv.ParseUint(to, 10, 32)
		}
	}
	if err != nil || r.from == 0 || r.to != 0 && r.to < r.from {
		return fmt.Errorf("nth cannot be %q, write for example 4.., 1..3 or 2", r.Nth)
	}
	return nil
}

func (f Fault) make(c *contract.Contract) (m made, err error) {
	m = made{Fault: f, reset: -1, stall: -1}
	var faults []error
	names := f.OneOf
	if f.Error != "" {
		names = append([]string{f.Error}, names...)
	}
	for _, name := range names {
		code, err := CodeOf(c, name)
		if err != nil {
			faults = append(faults, err)
		}
		m.codes = append(m.codes, code)
	}
	if m.delay, m.sigma, err = parseDelay(f.Delay); err != nil {
		faults = append(faults, err)
	}
	m.resetBefore = f.Reset == "before"
	if f.Reset != "" && !m.resetBefore {
		m.reset, err = bytesOf("reset", f.Reset)
		faults = append(faults, err)
	}
	if f.Stall != "" {
		m.stall, err = bytesOf("stall", f.Stall)
		faults = append(faults, err)
	}
	if f.Drip != "" {
		size, every, _ := strings.Cut(f.Drip, " every ")
		m.dripBytes, err = strconv.Atoi(size)
		var err2 error
		m.dripEvery, err2 = time.ParseDuration(every)
		if err != nil || err2 != nil || m.dripBytes < 1 || m.dripEvery <= 0 || m.dripEvery > longest {
			faults = append(faults, fmt.Errorf("drip cannot be %q, write for example \"16 every 100ms\"", f.Drip))
		}
	}
	if f.Body != "" && !slices.Contains(bodies, f.Body) {
		faults = append(faults, fmt.Errorf("body cannot be %q, choose one of %s", f.Body, strings.Join(bodies, ", ")))
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		faults = append(faults, fmt.Errorf("status cannot be %d, choose 200 to 599", f.Status))
	}
	if ahead, dated := strings.CutPrefix(f.RetryAfter, "date "); dated {
		if m.retryAfterAhead, err = time.ParseDuration(ahead); err != nil {
			faults = append(faults, fmt.Errorf("retry_after cannot be %q, write for example \"date 30s\"", f.RetryAfter))
		}
	}
	return m, errors.Join(faults...)
}

// longest is how long one wait of a fault can be: scripts come from strangers
// as well, and a connection that is held takes memory.
const longest = 10 * time.Minute

func bytesOf(what, s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return -1, fmt.Errorf("%s cannot be %q, write how many bytes of the body go before", what, s)
	}
	return n, nil
}

func parseDelay(s string) (median time.Duration, sigma float64, err error) {
	if s == "" {
		return 0, 0, nil
	}
	words := strings.Fields(s)
	if len(words) == 3 && words[0] == "lognormal" {
		median, err = time.ParseDuration(words[1])
		if err == nil {
			sigma, err = strconv.ParseFloat(words[2], 64)
		}
	} else {
		median, err = time.ParseDuration(s)
	}
	if err != nil || median < 0 || median > longest || sigma < 0 || sigma > 3 {
		return 0, 0, fmt.Errorf("delay cannot be %q, write for example 250ms or \"lognormal 40ms 0.6\", up to %s", s, longest)
	}
	return median, sigma, nil
}

// CodeOf finds a code of the contract by its name, or as it is sent where that
// is one entry's alone.
func CodeOf(c *contract.Contract, name string) (*contract.Code, error) {
	var found *contract.Code
	for _, code := range c.Codes {
		if code.Name == name {
			return code, nil
		}
		if code.Wire == name {
			if found != nil {
				found = nil
				break
			}
			found = code
		}
	}
	if found != nil {
		return found, nil
	}
	names := make([]string, len(c.Codes))
	for i, code := range c.Codes {
		names[i] = code.Name
	}
	return nil, fmt.Errorf("the contract %s has no code %q: %s", c.API, name, contract.DidYouMean(name, names))
}
