// Package store is where failwell keeps what must outlive a request: keys,
// limits, idempotency records. A store is a map from keys to small values with
// compare-and-swap and time to live; every decision above it is made of those
// two. Memory is the store inside one process; the packages below this folder
// keep the same contract on disk and over the network, and storetest is the
// suite that each of them passes.
package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Version names one write of one key. Versions of a key only grow: a later
// write has a greater one, also when the record was deleted, expired or the
// store restarted in between, so a version never stands for two values.
// Versions of different keys say nothing about each other, and numbers may be
// skipped. 0 means that there is no record.
type Version uint64

// Record is one key as a store holds it.
type Record struct {
	Key     string
	Value   []byte
	Version Version
	// Expires is the instant, on the store's clock and in whole milliseconds,
	// from which the record is absent. Zero means never.
	Expires time.Time
}

// Store is the contract of a driver.
//
// Concurrency: every method may be called from any goroutine. Calls on one key
// are linearizable, and so is what Scan shows of each single key; a page is not
// a snapshot over several keys.
//
// Keys and values: keys are byte strings of 1 to MaxKey bytes, ordered as
// bytes; they need not be UTF-8 and may hold NUL. Values have 0 to MaxValue
// bytes; nil and empty are the same. Values are copied on the way in and on the
// way out: neither side sees what the other does to its slice.
//
// Clock and expiry: only the store's clock counts, the one Now reads. A record
// with a time to live is there until Expires and absent from then on for every
// method, whether or not its space has been reclaimed. Reclaiming is bounded
// work within later calls. If the clock goes back, a record that was not yet
// reclaimed may be seen again, under its old version.
//
// Durability: on a store that outlives the process, what Swap and Delete
// reported survives a crash, and so does what Get and Scan showed: no reader
// sees a write that a crash could still take back.
//
// Errors: compare with errors.Is. A method that returns one of ErrAbsent,
// ErrConflict, ErrClosed, ErrTooLarge, ErrInvalid has changed nothing. After
// ErrUnavailable, or the context's error from a store over a network, a Swap or
// Delete may or may not have happened: Get tells. A context that is over before
// the call starts is always reported, and then nothing has changed; stores in
// this process finish a write once begun, also one that is not waited for.
type Store interface {
	// Get returns the record of key, or ErrAbsent.
	Get(ctx context.Context, key string) (Record, error)

	// Swap writes value if the record's present version is old (0: the key must
	// be absent) and returns the new version; otherwise ErrConflict. ttl is the
	// time to live, counted from the store's clock and rounded up to the next
	// millisecond; 0 means for ever and also ends an earlier expiry.
	Swap(ctx context.Context, key string, old Version, value []byte, ttl time.Duration) (Version, error)

	// Delete removes the record if its present version is old: ErrAbsent if there
	// is none, ErrConflict if it has another version.
	Delete(ctx context.Context, key string, old Version) error

	// Scan returns records whose keys start with prefix and are greater than
	// after, in key order, at most limit (1 or more) of them. A page may be
	// shorter, since drivers bound its bytes: only an empty page is the end. With
	// the last key of a page as the next after, a walk shows every record that is
	// there throughout exactly once. All does that.
	Scan(ctx context.Context, prefix, after string, limit int) ([]Record, error)

	// Now reads the store's clock.
	Now(ctx context.Context) (time.Time, error)

	// Close waits for the calls under way and frees what the store holds. Calls
	// after it return ErrClosed; a second Close does nothing.
	Close() error
}

var (
	// ErrAbsent says that the key has no live record.
	ErrAbsent = errors.New("store: no such record")
	// ErrConflict says that the record's version is not the expected one.
	ErrConflict = errors.New("store: the record has changed")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("store: closed")
	// ErrTooLarge says that a key or a value is over its bound; see SizeError.
	ErrTooLarge = errors.New("store: too large")
	// ErrInvalid says that an argument is outside of the contract: an empty key,
	// a negative time to live, a limit below 1.
	ErrInvalid = errors.New("store: invalid argument")
	// ErrUnavailable says that the store cannot serve the call now: out of
	// reach, out of space, or failed.
	ErrUnavailable = errors.New("store: unavailable")
)

// All walks every record whose key starts with prefix, in key order, reading
// page records at a time (0: 256). It ends after the first error, which it
// yields with a zero Record.
func All(ctx context.Context, s Store, prefix string, page int) iter.Seq2[Record, error] {
	if page == 0 {
		page = 256
	}
	return func(yield func(Record, error) bool) {
		for after := ""; ; {
			records, err := s.Scan(ctx, prefix, after, page)
			if err != nil {
				yield(Record{}, err)
				return
			}
			if len(records) == 0 {
				return
			}
			for _, record := range records {
				if !yield(record, nil) {
					return
				}
			}
			after = records[len(records)-1].Key
		}
	}
}
