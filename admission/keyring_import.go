package admission

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ImportResult is what became of one key of an import.
type ImportResult struct {
	// Key as it is known now, if Err is nil.
	Key Key
	// Err is ErrKeyExists for a key that was known before, ErrInvalid for one that
	// is refused; anything else comes from the store.
	Err error
}

// importsAtOnce is how many keys of an import are on their way to the store at
// the same time: stores write many records at the price of a few.
const importsAtOnce = 32

// ImportAll imports keys and goes on past those that are refused. Results are
// in the order of the list. When the store fails, those that were not yet begun
// get its error; the import can be repeated, since it passes over what is there.
func (k *Keyring) ImportAll(ctx context.Context, list []Imported) []ImportResult {
	results := make([]ImportResult, len(list))
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	for range min(importsAtOnce, len(list)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(list)); i = next.Add(1) - 1 {
				r := &results[i]
				if why := failed.Load(); why != nil {
					r.Err = *why
					continue
				}
				r.Key, r.Err = k.Import(ctx, list[i])
				if r.Err != nil && !errors.Is(r.Err, ErrKeyExists) && !errors.Is(r.Err, ErrInvalid) {
					failed.CompareAndSwap(nil, &r.Err)
				}
			}
		})
	}
	workers.Wait()
	return results
}
