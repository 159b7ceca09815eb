package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

type storeCheckCmd struct {
	URL  string `arg:""             help:"The store, or env:NAME for a variable that holds its URL (FAILWELL_STORE, or the one that serve uses)." name:"url" optional:""`
	JSON bool   `help:"Print JSON."`
}

// checkTime bounds looking at one store.
const checkTime = 30 * time.Second

type storeCheckJSON struct {
	Store     string            `json:"store"`
	Reachable bool              `json:"reachable"`
	Error     string            `json:"error,omitempty"`
	Shared    bool              `json:"shared"`
	Promises  []promiseJSON     `json:"promises"`
	Latency   *storeLatencyJSON `json:"latency,omitempty"`
	Clock     *storeClockJSON   `json:"clock,omitempty"`
}

type promiseJSON struct {
	Name   string `json:"name"`
	Kept   bool   `json:"kept"`
	Found  string `json:"found,omitempty"`
	Weaker string `json:"weaker,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

type storeLatencyJSON struct {
	Swaps int     `json:"swaps"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
}

type storeClockJSON struct {
	// Ahead is negative for a clock that is behind; it is known to ± Error.
	Ahead float64 `json:"ahead_ms"`
	Error float64 `json:"error_ms"`
}

// Run exits with 1 when a promise is not kept and with 2 when that cannot be
// told, as programs do that compare.
func (x *storeCheckCmd) Run(ctx context.Context, c *console) error {
	place, err := namedStore(c.getenv, x.URL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTime, fmt.Errorf("the store has not answered within %v", checkTime))
	defer cancel()
	report := storeCheckJSON{Store: storeName(place), Promises: []promiseJSON{}}
	promises, err := x.look(ctx, c, place, &report)
	for _, p := range promises {
		report.Promises = append(report.Promises, promiseJSON(p))
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	err = hushed(err, place)
	if err != nil {
		report.Error = err.Error()
	}
	if shown := x.show(c, report); shown != nil {
		return shown
	}
	return checked(promises, err)
}

// look opens the store and tries it.
func (x *storeCheckCmd) look(ctx context.Context, c *console, place string, report *storeCheckJSON) (promises []store.Promise, err error) {
	s, err := openAnyStore(ctx, place, true, newLogger(c.stderr, "text", slog.LevelError))
	if errors.Is(err, pebblestore.ErrLocked) {
		_, dir, _ := strings.Cut(place, ":")
		promises, inspected := pebblestore.Inspect(dir)
		return promises, errors.Join(err, inspected)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	report.Reachable, report.Shared = true, store.Shared(s)
	tried, err := probeStore(ctx, s, report)
	if err != nil {
		report.Reachable = false
		return tried, err
	}
	if checker, ok := s.(store.Checker); ok {
		promises, err = checker.Check(ctx)
	}
	return append(promises, tried...), err
}

func (x *storeCheckCmd) show(c *console, report storeCheckJSON) error {
	if x.JSON {
		return c.json(report)
	}
	p := c.painterFor(c.stdout)
	var latency, clock, users string
	if l := report.Latency; l != nil {
		latency = fmt.Sprintf("p50 %.2f ms, p99 %.2f ms over %d swaps", l.P50, l.P99, l.Swaps)
		users = "one process at a time"
		if report.Shared {
			users = "any number of processes at once"
		}
	}
	if k := report.Clock; k != nil {
		clock = clockWords(k)
	}
	if err := c.pairs(p, [][2]string{{"store", report.Store}, {"used by", users}, {"latency", latency}, {"clock", clock}}); err != nil {
		return err
	}
	rows := make([][]string, 0, len(report.Promises))
	for _, promise := range report.Promises {
		state, words := "kept", promise.Found
		if !promise.Kept {
			state = "weaker"
			words = strings.TrimSpace(promise.Found + ". " + promise.Weaker)
			if promise.Remedy != "" {
				words += " Remedy: " + promise.Remedy + "."
			}
		}
		rows = append(rows, []string{promise.Name, state, words})
	}
	if len(rows) == 0 {
		return nil
	}
	if err := c.print("\n"); err != nil {
		return err
	}
	return c.table(p, count(len(rows), "promise"), []string{"PROMISE", "STATE", "WHY"}, rows)
}

func clockWords(k *storeClockJSON) string {
	if max(k.Ahead, -k.Ahead) <= k.Error {
		return fmt.Sprintf("that of this machine, to %.1f ms", k.Error)
	}
	side := "ahead of"
	if k.Ahead < 0 {
		side = "behind"
	}
	return fmt.Sprintf("%.1f ms %s this machine's, to %.1f ms", max(k.Ahead, -k.Ahead), side, k.Error)
}

// checked turns what was found into the command's exit status.
func checked(promises []store.Promise, err error) error {
	if err != nil {
		return &statusError{exitUnknown, err}
	}
	weaker := 0
	for _, p := range promises {
		if !p.Kept {
			weaker++
		}
	}
	if weaker > 0 {
		return fmt.Errorf("%d of %s weaker than what failwell asks of a store", weaker, count(len(promises), "promise"))
	}
	return nil
}

// warnOfStore logs what a store that is about to be used does not keep. Who
// chooses memory: needs no telling.
func warnOfStore(ctx context.Context, s store.Store, place string, logger *slog.Logger) {
	checker, ok := s.(store.Checker)
	if _, chosen := s.(*store.Memory); !ok || chosen {
		return
	}
	// A start does not wait for a store that hangs.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	promises, err := checker.Check(ctx)
	if err != nil {
		logger.Warn("the store's settings could not be checked", "error", hushed(err, place), "remedy", "run failwell store check")
		return
	}
	for _, p := range promises {
		if !p.Kept {
			logger.Warn("the store keeps a promise only in part", "promise", p.Name, "found", p.Found, "weaker", p.Weaker, "remedy", p.Remedy)
		}
	}
}
