package pebblestore

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// presence tells of most keys without a record that they have none, from memory:
// each new idempotency key asks for one, and the engine would look through its
// memory tables and the filters of all levels, 13 µs of a keyed write's CPU.
//
// It rests on one rule: a key is in every filter that will ever be asked before
// its record is in the engine. So records are committed between entering and
// leaving, and a filter is put in its place, before it is filled with what the
// engine holds at that moment, when nobody is in between.
type presence struct {
	commits sync.RWMutex // held for reading by every commit of records
	// whole has every key of the engine, and some that it held once; nil where that
	// is not known. filling will be the next one; the mutex guards it.
	whole   atomic.Pointer[filter]
	filling *filter

	// missed counts the looks that found nothing: who looks up one key need not read
	// them all.
	missed atomic.Int64
	busy   atomic.Bool // somebody fills, or nobody will any more
}

// enter is called before records are committed, leave after it.
func (p *presence) enter() { p.commits.RLock() }
func (p *presence) leave() { p.commits.RUnlock() }

// add takes a key that is about to have a record. The caller has entered.
func (p *presence) add(hash uint64) {
	if f := p.whole.Load(); f != nil {
		f.add(hash)
	}
	if p.filling != nil {
		p.filling.add(hash)
	}
}

// absent reports that there is no record of a key, expired ones included. Who
// holds the lock of the key's stripe may rely on it until it is given back.
func (p *presence) absent(hash uint64) bool {
	f := p.whole.Load()
	return f != nil && !f.has(hash)
}

// full reports that the filter has become too full to be of use for long.
func (p *presence) full() bool {
	f := p.whole.Load()
	return f != nil && f.count.Load() >= f.enough
}

// filter is a Bloom filter in blocks of a cache line, with a bit in each of its
// eight words. With 16 bits for each key it takes one absent key in 600 for a
// present one (TestFilterIsRarelyWrong). All calls may run at once.
type filter struct {
	blocks []block
	count  atomic.Int64
	enough int64 // keys from which on it is full
}

type block [8]atomic.Uint64

const bitsPerKey = 16

func newFilter(room int) *filter {
	return &filter{blocks: make([]block, max(1, room*bitsPerKey/512)), enough: int64(room)}
}

func (f *filter) add(hash uint64) {
	b, fresh := f.block(hash), false
	for i, h := 0, spread(hash); i < len(b); i, h = i+1, h>>6 {
		if bit := uint64(1) << (h & 63); b[i].Load()&bit == 0 {
			b[i].Or(bit)
			fresh = true
		}
	}
	if fresh {
		f.count.Add(1)
	}
}

func (f *filter) has(hash uint64) bool {
	b := f.block(hash)
	for i, h := 0, spread(hash); i < len(b); i, h = i+1, h>>6 {
		if b[i].Load()&(1<<(h&63)) == 0 {
			return false
		}
	}
	return true
}

// block goes by the upper half of the hash, stripes by the lower.
func (f *filter) block(hash uint64) *block {
	i, _ := bits.Mul64(hash, uint64(len(f.blocks)))
	return &f.blocks[i]
}

// spread makes other bits of those that chose the block.
func spread(hash uint64) uint64 {
	hash ^= hash >> 32
	hash *= 0x9e3779b97f4a7c15
	return hash ^ hash>>29
}
