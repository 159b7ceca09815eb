package store

import (
	"slices"
	"strings"
)

// runMax bounds what one insertion moves: at most 4 KiB of pointers.
const runMax = 512

// ordered keeps entries by key in sorted runs. Finding costs two binary
// searches; adding and removing move part of one run, and the list of runs is
// short (a run holds 256 entries or more after a split). It is not safe for
// concurrent use.
type ordered struct {
	runs [][]*entry
}

// find returns the run and the place in it of the first entry whose key is not
// less than key.
func (o *ordered) find(key string) (run, at int) {
	run, _ = slices.BinarySearchFunc(o.runs, key, func(r []*entry, key string) int {
		return strings.Compare(r[len(r)-1].key, key)
	})
	if run == len(o.runs) {
		return run, 0
	}
	at, _ = slices.BinarySearchFunc(o.runs[run], key, compareKey)
	return run, at
}

func compareKey(e *entry, key string) int { return strings.Compare(e.key, key) }

// add puts in an entry whose key is not there yet.
func (o *ordered) add(e *entry) {
	run, at := o.find(e.key)
	if run == len(o.runs) {
		if run == 0 {
			o.runs = append(o.runs, []*entry{e})
			return
		}
		run--
		at = len(o.runs[run])
	}
	r := slices.Insert(o.runs[run], at, e)
	if len(r) < runMax {
		o.runs[run] = r
		return
	}
	half := slices.Clone(r[runMax/2:])
	clear(r[runMax/2:])
	o.runs[run] = r[:runMax/2]
	o.runs = slices.Insert(o.runs, run+1, half)
}

// remove takes out an entry that is there.
func (o *ordered) remove(e *entry) {
	run, at := o.find(e.key)
	r := slices.Delete(o.runs[run], at, at+1)
	if len(r) == 0 {
		o.runs = slices.Delete(o.runs, run, run+1)
		return
	}
	o.runs[run] = r
}

// from calls yield with the entries whose keys are not less than key, in order,
// until it returns false.
func (o *ordered) from(key string, yield func(*entry) bool) {
	run, at := o.find(key)
	for ; run < len(o.runs); run, at = run+1, 0 {
		for _, e := range o.runs[run][at:] {
			if !yield(e) {
				return
			}
		}
	}
}
