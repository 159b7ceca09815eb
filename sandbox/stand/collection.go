package stand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// Collection keeps values of one kind as JSON records below a prefix. Errors
// are the store's; a record that cannot be read is a fault of ours.
type Collection[T any] struct {
	Store  store.Store
	Prefix string
}

// corruptError says that a record cannot be read: a fault of ours.
type corruptError struct {
	key string
	err error
}

func (e *corruptError) Error() string { return fmt.Sprintf("record %s is corrupt: %v", e.key, e.err) }

// StoreError says in the vocabulary what a failing store means to a caller.
func StoreError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", condition.Unavailable, err)
	}
	return err
}

// Get returns the value and its version, or store.ErrAbsent.
func (c Collection[T]) Get(ctx context.Context, id string) (value T, version store.Version, err error) {
	record, err := c.Store.Get(ctx, c.Prefix+id)
	if err != nil {
		return value, 0, err
	}
	value, err = decode[T](record)
	return value, record.Version, err
}

func decode[T any](record store.Record) (value T, err error) {
	if err := json.Unmarshal(record.Value, &value); err != nil {
		return value, &corruptError{record.Key, err}
	}
	return value, nil
}

// Put writes the value if the record still has that version; 0: is not there.
func (c Collection[T]) Put(ctx context.Context, id string, old store.Version, value T) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s%s: %w", c.Prefix, id, err)
	}
	_, err = c.Store.Swap(ctx, c.Prefix+id, old, data, 0)
	return err
}

// Delete removes the value if it still has that version.
func (c Collection[T]) Delete(ctx context.Context, id string, old store.Version) error {
	return c.Store.Delete(ctx, c.Prefix+id, old)
}

// All returns the values in the order of their ids.
func (c Collection[T]) All(ctx context.Context) ([]T, error) {
	var out []T
	for record, err := range store.All(ctx, c.Store, c.Prefix, 0) {
		if err != nil {
			return nil, StoreError(err)
		}
		value, err := decode[T](record)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// Change reads, edits and writes back a value until nobody came between. What
// edit returns as an error ends it; the value that was written is returned.
func (c Collection[T]) Change(ctx context.Context, id string, edit func(*T) error) (value T, err error) {
	for range maxContention {
		var version store.Version
		if value, version, err = c.Get(ctx, id); err != nil {
			return value, err
		}
		if err = edit(&value); err != nil {
			return value, err
		}
		if err = c.Put(ctx, id, version, value); !errors.Is(err, store.ErrConflict) {
			return value, err
		}
	}
	return value, fmt.Errorf("%s%s is changed too often: %w", c.Prefix, id, err)
}

// maxContention is how often a change is tried against others' changes.
const maxContention = 100
