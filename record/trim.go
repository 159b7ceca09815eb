package record

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/failwell/failwell/store"
)

// trim removes the oldest blocks where all take more than they may.
func (l *Log) trim(ctx context.Context) error {
	most := l.MaxBytes
	if most == 0 {
		most = defaultMaxBytes
	}
	if most < 0 {
		return nil
	}
	sum, cut := int64(0), int64(0)
	err := l.walkTallies(ctx, math.MaxInt64, func(_ string, at int64, t *tally) bool {
		if sum += t.bytes; sum > most {
			cut = at + int64(Step)
		}
		return cut == 0
	})
	if err != nil || cut == 0 {
		return err
	}
	if g := &l.group; len(g.heads) > 0 && g.heads[0].first < cut {
		if err := l.index(ctx, g); err != nil { // then they are found below
			return err
		}
	}
	for {
		page, err := l.Store.Scan(ctx, headPrefix, headPrefix+turned(cut), 64)
		if err != nil {
			return fmt.Errorf("record: trimming: %w", err)
		}
		if len(page) == 0 {
			return l.trimIndex(ctx, cut)
		}
		keys := make([]string, 0, 2*len(page))
		for i := range page {
			keys = append(keys, bodyPrefix+strings.TrimPrefix(page[i].Key, headPrefix))
		}
		if err := l.removeAll(ctx, keys); err != nil {
			return err
		}
		for i := range page {
			keys[i] = page[i].Key
		}
		if err := l.removeAll(ctx, keys[:len(page)]); err != nil {
			return err
		}
	}
}

// trimIndex removes groups of which no block is left.
func (l *Log) trimIndex(ctx context.Context, cut int64) error {
	for r, err := range store.All(ctx, l.Store, groupPrefix, 0) {
		if err != nil {
			return fmt.Errorf("record: trimming: %w", err)
		}
		blocks := strings.Split(string(r.Value), "\n")
		if newest, ok := turnedBack(blocks[len(blocks)-1]); !ok || newest >= cut {
			continue
		}
		name := strings.TrimPrefix(r.Key, groupPrefix)
		keys := make([]string, 0, parts+1)
		for part := range uint64(parts) {
			keys = append(keys, partPrefix(part<<56)+name)
		}
		if err := l.removeAll(ctx, append(keys, r.Key)); err != nil {
			return err
		}
	}
	return nil
}

// removers is how many removals share the store's syncs.
const removers = 8

// removeAll takes away whatever is under keys.
func (l *Log) removeAll(ctx context.Context, keys []string) error {
	next := make(chan string)
	faults := make([]error, removers)
	var all sync.WaitGroup
	for i := range faults {
		all.Go(func() {
			for key := range next {
				if err := l.remove(ctx, key); err != nil {
					faults[i] = err
				}
			}
		})
	}
	for _, key := range keys {
		next <- key
	}
	close(next)
	all.Wait()
	return errors.Join(faults...)
}

func (l *Log) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	for {
		found, err := l.Store.Get(ctx, key)
		if err == nil {
			err = l.Store.Delete(ctx, key, found.Version)
		}
		switch {
		case err == nil, errors.Is(err, store.ErrAbsent):
			return nil
		case !errors.Is(err, store.ErrConflict):
			return fmt.Errorf("record: removing: %w", err)
		}
	}
}
