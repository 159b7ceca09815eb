package conform

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// Parts of SARIF 2.1.0 (OASIS standard, 27 March 2020) that code scanning shows.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
	ColumnKind  string            `json:"columnKind"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string       `json:"id"`
	Name             string       `json:"name"`
	ShortDescription sarifText    `json:"shortDescription"`
	FullDescription  sarifText    `json:"fullDescription"`
	Default          sarifDefault `json:"defaultConfiguration"`
	Properties       sarifTags    `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifDefault struct {
	Level Severity `json:"level"`
}

type sarifTags struct {
	Tags []string `json:"tags"`
}

type sarifInvocation struct {
	// Successful: the check itself ran to its end, whatever it found.
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level      string         `json:"level"`
	Message    sarifText      `json:"message"`
	Associated *sarifRuleHint `json:"associatedRule,omitempty"`
}

type sarifRuleHint struct {
	ID string `json:"id"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        Severity          `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
	Properties   sarifProof        `json:"properties"`
}

type sarifProof struct {
	Target    string   `json:"target"`
	Subject   string   `json:"subject"`
	Reproduce string   `json:"reproduce,omitempty"`
	Evidence  []string `json:"evidence,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

// WriteSARIF writes the report as SARIF 2.1.0. A finding is shown at the line of
// the contract that promises otherwise, since there is no source of the server
// to point at. Rules that were not checked are notifications of the run.
func (r *Report) WriteSARIF(w io.Writer) error {
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "failwell check " + r.Kind, InformationURI: "https://github.com/failwell/failwell", Rules: []sarifRule{}}},
		Results: []sarifResult{}, ColumnKind: "utf16CodeUnits",
	}
	invocation := sarifInvocation{Successful: !r.Stopped}
	if r.Stopped {
		invocation.Notifications = []sarifNotification{{Level: "error", Message: sarifText{r.StoppedAfter()}}}
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: c.ID, Name: pascal(c.ID), ShortDescription: sarifText{c.Title}, FullDescription: sarifText{c.Promise},
			Default: sarifDefault{c.Severity}, Properties: sarifTags{[]string{c.Group}},
		})
		if c.State() == stateSkipped {
			invocation.Notifications = append(invocation.Notifications, sarifNotification{
				Level: "note", Message: sarifText{"not checked: " + c.Skipped}, Associated: &sarifRuleHint{c.ID},
			})
		}
		for j := range c.Findings {
			run.Results = append(run.Results, r.result(i, &c.Findings[j]))
		}
	}
	run.Invocations = []sarifInvocation{invocation}
	return encode(w, sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	}, "  ")
}

func (r *Report) result(rule int, f *Finding) sarifResult {
	c := &r.Checks[rule]
	at := f.At(c.Rule)
	// The same finding of the next run is the same alert, wherever the server runs
	// and whatever ids and times it answered with.
	sum := sha256.Sum256([]byte(c.ID + "\x00" + f.Subject))
	out := sarifResult{
		RuleID: c.ID, RuleIndex: rule, Level: c.Severity,
		Message:      sarifText{f.Subject + ": " + f.Seen + ". Promised: " + f.Promised(c.Rule)},
		Locations:    []sarifLocation{{sarifPhysical{sarifArtifact{fileURI(at.File)}, sarifRegion{max(at.Line, 1)}}}},
		Fingerprints: map[string]string{"failwell/v1": hex.EncodeToString(sum[:16])},
		Properties:   sarifProof{Target: r.Target, Subject: f.Subject, Reproduce: f.Reproduce},
	}
	for _, e := range f.Evidence {
		out.Properties.Evidence = append(out.Properties.Evidence, e.What)
	}
	return out
}

// fileURI is a relative reference where the file is given so, which code
// scanning takes to be below the root of the repository.
func fileURI(name string) string {
	u := url.URL{Path: filepath.ToSlash(name)}
	if filepath.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}

// pascal joins the words of an id as SARIF wants names: request-id to RequestId.
func pascal(id string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(id, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
