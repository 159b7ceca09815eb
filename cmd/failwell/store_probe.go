package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/failwell/failwell/store"
)

const (
	// ownRecords is the prefix of records that belong to this program, not to an
	// API: probes and the mark of a copy.
	ownRecords = "failwell/"
	// probeLife is how long a probe lasts should nobody be left to delete it.
	probeLife  = time.Minute
	probeBrief = 60 * time.Millisecond
	probeSwaps = 100
	// prompt is what admission gives a store before it decides without it.
	prompt = 20 * time.Millisecond
	// clockBound is from where a clock's error shows: waits are told in seconds.
	clockBound = time.Second
)

// probeStore tries what every decision is made of, on a record of its own.
func probeStore(ctx context.Context, s store.Store, report *storeCheckJSON) (promises []store.Promise, err error) {
	p := &probe{Store: s, key: ownRecords + "probe/" + rand.Text()}
	defer func() { err = errors.Join(err, p.sweep(ctx)) }()
	for _, try := range []func(context.Context) (store.Promise, error){
		p.writes, p.expires,
		func(ctx context.Context) (store.Promise, error) { return p.answers(ctx, report) },
		func(ctx context.Context) (store.Promise, error) { return p.clock(ctx, report) },
	} {
		promise, err := try(ctx)
		if err != nil {
			return promises, fmt.Errorf("trying the store: %w", err)
		}
		promises = append(promises, promise)
	}
	return promises, nil
}

type probe struct {
	store.Store

	key string
}

// sweep leaves nothing, also after an interruption.
func (p *probe) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	record, err := p.Get(ctx, p.key)
	if err == nil {
		err = p.Delete(ctx, p.key, record.Version)
	}
	if err != nil && !errors.Is(err, store.ErrAbsent) {
		return fmt.Errorf("deleting the probe: %w", err)
	}
	return nil
}

// misdeed is what the store did instead of what it should.
type misdeed string

func (m misdeed) Error() string { return string(m) }

// judged makes a promise of how a trial ended; errors of the store itself stay
// errors.
func judged(name, found, weaker string, err error) (store.Promise, error) {
	wrong, ok := errors.AsType[misdeed](err)
	if err != nil && !ok {
		return store.Promise{}, err
	}
	if ok {
		return store.Promise{
			Name: name, Found: string(wrong), Weaker: weaker,
			Remedy: "use another store; this one, or something between here and it, does not do what it confirms",
		}, nil
	}
	return store.Promise{Name: name, Kept: true, Found: found}, nil
}

func (p *probe) writes(ctx context.Context) (store.Promise, error) {
	return judged("one writer wins", "created, read, replaced, refused and deleted as asked",
		"Limits and idempotency keys rest on this: calls could be counted or executed twice.", p.lifeCycle(ctx))
}

func (p *probe) lifeCycle(ctx context.Context) error {
	first, err := p.Swap(ctx, p.key, 0, []byte("first"), probeLife)
	if err != nil {
		return err
	}
	if _, err := p.Swap(ctx, p.key, 0, []byte("again"), probeLife); !errors.Is(err, store.ErrConflict) {
		return unexpected("a second creation", err)
	}
	second, err := p.Swap(ctx, p.key, first, []byte("second"), probeLife)
	if err != nil {
		return err
	}
	if second <= first {
		return misdeed("a later write has a version that is not greater")
	}
	if _, err := p.Swap(ctx, p.key, first, []byte("late"), probeLife); !errors.Is(err, store.ErrConflict) {
		return unexpected("a write over an outdated version", err)
	}
	if err := p.Delete(ctx, p.key, first); !errors.Is(err, store.ErrConflict) {
		return unexpected("a deletion of an outdated version", err)
	}
	record, err := p.Get(ctx, p.key)
	if err != nil {
		return err
	}
	if string(record.Value) != "second" || record.Version != second {
		return misdeed("a read shows something else than what was written last")
	}
	if err := p.Delete(ctx, p.key, second); err != nil {
		return err
	}
	if _, err := p.Get(ctx, p.key); !errors.Is(err, store.ErrAbsent) {
		return unexpected("a read after the deletion", err)
	}
	return nil
}

