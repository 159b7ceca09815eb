package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	keyCount  = 100
	startable = 15 * time.Second
	pollEvery = 5 * time.Millisecond
	// A mode measures what it says as long as this share of answers has another
	// status at most: the calls that each key has free before its limit.
	strays = 0.02
)

var (
	//go:embed load.lua
	loadScript []byte
	//go:embed write.lua
	writeScript []byte
)

// bench is what all targets of a run share.
type bench struct {
	settings

	dir      string
	upstream string // address
	keys     []string
	keysFile string
	script   string // asks
	writing  string // writes
}

// result is one target under one mode in one round.
type result struct {
	round  int
	mode   string
	target string
	load   load
	cpu    time.Duration // per request
	rss    int64
}

// open builds what a run needs and starts the upstream, which the caller stops.
func open(ctx context.Context, s settings, dir string) (*bench, *process, error) {
	b := &bench{settings: s, dir: dir}
	if err := b.prepare(ctx); err != nil {
		return nil, nil, err
	}
	var err error
	if b.upstream, err = freeAddress(ctx); err != nil {
		return nil, nil, err
	}
	upstream, err := startUpstream(ctx, b, b.upstream)
	if err != nil {
		return nil, nil, err
	}
	if err := upstream.accepts(ctx, b.upstream); err != nil {
		upstream.stop()
		return nil, nil, err
	}
	return b, upstream, nil
}

// measureAll returns what was measured, also when it fails half-way.
func (b *bench) measureAll(ctx context.Context, progress io.Writer) ([]result, error) {
	var results []result
	for round := range b.rounds {
		for _, m := range b.modes {
			for _, target := range rotate(b.targets, round) {
				r, err := b.measure(ctx, target, m)
				if err != nil {
					return results, fmt.Errorf("%s, %s: %w", titleOf(target), m.name, err)
				}
				r.round = round
				results = append(results, r)
				fmt.Fprintf(progress, "round %d/%d  %-5s  %-8s  %6.1f µs CPU  %6.0f/s\n",
					round+1, b.rounds, m.name, target, micro(r.cpu), r.load.rate())
			}
		}
	}
	return results, nil
}

// rotate starts a round with the next target, so that none is always first.
func rotate[T any](targets []T, round int) []T {
	k := round % len(targets)
	return slices.Concat(targets[k:], targets[:k])
}

// prepare builds the programs and writes the files that a run needs.
func (b *bench) prepare(ctx context.Context) error {
	for _, p := range []string{"./bench/bareproxy", "./cmd/failwell"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.dir+string(filepath.Separator), p)
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s (run it from the top of the module): %w\n%s", p, err, out)
		}
	}
	for range keyCount {
		b.keys = append(b.keys, "key_"+rand.Text())
	}
	b.keysFile = filepath.Join(b.dir, "keys.txt")
	b.script, b.writing = filepath.Join(b.dir, "load.lua"), filepath.Join(b.dir, "write.lua")
	return errors.Join(
		os.WriteFile(b.keysFile, []byte(strings.Join(b.keys, "\n")+"\n"), 0o600),
		os.WriteFile(b.script, loadScript, 0o600),
		os.WriteFile(b.writing, writeScript, 0o600),
	)
}

// measure brings the target up, loads it and takes it down again.
func (b *bench) measure(ctx context.Context, target string, m mode) (result, error) {
	listen, err := freeAddress(ctx)
	if err != nil {
		return result{}, err
	}
	p, err := starters()[target](ctx, b, m, listen)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	url, keys, key := "http://"+listen+m.path, "", ""
	if m.keyed {
		keys, key = "KEYS_FILE="+b.keysFile, b.keys[0]
	}
	if err := p.answers(ctx, url, key, m.status); err != nil {
		return result{}, err
	}
	if _, err := runWrk(ctx, b.script, url, b.connections, b.warmUp, keys); err != nil {
		return result{}, err
	}
	before, err := p.usage()
	if err != nil {
		return result{}, err
	}
	l, err := runWrk(ctx, b.script, url, b.connections, b.loaded, keys)
	if err != nil {
		return result{}, err
	}
	after, err := p.usage()
	if err != nil {
		return result{}, err
	}
	if err := honest(l, m); err != nil {
		return result{}, err
	}
	return result{
		mode: m.name, target: target, load: l, rss: after.rss,
		cpu: (after.cpu - before.cpu) / time.Duration(l.requests),
	}, nil
}

// honest refuses a measurement of something else than the mode is about.
func honest(l load, m mode) error {
	stray := l.refused
	if m.refuses() {
		stray = l.requests - l.refused
	}
	if float64(stray) > strays*float64(l.requests) || l.broken > 0 {
		return fmt.Errorf("of %d requests %d had not the status %d and %d failed", l.requests, stray, m.status, l.broken)
	}
	return nil
}

// accepts waits until address takes connections.
func (p *process) accepts(ctx context.Context, address string) error {
	return p.until(ctx, "accept connections on "+address, func(ctx context.Context) bool {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		return err == nil && conn.Close() == nil
	})
}

// answers waits until url answers with status. A key that has calls left before
// its limit gets other answers first.
func (p *process) answers(ctx context.Context, url, key string, status int) error {
	return p.until(ctx, fmt.Sprintf("answer %d", status), func(ctx context.Context) bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return false
		}
		r.Close = true
		if key != "" {
			r.Header.Set("X-Api-Key", key)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		_ = resp.Body.Close() // only the status counts
		return resp.StatusCode == status
	})
}

func (p *process) until(ctx context.Context, what string, done func(context.Context) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startable, fmt.Errorf("it did not %s within %v", what, startable))
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !done(ctx) {
		select {
		case <-poll.C:
		case <-p.exited:
			return fmt.Errorf("it ended before it could %s: %s", what, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", context.Cause(ctx), p.lastWords())
		}
	}
	return nil
}
