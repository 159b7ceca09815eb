package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
)

// copyMark is the record that says, in the target, how far a copy is. It stands
// there and not in a file, so that it cannot be lost apart from what it speaks
// of, is as durable, and is found from any machine.
type copyMark struct {
	From string `json:"from"`
	// After is the last key that is surely copied, in bytes of any kind.
	After []byte `json:"after,omitempty"`
	// Merge is set if the target had records of its own.
	Merge bool `json:"merge,omitempty"`
	// Shift is what is added to instants of expiry, in milliseconds.
	Shift int64 `json:"shift,omitempty"`
}

const copyMarkKey = ownRecords + "copy"

func (m *copyMark) shift() time.Duration {
	if m == nil {
		return 0
	}
	return time.Duration(m.Shift) * time.Millisecond
}

// readMark returns nil where no copy is under way.
func readMark(ctx context.Context, s store.Store) (*copyMark, store.Version, error) {
	record, err := s.Get(ctx, copyMarkKey)
	if errors.Is(err, store.ErrAbsent) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading how far the copy is: %w", err)
	}
	mark := new(copyMark)
	if err := json.Unmarshal(record.Value, mark); err != nil {
		return nil, 0, hinted(fmt.Errorf("the record %s cannot be read: %w", copyMarkKey, err), "empty the target and copy again")
	}
	return mark, record.Version, nil
}

// begin makes or finds the mark, and refuses targets that it must not touch.
func (k *copier) begin(ctx context.Context, resume, merge bool) error {
	mark, version, err := readMark(ctx, k.to)
	if err != nil {
		return err
	}
	switch {
	case mark != nil && mark.From != k.fromName:
		return hinted(fmt.Errorf("the target holds an unfinished copy of %s", mark.From), "finish that with --resume, or empty the target")
	case mark != nil && !resume:
		return hinted(errors.New("the target holds an unfinished copy of this source"), "go on with --resume")
	case mark != nil && merge && !mark.Merge:
		return hinted(errors.New("the unfinished copy was begun without --merge"), "go on with --resume alone")
	case mark != nil:
		k.mark, k.markVersion = mark, version
		return nil
	}
	empty, err := isEmpty(ctx, k.to)
	if err != nil {
		return err
	}
	if !empty && !merge {
		hint := "name an empty store, or add --merge: records that are there stay as they are"
		if resume {
			hint = "there is no copy to go on with; name an empty store, or use --merge instead of --resume"
		}
		return hinted(errors.New("the target has records"), hint)
	}
	shift, err := k.clockShift(ctx)
	if err != nil {
		return err
	}
	k.mark = &copyMark{From: k.fromName, Merge: !empty, Shift: shift.Milliseconds()}
	return k.save(ctx)
}

func isEmpty(ctx context.Context, s store.Store) (bool, error) {
	for record, err := range store.All(ctx, s, "", 16) {
		if err != nil {
			return false, fmt.Errorf("looking at the target: %w", err)
		}
		if !strings.HasPrefix(record.Key, ownRecords) {
			return false, nil
		}
	}
	counted, err := hasCounters(ctx, s)
	if err != nil {
		return false, fmt.Errorf("looking at the target: %w", err)
	}
	return !counted, nil
}

// clockShift is how far the target's clock is ahead of the source's, if that can
// be told from the error of measuring it. Records live by their store's clock,
// so what is left of their time is kept by moving them as much.
func (k *copier) clockShift(ctx context.Context) (time.Duration, error) {
	theirs, within, err := clockOffset(ctx, k.from)
	if err != nil {
		return 0, fmt.Errorf("reading the source's clock: %w", err)
	}
	ours, more, err := clockOffset(ctx, k.to)
	if err != nil {
		return 0, fmt.Errorf("reading the target's clock: %w", err)
	}
	shift := (ours - theirs).Round(time.Millisecond)
	if shift.Abs() <= within+more+time.Millisecond {
		return 0, nil
	}
	return shift, nil
}

func (k *copier) save(ctx context.Context) error {
	data, err := json.Marshal(k.mark)
	if err == nil {
		k.markVersion, err = k.to.Swap(ctx, copyMarkKey, k.markVersion, data, 0)
	}
	if errors.Is(err, store.ErrConflict) {
		return hinted(errors.New("another copy to this target is under way"), "let one of them end")
	}
	if err != nil {
		return fmt.Errorf("noting how far the copy is: %w", err)
	}
	k.saved = time.Now()
	return nil
}

func (k *copier) finish(ctx context.Context) error {
	if err := k.to.Delete(ctx, copyMarkKey, k.markVersion); err != nil {
		return fmt.Errorf("deleting the note of how far the copy was: %w", err)
	}
	return nil
}
