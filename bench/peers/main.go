// Peers measures the limiter and the client beside those that Go programs use
// otherwise, in one run: one decision in the process, the memory of a million keys,
// a decision through Redis; a call that succeeds, one that needs a second try, a
// crowd at a dead server, and a crowd at a limit. It prints Markdown;
// docs/performance.md explains the method.
//
// It is a module of its own, so that who uses failwell does not carry the peers.
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

type settings struct {
	rounds  int
	loaded  time.Duration // per peer and round
	callers int           // of Redis, at once
	parts   []string
}

func parts() []string {
	return []string{"decision", "memory", "redis", "success", "retry", "dead", "crowd"}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == upstreamArg {
		if err := serveUpstream(); err != nil {
			fmt.Fprintf(os.Stderr, "peers: %v\n", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "peers: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	s, err := parse(args, progress)
	if err != nil {
		return err
	}
	for _, part := range s.parts {
		var t *table
		switch part {
		case "decision":
			t, err = decisions(ctx, s, progress)
		case "memory":
			t, err = memory(ctx, s, progress)
		case "redis":
			t, err = throughRedis(ctx, s, progress)
		case "success":
			t, err = successes(ctx, s, progress)
		case "retry":
			t, err = retries(ctx, s, progress)
		case "dead":
			t, err = deadServer(ctx, s, progress)
		case "crowd":
			t, err = crowds(ctx, s, progress)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
		if err := t.write(out); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}

func parse(args []string, usage io.Writer) (settings, error) {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(usage)
	rounds := flags.Int("rounds", 5, "rounds; ratios are medians over them")
	seconds := flags.Float64("seconds", 2, "seconds of load per peer and round")
	callers := flags.Int("callers", 64, "goroutines that ask Redis at once")
	chosen := flags.String("parts", strings.Join(parts(), ","), "what to measure")
	if err := flags.Parse(args); err != nil {
		return settings{}, fmt.Errorf("reading flags: %w", err)
	}
	if *rounds < 1 || *seconds <= 0 || *callers < 1 {
		return settings{}, errors.New("rounds and callers are at least 1, seconds are more than 0")
	}
	s := settings{rounds: *rounds, loaded: time.Duration(*seconds * float64(time.Second)), callers: *callers, parts: strings.Split(*chosen, ",")}
	for _, part := range s.parts {
		if !slices.Contains(parts(), part) {
			return settings{}, fmt.Errorf("nothing is called %q, there are %s", part, strings.Join(parts(), ", "))
		}
	}
	return s, nil
}
