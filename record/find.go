package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/failwell/failwell/store"
)

// here returns this process's blocks that are not in the index, the newest last.
func (l *Log) here() []*head {
	l.mu.Lock()
	defer l.mu.Unlock()
	heads := slices.Grow(slices.Clone(l.group.heads), len(l.sealed)+1)
	for _, b := range l.sealed {
		heads = append(heads, b.view())
	}
	if l.open != nil {
		heads = append(heads, l.open.view())
	}
	return heads
}

// recent returns the blocks that are not in the index, by name: those here, then
// what others have left in the tail.
func (l *Log) recent(ctx context.Context) ([]*head, error) {
	heads := l.here()
	tail, err := l.tail(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(heads))
	for _, h := range heads {
		known[h.name] = true
	}
	for _, h := range tail {
		if !known[h.name] {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, func(a, b *head) int { return strings.Compare(a.name, b.name) })
	return heads, nil
}

func (l *Log) tail(ctx context.Context) ([]*head, error) {
	if !l.Alone {
		return l.readTail(ctx)
	}
	l.mu.Lock()
	left, asked := l.left, l.asked
	l.mu.Unlock()
	if asked {
		return left, nil
	}
	left, err := l.readTail(ctx) // what was left before
	if err == nil {
		l.mu.Lock()
		l.left, l.asked = left, true
		l.mu.Unlock()
	}
	return left, err
}

func (l *Log) readTail(ctx context.Context) ([]*head, error) {
	var heads []*head
	for r, err := range store.All(ctx, l.Store, tailPrefix, 512) {
		if err != nil {
			return nil, fmt.Errorf("record: tail: %w", err)
		}
		if h, ok := decodeHead(strings.TrimPrefix(r.Key, tailPrefix), r.Value); ok {
			heads = append(heads, h)
		}
	}
	return heads, nil
}

// body reads a block; store.ErrAbsent when it has gone.
func (l *Log) body(ctx context.Context, h *head) ([]byte, error) {
	if h.here != nil {
		return h.here, nil
	}
	r, err := l.Store.Get(ctx, bodyPrefix+h.name)
	if err != nil {
		return nil, fmt.Errorf("record: reading: %w", err)
	}
	return r.Value, nil
}

// visit calls see with each record of a block. One that has gone has none.
func (l *Log) visit(ctx context.Context, h *head, see func(*Record)) error {
	body, err := l.body(ctx, h)
	if errors.Is(err, store.ErrAbsent) {
		return nil
	} else if err != nil {
		return err
	}
	r := newReader(body)
	for {
		x, ok := r.next()
		if !ok {
			return nil
		}
		see(&x)
	}
}

// Find implements Reader.
func (l *Log) Find(ctx context.Context, id string) ([]Record, error) {
	out := []Record{}
	if len(id) > maxID {
		return out, nil
	}
	err := l.having(ctx, byID, id, func(r *Record) {
		if r.ID == id {
			out = append(out, *r)
		}
	})
	slices.SortFunc(out, func(a, b Record) int { return b.Ended.Compare(a.Ended) })
	return out, err
}

// Siblings implements Reader.
func (l *Log) Siblings(ctx context.Context, r *Record) ([]Record, error) {
	out := []Record{}
	seen := map[position]bool{}
	see := func(o *Record) {
		if p := positionOf(o); r.sibling(o) && !seen[p] {
			seen[p] = true
			out = append(out, *o)
		}
	}
	for _, c := range [...]struct {
		of   role
		text string
	}{{byTrace, r.Trace}, {byHash, r.Idempotency.Hash}, {byID, r.Idempotency.Original}} {
		if c.text == "" || len(c.text) > maxID {
			continue
		}
		if err := l.having(ctx, c.of, c.text, see); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b Record) int { return a.Ended.Compare(b.Ended) })
	return out[:min(len(out), MaxSiblings)], nil
}

// having visits the blocks that may hold a term: each record of them.
func (l *Log) having(ctx context.Context, of role, text string, see func(*Record)) error {
	l.start() // the writer outlives who wakes it
	term := termOf(of, text)
	heads, err := l.recent(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, h := range heads {
		seen[h.name] = true
		if h.here == nil && !h.filter.mayHold(term) {
			continue
		}
		if err := l.visit(ctx, h, see); err != nil {
			return err
		}
	}
	part := partPrefix(term)
	for r, err := range store.All(ctx, l.Store, part, 1024) {
		if err != nil {
			return fmt.Errorf("record: index: %w", err)
		}
		places := lookIn(r.Value, term)
		if len(places) == 0 {
			continue
		}
		blocks, err := l.Store.Get(ctx, groupPrefix+strings.TrimPrefix(r.Key, part))
		if errors.Is(err, store.ErrAbsent) {
			continue
		} else if err != nil {
			return fmt.Errorf("record: index: %w", err)
		}
		names := strings.Split(string(blocks.Value), "\n")
		for _, place := range places {
			if place >= len(names) || seen[names[place]] {
				continue
			}
			seen[names[place]] = true
			if err := l.visit(ctx, &head{name: names[place]}, see); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookIn returns the places of the blocks in which a part of the index has a term.
func lookIn(value []byte, term uint64) (places []int) {
	want := binary.BigEndian.AppendUint32(nil, uint32(term>>24))
	n := len(value) / entrySize
	low, high := 0, n
	for low < high {
		middle := (low + high) / 2
		if bytes.Compare(value[middle*entrySize:middle*entrySize+4], want) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for ; low < n && bytes.Equal(value[low*entrySize:low*entrySize+4], want); low++ {
		places = append(places, int(binary.BigEndian.Uint16(value[low*entrySize+4:])))
	}
	return places
}
