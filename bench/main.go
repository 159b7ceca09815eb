// Bench measures what the gateway costs, on one Linux machine in one run: beside
// nginx and a bare httputil.ReverseProxy, which is the yardstick (proxy); with an
// idempotency key and without, on each store (writes); and with many records in
// the store (records). It prints Markdown; docs/performance.md explains the method.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
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
	parts       []string
	targets     []string
	modes       []mode
	stores      []string
	records     int
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
	fmt.Fprintf(out, "%s, %d rounds of %v, %d connections.\n", machine, s.rounds, s.loaded, s.connections)
	err = measureParts(ctx, s, dir, out, progress)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // the failures that followed from it say less
	}
	return err
}

// measureParts reports each part as soon as it is done, also when it fails half-way.
func measureParts(ctx context.Context, s settings, dir string, out, progress io.Writer) error {
	b, upstream, err := open(ctx, s, dir)
	if err != nil {
		return err
	}
	defer upstream.stop()
	for _, part := range s.parts {
		switch part {
		case "proxy":
			err = b.proxy(ctx, out, progress)
		case "writes":
			err = b.writes(ctx, out, progress)
		case "records":
			err = b.held(ctx, out, progress)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// proxy compares whole gateways.
func (b *bench) proxy(ctx context.Context, out, progress io.Writer) error {
	results, err := b.measureAll(ctx, progress)
	if len(results) > 0 {
		err = errors.Join(err, report(out, b.settings, results))
	}
	return err
}

func allParts() []string { return []string{"proxy", "writes", "records"} }

func parse(args []string, usage io.Writer) (settings, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	rounds := flags.Int("rounds", 5, "rounds; ratios are medians over them")
	seconds := flags.Int("seconds", 4, "seconds of load per target, mode and round")
	connections := flags.Int("connections", 64, "open connections")
	limit := flags.Duration("limit", 20*time.Minute, "bound of the whole run")
	parts := flags.String("parts", "proxy", "what to measure: "+strings.Join(allParts(), ", "))
	targets := flags.String("targets", strings.Join(allTargets(), ","), "targets to compare")
	modes := flags.String("modes", "plain,keys,429,401", "modes to compare them in")
	stores := flags.String("stores", strings.Join(allStores(), ","), "stores to write to")
	records := flags.Int("records", 1_000_000, "records that the store holds")
	if err := flags.Parse(args); err != nil {
		return settings{}, fmt.Errorf("reading flags: %w", err)
	}
	if *rounds < 1 || *seconds < 1 || *connections < 1 || *records < 1 {
		return settings{}, errors.New("rounds, seconds, connections and records are at least 1")
	}
	s := settings{
		rounds: *rounds, loaded: time.Duration(*seconds) * time.Second, warmUp: time.Second,
		connections: *connections, limit: *limit, records: *records,
	}
	var err error
	if s.parts, err = chosen("part", *parts, allParts()); err != nil {
		return settings{}, err
	}
	if s.stores, err = chosen("store", *stores, allStores()); err != nil {
		return settings{}, err
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

// chosen reads a list of names that must be known.
func chosen(what, list string, known []string) ([]string, error) {
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no %s is called %q, there are %s", what, name, strings.Join(known, ", "))
		}
	}
	return names, nil
}
