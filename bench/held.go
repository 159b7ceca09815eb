package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// fewConnections is a service at ease: what one replay takes, and not how long
// the queue is before it.
const fewConnections = 8

// patiently has a gateway wait for a disk that stalls, so that a machine with other
// work shows in the latencies and not in refusals.
var patiently = []string{"--store-timeout", "5s"}

// held fills a Pebble store through the gateway with records of idempotency
// keys, and looks how long a start takes with them, and a replay.
func (b *bench) held(ctx context.Context, out, progress io.Writer) error {
	dir, err := os.MkdirTemp(b.dir, "held")
	if err != nil {
		return fmt.Errorf("making a folder for the store: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := openStore("pebble", dir) // what it starts is closed below
	if err != nil {
		return err
	}
	filled, err := b.fill(ctx, s.url, progress)
	if err != nil {
		return fmt.Errorf("filling the store: %w", err)
	}
	var x kept
	before := &x.afterEnd // fill has ended well
	for round := range b.rounds {
		if err := b.heldRound(ctx, s.url, filled, round, before, &x); err != nil {
			return err
		}
		before = &x.afterKill
		fmt.Fprintf(progress, "round %d/%d  records  start %.2f s  replay p99 %v\n", round+1, b.rounds, median(x.afterEnd), x.ease[round].p99)
	}
	return x.report(out, filled.records(), b.connections)
}

// kept is what was measured with a full store: seconds to the first answer after
// a clean end and after a kill, and replays at ease and in a crowd.
type kept struct {
	afterEnd, afterKill []float64
	ease, crowd         []load
}

// heldRound starts twice. The first gateway replays and ends well, the second is
// killed while it writes, so that the next start finds a log to read.
func (b *bench) heldRound(ctx context.Context, store string, filled runs, round int, before *[]float64, x *kept) error {
	p, url, took, err := b.restarted(ctx, store)
	if err != nil {
		return err
	}
	*before = append(*before, took.Seconds())
	err = b.replays(ctx, url, filled, x)
	p.stop()
	if err != nil {
		return err
	}
	if p, url, took, err = b.restarted(ctx, store); err != nil {
		return err
	}
	defer p.stop()
	x.afterEnd = append(x.afterEnd, took.Seconds())
	if _, err := b.wrote(ctx, url, keyHeader, fmt.Sprint("more", round), b.connections, time.Second); err != nil {
		return err
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing the gateway: %w", err)
	}
	return nil
}

func (x *kept) report(w io.Writer, n, connections int) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "\n### %d live records of idempotency keys on Pebble\n\n| | median | least | greatest |\n| --- | ---: | ---: | ---: |\n", n)
	row := func(title, form string, values []float64) {
		if len(values) > 0 {
			fmt.Fprintf(out, "| %s | "+form+" | "+form+" | "+form+" |\n", title, median(values), slices.Min(values), slices.Max(values))
		}
	}
	row("start to first answer after a clean end, s", "%.2f", x.afterEnd)
	row("start to first answer after a kill, s", "%.2f", x.afterKill)
	for _, group := range []struct {
		connections int
		loads       []load
	}{{fewConnections, x.ease}, {connections, x.crowd}} {
		row(fmt.Sprintf("replay p50, %d connections, ms", group.connections), "%.2f", valuesOf(group.loads, func(l load) float64 { return micro(l.p50) / 1e3 }))
		row(fmt.Sprintf("replay p99, %d connections, ms", group.connections), "%.2f", valuesOf(group.loads, func(l load) float64 { return micro(l.p99) / 1e3 }))
		row(fmt.Sprintf("replays/s, %d connections", group.connections), "%.0f", valuesOf(group.loads, load.rate))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// runs are how many writes were answered in each run of the load. A run has a
// name of its own, since what was under way at the end of one may still be.
type runs []int

func (r runs) name(i int) string { return fmt.Sprint("held", i) }

func (r runs) records() (n int) {
	for _, count := range r {
		n += count
	}
	return n
}

// list is what write.lua reads.
func (r runs) list() string {
	parts := make([]string, len(r))
	for i, count := range r {
		parts[i] = fmt.Sprintf("%s:%d", r.name(i), count)
	}
	return "AGAIN=" + strings.Join(parts, ",")
}

// mostlyTaken reports whether a load was what it should have been. On a machine
// with other work a disk may stall for longer than a decision waits.
func (l load) mostlyTaken() bool { return l.refused*1000 <= l.requests }

// fill writes until there are as many records as asked for.
func (b *bench) fill(ctx context.Context, store string, progress io.Writer) (runs, error) {
	listen, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	p, err := b.gateway(ctx, store, "wide", listen, patiently...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	var filled runs
	url := "http://" + listen + writePath
	if err := p.answers(ctx, url, b.keys[0], http.StatusOK); err != nil {
		return nil, err
	}
	for filled.records() < b.records {
		l, err := b.wrote(ctx, url, keyHeader, filled.name(len(filled)), b.connections, 5*time.Second)
		if err != nil {
			return nil, err
		}
		if !l.mostlyTaken() {
			return nil, fmt.Errorf("%d of %d writes were refused", l.refused, l.requests)
		}
		// The last ones sent were perhaps not answered.
		filled = append(filled, max(int(l.requests)-b.connections, 1))
		fmt.Fprintf(progress, "records  %d of %d\n", filled.records(), b.records)
	}
	return filled, nil
}

// restarted starts a gateway on the store and takes the time to its first answer.
func (b *bench) restarted(ctx context.Context, store string) (p *process, url string, took time.Duration, err error) {
	listen, err := freeAddress(ctx)
	if err != nil {
		return nil, "", 0, err
	}
	began := time.Now()
	if p, err = b.gateway(ctx, store, "", listen, patiently...); err != nil {
		return nil, "", 0, err
	}
	url = "http://" + listen + writePath
	if err := p.answers(ctx, url, b.keys[0], http.StatusOK); err != nil {
		p.stop()
		return nil, "", 0, err
	}
	return p, url, time.Since(began), nil
}

// replays asks for answers that are there, at ease and then in a crowd.
func (b *bench) replays(ctx context.Context, url string, filled runs, x *kept) error {
	if err := b.replayed(ctx, url, filled); err != nil {
		return err
	}
	again := filled.list()
	l, err := b.wrote(ctx, url, keyHeader, "held", fewConnections, b.loaded, again)
	if err != nil {
		return err
	}
	x.ease = append(x.ease, l)
	first := l
	if l, err = b.wrote(ctx, url, keyHeader, "held", b.connections, b.loaded, again); err != nil {
		return err
	}
	x.crowd = append(x.crowd, l)
	if !first.mostlyTaken() || !l.mostlyTaken() {
		return fmt.Errorf("%d of %d replays were refused", first.refused+l.refused, first.requests+l.requests)
	}
	return nil
}

// replayed makes sure that answers are replays: the last record of each run.
func (b *bench) replayed(ctx context.Context, url string, filled runs) error {
	body := `{"name":"` + strings.Repeat("x", 200) + `"}`
	for i, value := range filled {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Api-Key", b.keys[value%len(b.keys)])
		r.Header.Set(keyHeader, fmt.Sprint(filled.name(i), "-", value))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		_ = resp.Body.Close() // only the head counts
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Replayed") != "true" {
			return fmt.Errorf("record %s-%d is not replayed: %s", filled.name(i), value, resp.Status)
		}
	}
	return nil
}
