package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

const (
	writePath = "/v1/item"
	// The same write goes with an idempotency key, and with the same bytes in a
	// header that nobody reads.
	keyHeader  = "Idempotency-Key"
	deadHeader = "X-Nobodys-Keys1"
)

// write is one store in one round, without a key and with one.
type write struct {
	store string
	round int
	load  [2]load
	cpu   [2]time.Duration // of the gateway, per request
}

// writes compares writes with a key to the same without, on each store.
func (b *bench) writes(ctx context.Context, out, progress io.Writer) error {
	var all []write
	for round := range b.rounds {
		for _, store := range rotate(b.stores, round) {
			w, err := b.write(ctx, store, round)
			if err != nil {
				return errors.Join(fmt.Errorf("writes, %s: %w", store, err), reportWrites(out, b.stores, all))
			}
			all = append(all, w)
			fmt.Fprintf(progress, "round %d/%d  writes  %-8s  %6.0f/s  with a key %6.0f/s  %.2f\n",
				round+1, b.rounds, store, w.load[0].accepted(), w.load[1].accepted(), w.load[1].accepted()/w.load[0].accepted())
		}
	}
	return reportWrites(out, b.stores, all)
}

func (b *bench) write(ctx context.Context, store string, round int) (_ write, err error) {
	w := write{store: store, round: round}
	dir, err := os.MkdirTemp(b.dir, "store")
	if err != nil {
		return w, fmt.Errorf("making a folder for the store: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := openStore(store, dir) // what it starts is closed below
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	listen, err := freeAddress(ctx)
	if err != nil {
		return w, err
	}
	p, err := b.gateway(ctx, s.url, "wide", listen)
	if err != nil {
		return w, err
	}
	defer p.stop()
	url := "http://" + listen + writePath
	if err := p.answers(ctx, url, b.keys[0], 200); err != nil {
		return w, err
	}
	headers := []string{deadHeader, keyHeader}
	for _, header := range headers {
		if _, err := b.wrote(ctx, url, header, "warm", b.connections, b.warmUp); err != nil {
			return w, err
		}
	}
	for _, i := range rotate([]int{0, 1}, round) {
		before, err := p.usage()
		if err != nil {
			return w, err
		}
		if w.load[i], err = b.wrote(ctx, url, headers[i], "run", b.connections, b.loaded); err != nil {
			return w, err
		}
		after, err := p.usage()
		if err != nil {
			return w, err
		}
		w.cpu[i] = (after.cpu - before.cpu) / time.Duration(w.load[i].requests)
	}
	return w, nil
}

// wrote is a load of writes. A store over a network that has not answered in 20 ms
// is away for that call, which is refused: the report tells how many were.
func (b *bench) wrote(ctx context.Context, url, header, run string, connections int, d time.Duration, env ...string) (load, error) {
	l, err := runWrk(ctx, b.writing, url, connections, d, append(env, "KEYS_FILE="+b.keysFile, "HEADER="+header, "RUN="+run)...)
	if err == nil && l.broken > 0 {
		err = fmt.Errorf("of %d writes %d failed", l.requests, l.broken)
	}
	return l, err
}

func reportWrites(w io.Writer, stores []string, all []write) error {
	if len(all) == 0 {
		return nil
	}
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "\n### Writes with an idempotency key, beside the same without\n\n",
		"| | without: rate/s | CPU µs | p99 ms | with a key: rate/s | × | CPU µs | × | p99 ms | refused % |\n| --- |",
		" ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, store := range stores {
		rows := slices.DeleteFunc(slices.Clone(all), func(w write) bool { return w.store != store })
		if len(rows) == 0 {
			continue
		}
		middle := func(of func(write) float64) float64 { return median(valuesOf(rows, of)) }
		spread := func(of func(write) float64) string {
			v := valuesOf(rows, of)
			return fmt.Sprintf("**%.2f** (%.2f–%.2f)", median(v), slices.Min(v), slices.Max(v))
		}
		fmt.Fprintf(out, "| %s | %.0f | %.1f | %.2f | %.0f | %s | %.1f | %s | %.2f | %.2f |\n", store,
			middle(func(w write) float64 { return w.load[0].accepted() }), middle(func(w write) float64 { return micro(w.cpu[0]) }),
			middle(func(w write) float64 { return micro(w.load[0].p99) / 1e3 }),
			middle(func(w write) float64 { return w.load[1].accepted() }), spread(func(w write) float64 { return w.load[1].accepted() / w.load[0].accepted() }),
			middle(func(w write) float64 { return micro(w.cpu[1]) }), spread(func(w write) float64 { return micro(w.cpu[1]) / micro(w.cpu[0]) }),
			middle(func(w write) float64 { return micro(w.load[1].p99) / 1e3 }),
			middle(func(w write) float64 { return 100 * float64(w.load[1].refused) / float64(w.load[1].requests) }))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func valuesOf[T any](rows []T, of func(T) float64) []float64 {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = of(r)
	}
	return values
}
