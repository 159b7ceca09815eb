package record

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
)

// Ids, traces and idempotency keys are looked up in an index that is written for
// many blocks at once: a group of 65,536 terms costs some 260 writes instead of
// so many, and a look-up one page, since the index is parted by hash and each
// part is small. Blocks that are not in it yet have their heads in the tail, whose filters
// are asked one by one.
type group struct {
	heads   []*head
	entries []entry
	began   time.Time
}

// entry says that a term is in a block of the group.
type entry struct {
	term  uint64
	block uint16
}

const (
	groupTerms  = 1 << 16
	groupBlocks = 1 << 10
	groupTime   = time.Hour
	parts       = 256
)

func (g *group) add(h *head, terms []uint64) {
	if len(g.heads) == 0 {
		g.began = time.Unix(0, h.first)
	}
	h.here = nil
	g.heads = append(g.heads, h)
	for _, t := range terms {
		g.entries = append(g.entries, entry{t, uint16(len(g.heads) - 1)})
	}
}

func (g *group) due(now time.Time, last bool) bool {
	return len(g.heads) > 0 && (last || len(g.entries) >= groupTerms || len(g.heads) >= groupBlocks || now.Sub(g.began) > groupTime)
}

// index writes a group to the index and takes its heads from the tail. It can be
// repeated; what is there twice is found once.
func (l *Log) index(ctx context.Context, g *group) error {
	name := g.heads[0].name
	out := batch{log: l}
	parted := part(g.entries)
	var blocks []string
	for _, h := range g.heads {
		blocks = append(blocks, h.name)
		if err := out.add(ctx, headPrefix+h.name, h.encode()); err != nil {
			return err
		}
	}
	if err := out.add(ctx, groupPrefix+name, []byte(strings.Join(blocks, "\n"))); err != nil {
		return err
	}
	for _, some := range parted {
		if len(some) == 0 {
			continue
		}
		value := make([]byte, 0, len(some)*entrySize)
		for _, e := range some {
			value = binary.BigEndian.AppendUint32(value, uint32(e.term>>24))
			value = binary.BigEndian.AppendUint16(value, e.block)
		}
		if err := out.add(ctx, partPrefix(some[0].term)+name, value); err != nil {
			return err
		}
	}
	if err := out.write(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	if l.bucket != nil {
		l.bucket.bytes += int64(out.total)
	}
	l.mu.Unlock()
	for i := range blocks {
		blocks[i] = tailPrefix + blocks[i]
	}
	if err := l.removeAll(ctx, blocks); err != nil {
		return err
	}
	l.mu.Lock()
	*g = group{}
	l.mu.Unlock()
	return nil
}

// part puts entries into their parts, each in order: that costs half of sorting
// all of them at once.
func part(entries []entry) (out [parts][]entry) {
	var sizes [parts]int
	for i := range entries {
		sizes[entries[i].term>>56]++
	}
	all := make([]entry, len(entries))
	for i, n := range sizes {
		out[i], all = all[:0:n], all[n:]
	}
	for _, e := range entries {
		at := e.term >> 56
		out[at] = append(out[at], e)
	}
	for _, some := range out {
		slices.SortFunc(some, func(a, b entry) int { return cmp.Or(cmp.Compare(a.term, b.term), cmp.Compare(a.block, b.block)) })
	}
	return out
}

// entrySize is 4 bytes of a hash whose first byte is the part's, and the block.
const entrySize = 6

// batch writes records whose keys are absent, many at a time where the store can.
type batch struct {
	log     *Log
	records []store.Record
	size    int
	total   int
}

func (b *batch) add(ctx context.Context, key string, value []byte) error {
	b.records = append(b.records, store.Record{Key: key, Value: value})
	b.size += len(value)
	b.total += len(key) + len(value)
	if b.size < 1<<20 && len(b.records) < 512 {
		return nil
	}
	return b.write(ctx)
}

func (b *batch) write(ctx context.Context) error {
	l := b.log
	if many, ok := l.Store.(store.Restorer); ok && len(b.records) > 0 {
		ctx, cancel := context.WithTimeout(ctx, writeTime)
		defer cancel()
		expires := l.now().Add(l.keep()).Truncate(time.Millisecond)
		for i := range b.records {
			b.records[i].Expires = expires
		}
		if _, err := many.Restore(ctx, b.records); err != nil {
			return fmt.Errorf("record: writing: %w", err)
		}
	} else {
		for i := range b.records {
			var version store.Version
			if err := l.put(ctx, b.records[i].Key, &version, b.records[i].Value); err != nil {
				return err
			}
		}
	}
	b.records, b.size = b.records[:0], 0
	return nil
}

// orphaned is how old a block in the tail is before it is taken for one that a
// recorder has left which is no more.
const orphaned = groupTime + 10*time.Minute

// adopt indexes what recorders that were killed have left in the tail.
func (l *Log) adopt(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	heads, err := l.tail(ctx)
	if err != nil {
		l.logger().Debug("records left by others were not indexed", "err", err)
		return
	}
	var g group
	for _, h := range heads {
		if l.now().UnixNano()-h.last < int64(orphaned) || nodeOf(h.name) == l.node {
			continue
		}
		body, err := l.body(ctx, h)
		if err != nil {
			continue // it has expired
		}
		w := newWriter("")
		for r := newReader(body); ; {
			x, ok := r.next()
			if !ok {
				break
			}
			w.b = w.b[:0]
			w.record(&x, x.Ended.UnixNano(), 0)
		}
		g.add(h, w.terms)
		if g.due(l.now(), false) {
			if l.index(ctx, &g) != nil {
				return
			}
		}
	}
	if len(g.heads) > 0 {
		_ = l.index(ctx, &g) // the next start tries again
	}
}
