package store

import (
	"context"
	"time"
)

// Notifier is what a store may offer beyond Store: news between the processes
// that share it. News can be lost, so it only ever makes something sooner that
// also happens without it.
type Notifier interface {
	// Notify tells all processes that subscribe, this one too. Topic and message
	// together have at most 1,024 bytes.
	Notify(ctx context.Context, topic, message string) error

	// Subscribe calls heard for each message of a topic, one at a time, until ctx
	// ends. After every connection it first calls lost, since what was said
	// before or between was not heard. It returns at once; it keeps connecting.
	Subscribe(ctx context.Context, topic string, heard func(message string), lost func()) error
}

// Promise is one thing that failwell needs of a store, and whether this one
// keeps it.
type Promise struct {
	// Name in a few words, for example "writes survive a crash".
	Name string
	// Kept says that the promise holds as the store is set up.
	Kept bool
	// Found is what was looked at and seen, for example "appendfsync everysec".
	Found string
	// Weaker is what can happen where the promise is not kept, in one sentence;
	// Remedy what to change.
	Weaker, Remedy string
}

// Checker is what a store may offer so that an operator can see whether it
// keeps what failwell promises on its behalf.
type Checker interface {
	// Check looks at the settings of a live store. It writes nothing that stays.
	Check(ctx context.Context) ([]Promise, error)
}

// Shared reports whether other processes can use the store at the same time.
// Drivers for which they can have a method Shared() bool.
func Shared(s Store) bool {
	x, ok := s.(interface{ Shared() bool })
	return ok && x.Shared()
}

// Prompt reports whether Get, Swap and Delete stop waiting when their context
// ends, whatever happens to the disk, and keep nothing of it afterwards: then
// their callers need no goroutine that they could leave behind. What was begun may
// still happen; the error satisfies errors.Is with ErrUnavailable. Drivers of which
// that is true have a method Prompt() bool.
func Prompt(s Store) bool {
	x, ok := s.(interface{ Prompt() bool })
	return ok && x.Prompt()
}

// Restorer is what a store may offer so that records can be moved to it with the
// instants at which they expire, which Swap, counting from its own now, can only
// come near to.
type Restorer interface {
	// Restore writes those of the records whose keys are absent, as Swap would but
	// with Expires as it stands, and returns how many. The rest it leaves alone, and
	// those that have expired by the store's clock. Versions are given anew. Keys
	// must differ; values have MaxPage + MaxValue bytes at most in all, as those of
	// a page of Scan. After an error some may have been written: it can be repeated.
	Restore(ctx context.Context, records []Record) (written int, err error)
}

// CheckRestore tells whether records are within the contract of Restore, as far
// as one look at each can tell. It is for drivers.
func CheckRestore(records []Record) error {
	size := 0
	for i := range records {
		if err := CheckSwap(records[i].Key, records[i].Value, 0); err != nil {
			return err
		}
		size += len(records[i].Value)
	}
	if size > MaxPage+MaxValue {
		return &SizeError{What: "page", Size: size, Max: MaxPage + MaxValue}
	}
	return nil
}

// RestoredDeadline is the Deadline of a record that is restored at now; live is
// false if it has expired. It is for drivers.
func RestoredDeadline(expires, now time.Time) (deadline int64, live bool) {
	if expires.IsZero() {
		return 0, true
	}
	deadline = expires.UnixMilli() // Expires is in whole milliseconds
	return deadline, now.UnixMilli() < deadline
}
