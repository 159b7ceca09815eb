package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/failwell/failwell/conform/client"
)

type checkClientCmd struct {
	reportFlags

	Command []string `arg:"" help:"The program and its arguments, after --; {url} and {key} stand for where the API is and for the key." name:"command" optional:""`

	Contract string        `help:"What it should obey: a built-in name or a file."                                          placeholder:"NAME|FILE"               required:"true"        short:"c"`
	Env      []string      `help:"A variable of the program, {url} and {key} filled in; may be given more than once."       placeholder:"NAME=VALUE"              sep:"none"             short:"e"`
	Success  string        `help:"File with the body of an answer that succeeds; an empty JSON object when left out."       placeholder:"FILE"`
	Key      string        `help:"The API key that the program is given; one that looks like the contract's when left out." placeholder:"KEY"`
	Scenario []string      `help:"Play this one only; may be given more than once."                                         placeholder:"NAME"                    sep:"none"`
	List     bool          `help:"List the scenarios, and run nothing."`
	Parallel int           `default:"8"                                                                                     help:"Programs at once (${default})." placeholder:"N"`
	Patience time.Duration `default:"30s"                                                                                   help:"Longest run (${default})."      placeholder:"DURATION"`
}

// Help is shown below the flags.
func (*checkClientCmd) Help() string {
	return `Runs a program that makes one call, again and again, against a server that fails as the contract says, and holds what it sends, and when, to
what the contract asks of its clients. The program may be written in anything: it finds the API in {url} or FAILWELL_URL, its key in {key} or
FAILWELL_KEY, and should end with a status other than 0 when its call has failed. It really waits, so a check takes some 20 seconds. For example:

  failwell check client -c hebbrix -- python client.py {url}/v1/memories

Ctrl-C ends the check and reports what was found until then; a second one ends at once.

The exit status is 0 when nothing was found, 1 when something was, 2 when the program cannot be checked, 130 when the check was stopped before
its end.`
}

// Run checks and reports.
func (x *checkClientCmd) Run(ctx context.Context, c *console) error {
	spec, err := loadContract(x.Contract)
	if err != nil {
		return &statusError{exitUnknown, err}
	}
	if x.List {
		return x.list(c, client.Scenarios(spec))
	}
	if len(x.Command) == 0 {
		return usage("as in: failwell check client -c hebbrix -- python client.py {url}/v1/memories", "there is no command to check")
	}
	config := client.Config{
		Contract: spec, Name: x.Contract, Command: x.Command, Env: x.Env, Key: x.Key, Scenarios: x.Scenario, Parallel: x.Parallel, Patience: x.Patience,
	}
	for _, e := range x.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return usage("as in: -e 'API_URL={url}'", "%q is not a variable", e)
		}
	}
	if x.Success != "" {
		if config.Success, err = readFile("success", x.Success); err != nil {
			return &statusError{exitUnknown, err}
		}
	}
	done := func() {}
	if isTerminal(c.stderr) && !x.JSON {
		config.Ended = func(done, all int, scenario string) { c.stderrLine(fmt.Sprintf("%d of %d  %s", done, all, scenario)) }
		done = func() { c.stderrLine("") }
	}
	report, err := client.Check(ctx, config)
	done()
	switch {
	case report != nil: // the error then says no more than that it was stopped
		return x.write(c, report)
	case errors.Is(err, client.ErrProgram):
		return &statusError{exitUnknown, hinted(err, "it should make one call to {url}, and end with status 0 when that succeeds; --success FILE gives it the answer that it expects")}
	case errors.Is(err, client.ErrConfig):
		return &statusError{exitUnknown, hinted(err, "failwell check client --list -c "+x.Contract+" lists the scenarios")}
	}
	return fmt.Errorf("checking: %w", err)
}

func (x *checkClientCmd) list(c *console, scenarios []client.Scenario) error {
	if x.JSON {
		return c.json(scenarios)
	}
	rows := make([][]string, len(scenarios))
	for i, s := range scenarios {
		rows[i] = []string{s.Name, s.Subject}
	}
	return c.table(c.painterFor(c.stdout), count(len(scenarios), "scenario"), []string{"NAME", "HOW CALLS ARE ANSWERED"}, rows)
}
