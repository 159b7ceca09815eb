package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// load is what wrk saw.
type load struct {
	requests int64
	took     time.Duration
	refused  int64 // answers with a status of 400 or more
	broken   int64 // connections that failed, timeouts included
	p50, p99 time.Duration
}

func (l load) rate() float64 { return float64(l.requests) / l.took.Seconds() }

// accepted is the rate of what was not refused.
func (l load) accepted() float64 { return float64(l.requests-l.refused) / l.took.Seconds() }

// runWrk loads url from one thread, so that on two cores one is left for the
// target most of the time. env tells the script what to send.
func runWrk(ctx context.Context, script, url string, connections int, d time.Duration, env ...string) (load, error) {
	cmd := exec.CommandContext(ctx, "wrk", "-t1", fmt.Sprintf("-c%d", connections),
		fmt.Sprintf("-d%ds", int(d.Seconds())), "--timeout", "5s", "-s", script, url)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w: %s", err, bytes.TrimSpace(out))
	}
	return parseWrk(out)
}

// parseWrk reads the line that load.lua ends with; times are in microseconds.
func parseWrk(out []byte) (load, error) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line, ok := strings.CutPrefix(lines.Text(), "RESULT ")
		if !ok {
			continue
		}
		var l load
		var took, p50, p99 int64
		if _, err := fmt.Sscan(line, &l.requests, &took, &l.refused, &l.broken, &p50, &p99); err != nil {
			return load{}, fmt.Errorf("wrk: reading %q: %w", line, err)
		}
		if l.requests == 0 || took == 0 {
			return load{}, errors.New("wrk: no request was answered")
		}
		l.took = time.Duration(took) * time.Microsecond
		l.p50, l.p99 = time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
		return l, nil
	}
	return load{}, fmt.Errorf("wrk: no result in %q", out)
}
