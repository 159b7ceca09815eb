package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/failwell/failwell/store"
)

// What the engine holds, by the first byte of the key:
//
//	m NAME            one fact about the store itself
//	r KEY             version (8 bytes), deadline (8), value: a record
//	d DUE VERSION     keys, each after its length: the index of when records are
//	                  reclaimed, earliest first, for those that began together; the
//	                  version is that of one of them
//	x DUE KEY         nothing: the same for a record whose deadline has changed
//
// Numbers are big-endian, so that their order is that of bytes.
const (
	spaceMeta   = 'm'
	spaceRecord = 'r'
	spaceDues   = 'd'
	spaceExpiry = 'x'

	headerSize = 16
)

var errShortRecord = errors.New("a record shorter than its header")

// header is what a decision needs of a record; a version of 0 means none.
type header struct {
	version  store.Version
	deadline int64 // see store.Deadline
}

func (h header) live(now int64) bool {
	return h.version != 0 && (h.deadline == 0 || now < h.deadline)
}

func ceilingKey() []byte { return []byte{spaceMeta, 'v', 'e', 'r', 's', 'i', 'o', 'n'} }

func recordKey(key string) []byte {
	return append(append(make([]byte, 0, 1+len(key)), spaceRecord), key...)
}

// dueStep is the grain of the index, in milliseconds.
const dueStep = 1000

// due is the instant from which a record with this deadline is reclaimed: not
// before the deadline. 0 is never.
func due(deadline int64) int64 {
	if over := deadline % dueStep; over > 0 && deadline <= math.MaxInt64-dueStep {
		return deadline + dueStep - over
	}
	return deadline
}

// dueSize is the length of a space and an instant, with which a key of the index begins.
const dueSize = 9

func appendDue(b []byte, space byte, due int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, space), uint64(due))
}

func splitDue(b []byte) (due int64, ok bool) {
	if len(b) <= dueSize {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b[1:])), true
}

func expiryKeySize(key string) int { return dueSize + len(key) }

func appendExpiryKey(b []byte, due int64, key string) []byte {
	return append(appendDue(b, spaceExpiry, due), key...)
}

func expiryKey(due int64, key string) []byte {
	return appendExpiryKey(make([]byte, 0, expiryKeySize(key)), due, key)
}

func putHeader(b []byte, h header) {
	binary.BigEndian.PutUint64(b, uint64(h.version))
	binary.BigEndian.PutUint64(b[8:], uint64(h.deadline))
}

func splitRecord(b []byte) (h header, value []byte, err error) {
	if len(b) < headerSize {
		return header{}, nil, errShortRecord
	}
	h.version = store.Version(binary.BigEndian.Uint64(b))
	h.deadline = int64(binary.BigEndian.Uint64(b[8:]))
	return h, b[headerSize:], nil
}

// upperBound is the least key greater than all with the prefix, which is never
// made of 0xff alone since it starts with a space's byte.
func upperBound(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	end[len(end)-1]++
	return end
}