// unexpected is for a step that should have been refused in a certain way.
func unexpected(step string, err error) error {
	if err == nil {
		return misdeed(step + " was not refused")
	}
	return err
}

func (p *probe) expires(ctx context.Context) (store.Promise, error) {
	return judged("records expire in time", fmt.Sprintf("a record of %v was there until then and no longer", probeBrief),
		"Keys block longer, or protect shorter, than the contract says.", p.brief(ctx))
}

func (p *probe) brief(ctx context.Context) error {
	if _, err := p.Swap(ctx, p.key, 0, nil, probeBrief); err != nil {
		return err
	}
	var end time.Time
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		before, err := p.Now(ctx)
		if err != nil {
			return err
		}
		record, err := p.Get(ctx, p.key)
		switch {
		case errors.Is(err, store.ErrAbsent):
			after, err := p.Now(ctx)
			if err != nil {
				return err
			}
			if !end.IsZero() && after.Before(end) {
				return misdeed("a record was gone before its time")
			}
			return nil
		case err != nil:
			return err
		case record.Expires.IsZero():
			return misdeed("a record with a time to live has none")
		case !before.Before(record.Expires):
			return misdeed("a record was there after its time")
		}
		end = record.Expires
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// answers measures writes one after the other, as a caller waits for them.
func (p *probe) answers(ctx context.Context, report *storeCheckJSON) (store.Promise, error) {
	took := make([]time.Duration, probeSwaps)
	var version store.Version
	for i := range took {
		began := time.Now()
		next, err := p.Swap(ctx, p.key, version, make([]byte, 256), probeLife)
		if err != nil {
			return store.Promise{}, err
		}
		took[i], version = time.Since(began), next
	}
	if err := p.Delete(ctx, p.key, version); err != nil {
		return store.Promise{}, err
	}
	slices.Sort(took)
	p50, p99 := took[probeSwaps/2], took[probeSwaps*99/100-1]
	report.Latency = &storeLatencyJSON{probeSwaps, millis(p50), millis(p99)}
	return promptly(p50, p99), nil
}

// promptly judges latencies by what admission waits for.
func promptly(p50, p99 time.Duration) store.Promise {
	promise := store.Promise{
		Name: "answers come in time", Kept: p99 < prompt,
		Found: fmt.Sprintf("99 of 100 writes within %.1f ms", millis(p99)),
	}
	if promise.Kept {
		return promise
	}
	promise.Weaker = fmt.Sprintf("A decision waits %v: one in a hundred is made as if the store were away.", prompt)
	if p50 >= prompt {
		promise.Weaker = fmt.Sprintf("A decision waits %v: half of them are made as if the store were away.", prompt)
	}
	promise.Remedy = "bring store and gateway closer together, or give the store a faster disk"
	return promise
}

func (p *probe) clock(ctx context.Context, report *storeCheckJSON) (store.Promise, error) {
	offset, within, err := clockOffset(ctx, p.Store)
	if err != nil {
		return store.Promise{}, err
	}
	report.Clock = &storeClockJSON{millis(offset), millis(within)}
	promise := store.Promise{Name: "clocks agree", Kept: offset.Abs()-within < clockBound, Found: clockWords(report.Clock)}
	if !promise.Kept {
		promise.Weaker = "Keys expire, and limits are said to reset, that much too early or too late."
		promise.Remedy = "synchronise both clocks by NTP"
	}
	return promise, nil
}

// clockOffset is how far the store's clock is ahead of this machine's. Of some
// readings the one that took least is taken; the store's answer came at some
// instant within it.
func clockOffset(ctx context.Context, s store.Store) (offset, within time.Duration, err error) {
	for i := range 9 {
		began := time.Now()
		theirs, err := s.Now(ctx)
		if err != nil {
			return 0, 0, err
		}
		half := time.Since(began) / 2
		if i == 0 || half < within {
			offset, within = theirs.Sub(began.Add(half)), half
		}
	}
	return offset, within, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
