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
	OK bool `json:"ok"`
	// Files are in the order of the command line, one for each.
	Files []lintedJSON `json:"files"`
	// Faults are those of all files.
	Faults []faultJSON `json:"faults"`
	// Advice is about what is allowed, but probably not meant.
	Advice []faultJSON `json:"advice"`
}

type lintedJSON struct {
	File       string `json:"file"`
	OK         bool   `json:"ok"`
	Codes      int    `json:"codes"`
	Envelopes  int    `json:"envelopes"`
	Operations int    `json:"operations"`
}

type faultJSON struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0 when the file as a whole is at fault
	What string `json:"what"`
	Hint string `json:"hint,omitempty"`
}

// Run lists the faults of all files on stdout; finding some is a failure, giving
// advice is not. A file that cannot be read is one more, and does not hide what the others have.
func (x *contractLintCmd) Run(_ context.Context, c *console) error {
	out := lintJSON{Files: []lintedJSON{}, Faults: []faultJSON{}, Advice: []faultJSON{}}
	faulty := 0
	for _, file := range x.Files {
		loaded, err := loadContract(file)
		if err != nil {
			faulty++
			out.Files = append(out.Files, lintedJSON{File: file})
			faults, err := x.faulty(c, file, err)
			if err != nil {
				return err
			}
			out.Faults = append(out.Faults, faults...)
			continue
		}
		linted := lintedJSON{file, true, len(loaded.Codes), len(loaded.Envelopes), len(loaded.Operations)}
		out.Files = append(out.Files, linted)
		if err := x.printf(c, "%s: ok: %s, %s, %s\n", file,
			count(linted.Codes, "code"), count(linted.Envelopes, "envelope"), count(linted.Operations, "operation")); err != nil {
			return err
		}
		for _, f := range loaded.Advice() {
			out.Advice = append(out.Advice, faultJSON{f.Pos.File, f.Pos.Line, f.What, f.Hint})
			if err := x.printf(c, "%s:%d: advice: %s, %s\n", f.Pos.File, f.Pos.Line, f.What, f.Hint); err != nil {
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
		return fmt.Errorf("%s in %d of %s", count(len(out.Faults), "fault"), faulty, count(len(x.Files), "contract"))
	}
	return nil
}

// faulty tells why a file could not be loaded.
func (x *contractLintCmd) faulty(c *console, file string, why error) ([]faultJSON, error) {
	faults, ok := errors.AsType[contract.Faults](why)
	if !ok {
		if !x.JSON {
			c.complain(why)
		}
		f := faultJSON{File: file, What: why.Error()}
		if h, ok := errors.AsType[*hintError](why); ok {
			f.Hint = h.hint
		}
		return []faultJSON{f}, nil
	}
	list := make([]faultJSON, 0, len(faults))
	for _, f := range faults {
		list = append(list, faultJSON{f.Pos.File, f.Pos.Line, f.What, f.Hint})
		if err := x.printf(c, "%s\n", f); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (x *contractLintCmd) printf(c *console, format string, args ...any) error {
	if x.JSON {
		return nil
	}
	return c.printf(format, args...)
}

func count(n int, noun string) string { return count64(int64(n), noun) }

func count64(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
