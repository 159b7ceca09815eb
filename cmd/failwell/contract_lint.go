package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/failwell/failwell/contract"
)

type contractLintCmd struct {
	Files []string `arg:""             help:"Contracts to check." name:"file"`
	JSON  bool     `help:"Print JSON."`
}

type lintJSON struct {
	OK     bool        `json:"ok"`
	Faults []faultJSON `json:"faults"`
}

type faultJSON struct {
	File string `json:"file"`
	Line int    `json:"line"`
	What string `json:"what"`
	Hint string `json:"hint,omitempty"`
}

// Run lists the faults of all files on stdout; finding some is a failure.
func (x *contractLintCmd) Run(_ context.Context, c *console) error {
	out := lintJSON{Faults: []faultJSON{}}
	faulty := 0
	for _, file := range x.Files {
		loaded, err := loadContract(file)
		faults, isFaults := errors.AsType[contract.Faults](err)
		switch {
		case isFaults:
			faulty++
			for _, f := range faults {
				out.Faults = append(out.Faults, faultJSON{f.Pos.File, f.Pos.Line, f.What, f.Hint})
				if err := x.printf(c, "%s\n", f); err != nil {
					return err
				}
			}
		case err != nil:
			return err
		default:
			if err := x.printf(c, "%s: ok: %s, %s, %s\n", file,
				count(len(loaded.Codes), "code"), count(len(loaded.Envelopes), "envelope"), count(len(loaded.Operations), "operation")); err != nil {
				return err
			}
		}
	}
	out.OK = faulty == 0
	if x.JSON {
		if err := c.json(out); err != nil {
			return err
		}
	}
	if faulty > 0 {
		return fmt.Errorf("%s in %d of %d contracts", count(len(out.Faults), "fault"), faulty, len(x.Files))
	}
	return nil
}

func (x *contractLintCmd) printf(c *console, format string, args ...any) error {
	if x.JSON {
		return nil
	}
	return c.printf(format, args...)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
