package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/conform/server"
	"github.com/failwell/failwell/contract"
)

type checkCmd struct {
	Server checkServerCmd `cmd:"" help:"Check a live API, written in anything, against its contract."`
	Client checkClientCmd `cmd:"" help:"Check a program that calls an API against what the contract asks of clients."`
}

type checkServerCmd struct {
	reportFlags

	URL string `arg:"" help:"The API's base URL."`

	Contract  string            `help:"What it should keep: a built-in name or a file."                                                    placeholder:"NAME|FILE"                                     required:"true"          short:"c"`
	OpenAPI   string            `help:"OpenAPI file of the service; its operations replace the contract's."                                name:"openapi"                                              placeholder:"FILE"`
	Key       string            `help:"An API key that works; env:NAME keeps it off the command line."                                     placeholder:"KEY|env:NAME"`
	StateKey  map[string]string `help:"A key in another state, which has to be refused as that: ${states}."                                mapsep:"none"                                               name:"state-key"         placeholder:"STATE=KEY|env:NAME"`
	Operation []string          `help:"Check these operations only: an id, or as in 'POST /v1/items'."                                     placeholder:"OPERATION"                                     sep:"none"`
	Param     map[string]string `help:"A value for a parameter of a path."                                                                 mapsep:"none"                                               placeholder:"NAME=VALUE"`
	Header    []string          `help:"A header that goes along with every request; may be given more than once."                          placeholder:"NAME: VALUE"                                   sep:"none"               short:"H"`
	Safe      bool              `help:"Send nothing but reads."                                                                            xor:"effect,used"`
	Writes    bool              `help:"Make calls that succeed and change something as well, as the rules about idempotency need."         xor:"effect"`
	Limits    bool              `help:"Use a rate limit up, to see whether what is said of it is true; takes as long as the API asks for."`
	UseUp     []string          `help:"Use up ${allowances} of the key's account: costs what the calls do."                                name:"use-up"                                               placeholder:"WHAT"       xor:"used"`
	Thorough  bool              `help:"Try every operation; otherwise three stand for all."`
	DryRun    bool              `help:"Print what would be sent, and send nothing."`
	Max       int               `default:"500"                                                                                             help:"Most requests (${default})."                          name:"max-requests"      placeholder:"N"`
	Rate      float64           `default:"10"                                                                                              help:"Most requests in a second (${default})."              placeholder:"N"`
	Patience  time.Duration     `default:"90s"                                                                                             help:"Longest Retry-After that is waited for (${default})." placeholder:"DURATION"`
}

// Help is shown below the flags.
func (*checkServerCmd) Help() string {
	return `Calls the API in every way that its contract has an answer for, and holds each answer to what is promised. Unless told otherwise it sends
reads, and calls that an API which keeps its contract refuses; --dry-run lists them. A rule that the contract does not promise, or that a key is
missing for, is listed as not checked.

Ctrl-C ends the check and reports what was found until then; a second one ends at once.

The exit status is 0 when nothing was found, 1 when something was, 2 when the API or the contract cannot be reached, 130 when the check was
stopped before its end.`
}

// Run checks and reports.
func (x *checkServerCmd) Run(ctx context.Context, c *console) error {
	config, err := x.config(c)
	if err != nil {
		return err
	}
	if x.DryRun {
		return x.plan(c, config)
	}
	if len(x.UseUp) > 0 {
		c.notef("using up %s of the account that the key belongs to; the calls are charged, and others on it are refused until it is given back", strings.Join(x.UseUp, ", "))
	}
	done := func() {}
	if isTerminal(c.stderr) && !x.JSON {
		config.Sent = func(number int, line string) { c.stderrLine(fmt.Sprintf("%d  %s", number, line)) }
		done = func() { c.stderrLine("") }
	}
	report, err := server.Check(ctx, config)
	done()
	switch {
	case report != nil: // the error then says no more than that it was stopped
		return x.write(c, report)
	case errors.Is(err, server.ErrUnreachable):
		return &statusError{exitUnknown, hinted(err, "check the URL, and that the API is running")}
	case errors.Is(err, server.ErrConfig):
		hint := "failwell check server --help tells what it needs"
		if !strings.Contains(x.URL, "://") {
			hint = "write http://" + x.URL + " or https://" + x.URL
		}
		return &statusError{exitUnknown, hinted(err, hint)}
	}
	return fmt.Errorf("checking: %w", err)
}

// stderrLine replaces the last line of a terminal.
func (c *console) stderrLine(s string) {
	columns := c.painterFor(c.stderr).columns()
	if runes := []rune(s); len(runes) > columns {
		s = string(runes[:columns-1])
	}
	fmt.Fprintf(c.stderr, "\r\x1b[K%s", s)
}

func (x *checkServerCmd) config(c *console) (server.Config, error) {
	spec, err := loadContract(x.Contract)
	if err != nil {
		return server.Config{}, &statusError{exitUnknown, err}
	}
	if x.OpenAPI != "" {
		if spec, err = withOperations(spec, x.OpenAPI); err != nil {
			return server.Config{}, &statusError{exitUnknown, err}
		}
	}
	config := server.Config{
		Contract: spec, URL: x.URL, Operations: x.Operation, Params: x.Param, Header: http.Header{}, Keys: map[string]string{},
		Safe: x.Safe, Writes: x.Writes, Limits: x.Limits, UseUp: x.UseUp, Thorough: x.Thorough, MaxRequests: x.Max, Patience: x.Patience,
	}
	for _, name := range x.UseUp {
		if all := server.Allowances(); !slices.Contains(all, name) {
			return config, usage(contract.DidYouMean(name, all), "%q is nothing that can be used up", name)
		}
	}
	if x.Rate <= 0 || x.Max <= 0 {
		return config, usage("write a number above 0", "--rate and --max-requests bound what is sent")
	}
	config.Pause = time.Duration(float64(time.Second) / x.Rate)
	for _, h := range x.Header {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return config, usage("as in: -H 'X-Tenant: a'", "%q is not a header", h)
		}
		config.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	keys := maps.Clone(x.StateKey)
	if keys == nil {
		keys = map[string]string{}
	}
	if x.Key != "" {
		keys["valid"] = x.Key
	}
	for _, state := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(server.KeyNames(), state) {
			return config, usage(contract.DidYouMean(state, server.KeyNames()), "there is no state %q of a key", state)
		}
		value := keys[state]
		if name, ok := strings.CutPrefix(value, "env:"); ok {
			if value = c.getenv(name); value == "" {
				return config, usage("set it, or leave the key out", "the variable %s is empty", name)
			}
		}
		config.Keys[state] = value
	}
	return config, nil
}

// withOperations is the contract in front of what an OpenAPI file describes.
func withOperations(spec *contract.Contract, file string) (*contract.Contract, error) {
	operations, err := loadOperations(file)
	if err != nil {
		return nil, err
	}
	return spec.WithOperations(operations)
}

// plan prints what would be sent, in order.
func (x *checkServerCmd) plan(c *console, config server.Config) error {
	list, err := server.Plan(config)
	if err != nil {
		return &statusError{exitUnknown, err}
	}
	if x.JSON {
		return c.json(list)
	}
	rows := make([][]string, len(list))
	for i, p := range list {
		rows[i] = []string{string(p.Effect), p.Line, p.Subject}
	}
	return c.table(c.painterFor(c.stdout), count(len(list), "request"), []string{"EFFECT", "REQUEST", "WHAT IS SPECIAL"}, rows)
}
