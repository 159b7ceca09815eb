// Bench measures what the gateway costs beside its peers, in one run on one
// Linux machine: nginx, and a bare httputil.ReverseProxy that serves as the
// yardstick. All stand in front of the same upstream and are loaded in turn over
// loopback. It prints Markdown; docs/performance.md explains the method.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// settings bound a run.
type settings struct {
	rounds      int
	loaded      time.Duration // measured load per target, mode and round
	warmUp      time.Duration // load before that, not measured
	connections int
	limit       time.Duration // for the whole run
	targets     []string
	modes       []mode
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	s, err := parse(args, progress)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("not done within %v", s.limit))
	defer cancel()
	dir, err := os.MkdirTemp("", "failwell-bench-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)

	machine := describe(ctx)
	results, err := measureAll(ctx, s, dir, progress)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // the failures that followed from it say less
	}
	if len(results) > 0 {
		err = errors.Join(err, report(out, s, machine, results))
	}
	return err
}

func parse(args []string, usage io.Writer) (settings, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	rounds := flags.Int("rounds", 5, "rounds; ratios are medians over them")
	seconds := flags.Int("seconds", 4, "seconds of load per target, mode and round")
	connections := flags.Int("connections", 64, "open connections")
	limit := flags.Duration("limit", 10*time.Minute, "bound of the whole run")
	targets := flags.String("targets", strings.Join(allTargets(), ","), "targets to compare")
	modes := flags.String("modes", "plain,keys,429,401", "modes to compare them in")
	if err := flags.Parse(args); err != nil {
		return settings{}, fmt.Errorf("reading flags: %w", err)
	}
	if *rounds < 1 || *seconds < 1 || *connections < 1 {
		return settings{}, errors.New("rounds, seconds and connections are at least 1")
	}
	s := settings{
		rounds: *rounds, loaded: time.Duration(*seconds) * time.Second, warmUp: time.Second,
		connections: *connections, limit: *limit,
	}
	for name := range strings.SplitSeq(*targets, ",") {
		if _, ok := starters()[name]; !ok {
			return settings{}, fmt.Errorf("no target is called %q, there are %s", name, strings.Join(allTargets(), ", "))
		}
		s.targets = append(s.targets, name)
	}
	for name := range strings.SplitSeq(*modes, ",") {
		m, err := modeNamed(name)
		if err != nil {
			return settings{}, err
		}
		s.modes = append(s.modes, m)
	}
	return s, nil
}
