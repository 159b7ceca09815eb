package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/failwell/failwell/contract"
)

// hintError is an error that says what to do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

func hinted(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hintError{err, hint}
}

// usageError is a command line that says too little or too much.
type usageError struct{ what string }

func (e *usageError) Error() string { return e.what }

// statusError ends a command with an exit status of its own.
type statusError struct {
	code int
	err  error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func usage(hint, format string, args ...any) error {
	return hinted(&usageError{fmt.Sprintf(format, args...)}, hint)
}

// complain prints an error and its hint to stderr. Faults of a file stand one
// on a line and carry their hints themselves.
func (c *console) complain(err error) {
	p := c.painterFor(c.stderr)
	if faults, ok := errors.AsType[contract.Faults](err); ok {
		for _, f := range faults {
			fmt.Fprintln(c.stderr, f)
		}
		return
	}
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		fmt.Fprintf(c.stderr, "%s %s\n", p.bad("failwell:"), strings.TrimSuffix(line, "."))
	}
	if h, ok := errors.AsType[*hintError](err); ok && h.hint != "" {
		fmt.Fprintf(c.stderr, "%s %s\n", p.faint("hint:"), h.hint)
	}
}
