package pebblestore

import (
	"errors"
	"fmt"
)

// Why a directory is refused: an OpenError wraps one of these where it is
// known, else only the system's own error.
var (
	// ErrLocked says that another store, mostly of another process, is open on
	// the directory.
	ErrLocked = errors.New("in use")
	// ErrCorrupt says that files of the store are damaged or missing.
	ErrCorrupt = errors.New("damaged")
	// ErrNotStore says that the directory holds something else.
	ErrNotStore = errors.New("not a failwell store")
	// ErrNewerFormat says that a newer failwell has written the store.
	ErrNewerFormat = errors.New("written by a newer failwell")
)

// OpenError says why a directory could not be opened and what to do about it.
// Nothing in the directory was changed, unless it was empty.
type OpenError struct {
	Dir  string
	What string // what is the matter, in words
	Hint string // what to do
	Kind error  // one of ErrLocked, ErrCorrupt, ErrNotStore, ErrNewerFormat, or nil
	Err  error  // the cause underneath, or nil
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("store %s: %s; %s", e.Dir, e.What, e.Hint)
}

// Unwrap gives Kind and Err, so that errors.Is finds both.
func (e *OpenError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
