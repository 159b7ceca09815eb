// Package client checks any program that calls an API against what the API's
// contract asks of its callers. The program is run against a server that fails
// on purpose, once for each scenario; what it sends, and when, is held against
// rules in the contract's own words.
//
// The scenarios are made from the contract: its codes, envelopes, hints, waits
// and headers. Programs really wait, so scenarios run side by side.
package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
)

// Config says which program is checked, and how. Contract and Command are
// required; zero fields mean what their comments say.
type Config struct {
	// Contract is what the program should obey.
	Contract *contract.Contract
	// Name is what the contract is called on a command line; empty: its file.
	Name string
	// Command is the program and its arguments. It makes one call and ends.
	// {url} stands for where the API is (scheme, host and port), {key} for the API
	// key. The program finds them in FAILWELL_URL and FAILWELL_KEY as well, and
	// the scenario's name in FAILWELL_SCENARIO.
	Command []string
	// Env are further variables of the program, as "NAME=value" with {url} and
	// {key} as above. It has those of this process besides.
	Env []string
	// Dir is where the program runs; empty: here.
	Dir string
	// Key is the API key; empty: one that looks like the contract's.
	Key string
	// Success is the body of an answer that succeeds; nil: an empty JSON object.
	Success []byte
	// Scenarios narrows the check to those of these names. Empty: all.
	Scenarios []string
	// Parallel is how many programs run at once; 8 when 0.
	Parallel int
	// Patience is how long one run may take; 30 s when 0. What still runs then is ended.
	Patience time.Duration
	// Ended is optional: it is told of each run that has ended, from several
	// goroutines, one at a time.
	Ended func(done, all int, scenario string)
}

const (
	defaultParallel = 8
	defaultPatience = 30 * time.Second
)

// Errors of [Check]; compare with errors.Is.
var (
	// ErrProgram: the program cannot be started, calls nothing, or fails although
	// every answer is a success, so that nothing can be said.
	ErrProgram = errors.New("the program cannot be checked")
	// ErrConfig: the configuration does not fit the contract.
	ErrConfig = errors.New("this cannot be checked")
)

// Check runs the program and reports what it does against its contract. The
// error is for what keeps it from checking; a broken contract is none. When ctx
// ends first and a scenario was played until then, the report of what was seen
// comes along with the error.
func Check(ctx context.Context, config Config) (*conform.Report, error) {
	k, err := newChecker(config)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := k.baseline(ctx); err != nil {
		return nil, err
	}
	err = k.runAll(ctx)
	k.stopped = err != nil && ctx.Err() != nil
	if err != nil && !k.stopped {
		return nil, err
	}
	report := &conform.Report{
		Kind: "client", Target: commandLine(config.Command), API: config.Contract.API, File: config.Contract.File, Checks: k.judge(), Took: time.Since(began),
	}
	for _, r := range k.runs {
		report.Requests += len(r.attempts)
	}
	if k.stopped {
		report.Stopped, report.Done, report.All = true, len(k.runs), k.planned
	}
	return report, err
}

// Scenario is one way in which calls are answered.
type Scenario struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
}

// Scenarios lists those that a contract leads to, for a program that only reads
// and for one that writes.
func Scenarios(c *contract.Contract) []Scenario {
	k := &checker{config: Config{Contract: c}, contract: c, first: &attempt{method: "POST"}}
	scenarios := k.scenarios()
	list := make([]Scenario, 0, len(scenarios)+1)
	list = append(list, Scenario{baselineName, "every answer is a success"})
	for _, s := range scenarios {
		list = append(list, Scenario{s.name, s.subject})
	}
	return list
}

type checker struct {
	config   Config
	contract *contract.Contract
	key      string
	// first is the first request of the program when all goes well.
	first *attempt
	good  *run
	runs  []*run
	// planned runs, the first included; stopped: the check was ended before.
	planned int
	stopped bool
}

func newChecker(config Config) (*checker, error) {
	switch {
	case config.Contract == nil:
		return nil, fmt.Errorf("%w: there is no contract", ErrConfig)
	case len(config.Command) == 0 || config.Command[0] == "":
		return nil, fmt.Errorf("%w: there is no command", ErrConfig)
	}
	if config.Parallel <= 0 {
		config.Parallel = defaultParallel
	}
	if config.Patience <= 0 {
		config.Patience = defaultPatience
	}
	if config.Name == "" {
		config.Name = config.Contract.File
	}
	if config.Success == nil {
		config.Success = []byte("{}")
	}
	names := []string{baselineName}
	for _, s := range Scenarios(config.Contract) {
		names = append(names, s.Name)
	}
	for _, name := range config.Scenarios {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: there is no scenario %q, %s", ErrConfig, name, contract.DidYouMean(name, names))
		}
	}
	k := &checker{config: config, contract: config.Contract, key: config.Key}
	if k.key == "" {
		format := config.Contract.Auth.Key
		k.key = format.Environments[0].Prefix + strings.Repeat("0f3a9c", format.Length/6+1)[:format.Length]
	}
	return k, nil
}

const baselineName = "success"

// baseline shows what the program does when nothing goes wrong.
func (k *checker) baseline(ctx context.Context) error {
	good, err := k.play(ctx, &scenario{name: baselineName, subject: "every answer is a success", reply: func(int, time.Time) reply { return k.success(200) }})
	switch {
	case err != nil:
		return err
	case good.killed:
		return fmt.Errorf("%w: it did not end within %s although every answer was a success; %s", ErrProgram, k.config.Patience, good.said())
	case len(good.attempts) == 0:
		return fmt.Errorf("%w: it called nothing at %s; %s", ErrProgram, good.url, good.said())
	case good.exit != 0:
		return fmt.Errorf("%w: it ended with status %d although every answer was a success; %s", ErrProgram, good.exit, good.said())
	}
	k.good, k.first = good, &good.attempts[0]
	k.runs = append(k.runs, good)
	return nil
}

// runAll plays the scenarios side by side, those that take longest first.
func (k *checker) runAll(ctx context.Context) error {
	var queue []*scenario
	for _, s := range k.scenarios() {
		if len(k.config.Scenarios) > 0 && !slices.Contains(k.config.Scenarios, s.name) {
			continue
		}
		queue = append(queue, slices.Repeat([]*scenario{s}, max(s.times, 1))...)
	}
	k.planned = 1 + len(queue)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		done  int
		slots = make(chan struct{}, k.config.Parallel)
	)
	results := make([]*run, len(queue))
	for i, s := range queue {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-slots }()
			r, err := k.play(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				cancel(err)
				return
			}
			results[i] = r
			if done++; k.config.Ended != nil {
				k.config.Ended(done, len(queue), s.name)
			}
		})
	}
	group.Wait()
	for _, r := range results {
		if r != nil {
			k.runs = append(k.runs, r)
		}
	}
	return context.Cause(ctx)
}

// commandLine writes a command so that a shell reads it back.
func commandLine(command []string) string {
	parts := make([]string, len(command))
	for i, arg := range command {
		parts[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\$`&|;<>(){}*?#~") {
			parts[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(parts, " ")
}
