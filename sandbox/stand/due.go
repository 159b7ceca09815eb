package stand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failwell/failwell/store"
)

// Due is work that falls due: a job that goes on, an upload whose life ends. It
// is kept in the store, so it is done after a restart as well, at least once.
type Due struct {
	Store  store.Store
	Clock  *Clock
	Prefix string
	Logger *slog.Logger

	mu    sync.Mutex // one run at a time, so that tasks are done in order
	tasks map[string]func(ctx context.Context, id string) error
	woken chan struct{}
}

// instants sort as text.
const instantForm = "20060102T150405.000000000"

// At has a task of a kind done at an instant. The same task may be set for
// several instants.
func (d *Due) At(ctx context.Context, at time.Time, kind, id string) error {
	key := d.Prefix + at.UTC().Format(instantForm) + "/" + kind + "/" + id
	if _, err := d.Store.Swap(ctx, key, 0, nil, 0); err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("set %s for later: %w", kind, err)
	}
	select {
	case d.woken <- struct{}{}:
	default:
	}
	return nil
}

// Start begins to do what falls due, until ctx ends; the channel is closed then.
func (d *Due) Start(ctx context.Context, tasks map[string]func(ctx context.Context, id string) error) <-chan struct{} {
	d.tasks, d.woken = tasks, make(chan struct{}, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			moved := d.Clock.Moved()
			next, err := d.Run(ctx)
			if err != nil && ctx.Err() == nil {
				d.Logger.WarnContext(ctx, "work that fell due was not done, it is tried again", "err", err)
			}
			timer := time.NewTimer(next)
			select {
			case <-ctx.Done():
			case <-moved:
			case <-d.woken:
			case <-timer.C:
			}
			timer.Stop()
		}
	}()
	return over
}

// idle is how long the world sleeps when nothing is set for later.
const idle = time.Minute

// Run does everything that is due by now, also what comes up meanwhile, and
// returns how long there is nothing to do. A task that fails stays.
func (d *Due) Run(ctx context.Context) (time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var faults []error
	after := ""
	for {
		page, err := d.Store.Scan(ctx, d.Prefix, after, 1)
		if err != nil {
			return time.Second, errors.Join(append(faults, err)...)
		}
		if len(page) == 0 {
			if len(faults) > 0 {
				return time.Second, errors.Join(faults...)
			}
			return idle, nil
		}
		record := page[0]
		stamp, rest, _ := strings.Cut(strings.TrimPrefix(record.Key, d.Prefix), "/")
		kind, id, _ := strings.Cut(rest, "/")
		at, err := time.Parse(instantForm, stamp)
		if err == nil {
			if wait := at.Sub(d.Clock.Now()); wait > 0 {
				if len(faults) > 0 {
					return time.Second, errors.Join(faults...)
				}
				return min(wait, idle), nil
			}
		}
		err = d.do(ctx, kind, id)
		if _, corrupt := errors.AsType[*corruptError](err); corrupt {
			d.Logger.ErrorContext(ctx, "work that fell due is given up", "kind", kind, "id", id, "err", err)
			err = nil // a record that cannot be read does not get better
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", kind, id, err))
			after = record.Key
			continue
		}
		if err := d.Store.Delete(ctx, record.Key, record.Version); err != nil && !errors.Is(err, store.ErrAbsent) {
			return time.Second, fmt.Errorf("%s %s: %w", kind, id, err)
		}
	}
}

// Pending counts what is set for later of some kinds.
func (d *Due) Pending(ctx context.Context, kinds ...string) (n int, err error) {
	for record, err := range store.All(ctx, d.Store, d.Prefix, 0) {
		if err != nil {
			return n, err
		}
		_, rest, _ := strings.Cut(strings.TrimPrefix(record.Key, d.Prefix), "/")
		if kind, _, _ := strings.Cut(rest, "/"); slices.Contains(kinds, kind) {
			n++
		}
	}
	return n, nil
}

// Next is the instant of what falls due first; false when nothing will.
func (d *Due) Next(ctx context.Context) (time.Time, bool, error) {
	page, err := d.Store.Scan(ctx, d.Prefix, "", 1)
	if err != nil || len(page) == 0 {
		return time.Time{}, false, err
	}
	stamp, _, _ := strings.Cut(strings.TrimPrefix(page[0].Key, d.Prefix), "/")
	at, err := time.Parse(instantForm, stamp)
	return at, err == nil, nil
}

// do turns a panic into an error: nobody's barrier is around this goroutine.
func (d *Due) do(ctx context.Context, kind, id string) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("panic: %v", thrown) //nolint:err113 // what was thrown is all there is
		}
	}()
	task, ok := d.tasks[kind]
	if !ok {
		return nil // left by another version
	}
	return task(ctx, id)
}
