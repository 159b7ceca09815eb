package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/conform"
)

// reportFlags are how checks report; every check has them.
type reportFlags struct {
	JSON  bool   `help:"Print JSON."`
	JUnit string `help:"Write a JUnit report there as well; - for stdout, in place of the text."          name:"junit" placeholder:"FILE"`
	SARIF string `help:"Write a SARIF 2.1.0 report there as well; - for stdout, in place of the text."    name:"sarif" placeholder:"FILE"`
	All   bool   `help:"Show every rule and every finding; otherwise what says the same is put together."`
}

// errBroken ends a check that found something; the report has said the rest.
var errBroken = errors.New("the contract is not kept")

// write gives the report out. Its error decides the exit status: 1 when there
// are findings, 130 when the check was stopped, whatever was found until then.
func (x *reportFlags) write(c *console, r *conform.Report) error {
	text := true
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{{x.JUnit, r.WriteJUnit}, {x.SARIF, r.WriteSARIF}} {
		switch file.name {
		case "":
		case "-":
			text = false
			if err := file.write(c.stdout); err != nil {
				return err
			}
		default:
			if err := writeReport(file.name, file.write); err != nil {
				return err
			}
		}
	}
	var err error
	switch {
	case x.JSON:
		err = r.WriteJSON(c.stdout)
	case text:
		err = c.showReport(r, x.All)
	}
	switch {
	case err != nil || r.Kept():
		return err
	case r.Stopped:
		return &statusError{exitStopped, errStopped}
	}
	return &statusError{exitFailed, fmt.Errorf("%w: %s", errBroken, count(r.Found(), "finding"))}
}

func writeReport(name string, write func(io.Writer) error) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return hinted(fmt.Errorf("report: %w", err), "check the path and its permissions")
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return write(file)
}

// shownFindings of one rule, unless all are asked for: the rest mostly says the same.
const shownFindings = 3

// showReport prints the rules by what they are about, then what was found, then
// what was not looked at: the end is what stays on the screen.
func (c *console) showReport(r *conform.Report, all bool) error {
	p := c.painterFor(c.stdout)
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", p.bold(r.API), r.Target)
	for rest := r.Checks; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Group == rest[0].Group {
			n++
		}
		showGroup(&b, p, rest[:n], all)
		rest = rest[n:]
	}
	for _, k := range r.Broken() {
		showBroken(&b, p, &k, all)
	}
	if strings.Contains(b.String(), "$KEY") {
		fmt.Fprintf(&b, "\n%s\n", p.faint("In these lines $KEY is the API key, $KEY_EXPIRED one that has expired, and so on."))
	}
	broken := len(r.Broken())
	fmt.Fprintf(&b, "\n%s kept, ", p.good(strconv.Itoa(r.Checked()-broken)))
	if broken > 0 {
		fmt.Fprintf(&b, "%s, ", p.bad(strconv.Itoa(broken)+" broken"))
	}
	fmt.Fprintf(&b, "%d not checked; %s in %s\n", r.Skipped(), count(r.Requests, "request"), tookWords(r.Took))
	if r.Stopped {
		fmt.Fprintf(&b, "%s\n", p.bad(r.StoppedAfter()))
	}
	return c.print(b.String())
}

// many is how many rules that were not checked for one reason share a line.
const many = 3

// showGroup prints rules about one thing.
func showGroup(b *strings.Builder, p painter, group []conform.Check, all bool) {
	b.WriteString("\n" + p.faint(group[0].Group) + "\n")
	because := map[string]int{}
	for i := range group {
		because[group[i].Skipped]++
	}
	for i := range group {
		k := &group[i]
		n := because[k.Skipped]
		switch {
		case all || k.Skipped == "" || n > 0 && n < many:
			b.WriteString(ruleLine(p, k) + "\n")
		case n >= many:
			b.WriteString(ruleLine(p, &conform.Check{Rule: conform.Rule{Title: count(n, "rule")}, Skipped: k.Skipped}) + "\n")
			because[k.Skipped] = 0 // told
		}
	}
}

func tookWords(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}

// titleColumn is where the remark on a rule begins.
const titleColumn = 58

func ruleLine(p painter, k *conform.Check) string {
	title := k.Title + strings.Repeat(" ", max(titleColumn-len([]rune(k.Title)), 1))
	switch k.State() {
	case "broken":
		return "  " + p.bad("broken") + "  " + title + p.bad(count(len(k.Findings), "finding"))
	case "skipped":
		if p.wide == 0 || len("  -       ")+len([]rune(title+k.Skipped)) <= p.wide {
			return "  " + p.faint("-       "+title+k.Skipped)
		}
		lines := []string{"  " + p.faint("-       "+k.Title)}
		for _, part := range broken(k.Skipped, p.columns()-12) { // there is no room beside the title
			lines = append(lines, strings.Repeat(" ", 12)+p.faint(part))
		}
		return strings.Join(lines, "\n")
	}
	return "  " + p.good("kept") + "    " + title + p.faint(strconv.Itoa(k.Tried)+" tried")
}

func showBroken(b *strings.Builder, p painter, k *conform.Check, all bool) {
	fmt.Fprintf(b, "\n%s  %s  %s\n", p.bad("broken"), p.bold(k.Title), p.faint(string(k.Severity)+", "+k.ID))
	findings := k.Findings
	if !all {
		findings = telling(findings)
	}
	for i := range findings {
		f := &findings[i]
		at := f.At(k.Rule)
		b.WriteString("\n  " + f.Subject + "\n")
		promised := f.Promised(k.Rule)
		if at.File != "" {
			promised += " (" + at.File + ":" + strconv.Itoa(at.Line) + ")"
		}
		labelled(b, p, "promised", promised)
		labelled(b, p, "seen", f.Seen)
		for j, e := range f.Evidence {
			label := ""
			if j == 0 {
				label = "happened"
			}
			labelled(b, p, label, fmt.Sprintf("%6.2f s  %s", e.At.Seconds(), e.What))
		}
		label := "reproduce"
		for line := range strings.Lines(f.Reproduce) { // in one piece, to be copied
			fmt.Fprintf(b, "    %s  %s\n", p.faint(fmt.Sprintf("%-9s", label)), strings.TrimSuffix(line, "\n"))
			label = ""
		}
	}
	if more := len(k.Findings) - len(findings); more > 0 {
		fmt.Fprintf(b, "\n  %s\n", p.faint("and "+strconv.Itoa(more)+" more like this; --all shows them"))
	}
}

// telling are the first few findings that say something different.
func telling(all []conform.Finding) (few []conform.Finding) {
	for _, f := range all {
		if len(few) < shownFindings && !slices.ContainsFunc(few, func(x conform.Finding) bool { return x.Seen == f.Seen }) {
			few = append(few, f)
		}
	}
	return few
}

// labelled writes a text beside its label, broken between words.
func labelled(b *strings.Builder, p painter, label, text string) {
	for _, line := range broken(text, p.columns()-16) {
		fmt.Fprintf(b, "    %s  %s\n", p.faint(fmt.Sprintf("%-9s", label)), line)
		label = ""
	}
}
