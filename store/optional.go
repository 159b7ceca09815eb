package store

import "context"

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
