package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// collection keeps values of one kind as JSON records below a prefix.
type collection[T any] struct {
	store  store.Store
	prefix string
}

// corruptError says that a record cannot be read: a fault of ours.
type corruptError struct {
	key string
	err error
}

func (e *corruptError) Error() string { return fmt.Sprintf("record %s is corrupt: %v", e.key, e.err) }

// storeError says in the vocabulary what a failing store means to a caller.
func storeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", condition.Unavailable, err)
	}
	return err
}

func (c collection[T]) get(ctx context.Context, id string) (value T, version store.Version, err error) {
	record, err := c.store.Get(ctx, c.prefix+id)
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

// put writes the value if the record still has that version; 0: is not there.
func (c collection[T]) put(ctx context.Context, id string, old store.Version, value T) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s%s: %w", c.prefix, id, err)
	}
	_, err = c.store.Swap(ctx, c.prefix+id, old, data, 0)
	return err
}

func (c collection[T]) delete(ctx context.Context, id string, old store.Version) error {
	return c.store.Delete(ctx, c.prefix+id, old)
}

// all returns the values in the order of their ids.
func (c collection[T]) all(ctx context.Context) ([]T, error) {
	var out []T
	for record, err := range store.All(ctx, c.store, c.prefix, 0) {
		if err != nil {
			return nil, storeError(err)
		}
		value, err := decode[T](record)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}
