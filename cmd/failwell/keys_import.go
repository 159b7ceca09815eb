package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/admission"
)

type keysImportCmd struct {
	keyPlace

	File       string   `arg:""                                                                                   help:"File with one key on a line; absent or -: stdin."                   optional:""`
	Hash       []string `help:"Import the key with this SHA-256 in hex instead; repeat it for several."           placeholder:"HEX"`
	Hashed     bool     `help:"The lines are SHA-256 hashes in hex, not keys."`
	Account    string   `default:"default"                                                                        help:"Account that the keys are for (${default}); opened when it is new." placeholder:"ID"`
	Plan       string   `help:"Put the account on this plan."                                                     placeholder:"NAME"`
	Permission []string `help:"Permission of the keys; repeat it for several. Absent: all that the contract has." placeholder:"NAME"`
	Env        string   `help:"Environment. Absent: what the key's prefix tells, else the contract's first."      placeholder:"NAME"`
	Expires    string   `help:"End, as a span (30d, 12h) or a date. Absent: never."                               placeholder:"WHEN"`
	Name       string   `help:"Name for people."                                                                  placeholder:"TEXT"`
}

// Run imports keys and goes on past those that are refused, which are told with
// their lines. Keys that are there already are only counted, so that an import
// can be run again.
func (x *keysImportCmd) Run(ctx context.Context, c *console) error {
	expires, err := expiry(x.Expires, time.Now())
	if err != nil {
		return err
	}
	lines, hashed, err := x.lines(c)
	if err != nil {
		return err
	}
	base := admission.NewKey{Account: x.Account, Name: x.Name, Environment: x.Env, Permissions: x.Permission, Expires: expires}
	return x.with(ctx, c, func(keys keyring) error {
		if x.Plan != "" {
			if _, err := keys.SetPlan(ctx, x.Account, x.Plan); err != nil {
				return err
			}
		}
		done, fault := importAll(ctx, keys, base, lines, hashed)
		return errors.Join(x.report(c, &done), fault)
	})
}

// importLine is a key and the line that it stands in.
type importLine struct {
	number int
	text   string
}

// importJSON is what import --json prints.
type importJSON struct {
	Keys []admission.Key `json:"keys"`
	// Existing counts the keys that were there already.
	Existing int           `json:"existing"`
	Refused  []refusedJSON `json:"refused"`
}

type refusedJSON struct {
	Line int    `json:"line"`
	What string `json:"what"`
}

// importBatch is how many keys are given away at once, so that what was done is
// known when a later batch fails.
const importBatch = 1000

func importAll(ctx context.Context, keys keyring, base admission.NewKey, lines []importLine, hashed bool) (importJSON, error) {
	done := importJSON{Keys: []admission.Key{}, Refused: []refusedJSON{}}
	var first error
	for batch := range slices.Chunk(lines, importBatch) {
		list := make([]admission.Imported, len(batch))
		for i, line := range batch {
			list[i] = admission.Imported{NewKey: base, Plain: line.text}
			if hashed {
				list[i].Plain, list[i].SHA256 = "", line.text
			}
		}
		results, err := keys.ImportKeys(ctx, list)
		if err != nil {
			return done, err
		}
		for i, r := range results {
			switch {
			case r.Err == nil:
				done.Keys = append(done.Keys, r.Key)
			case errors.Is(r.Err, admission.ErrKeyExists):
				done.Existing++
			default:
				refused := &importError{batch[i].number, r.Err}
				done.Refused = append(done.Refused, refusedJSON{refused.line, r.Err.Error()})
				if first == nil {
					first = refused
				}
			}
		}
	}
	return done, first
}

// importError says which line was refused.
type importError struct {
	line int
	err  error
}

func (e *importError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.err) }
func (e *importError) Unwrap() error { return e.err }

// mostRefused bounds the lines on refused keys; --json has them all.
const mostRefused = 20

func (x *keysImportCmd) report(c *console, done *importJSON) error {
	if x.JSON {
		return c.json(done)
	}
	more := ""
	switch done.Existing {
	case 0:
	case 1:
		more = ", 1 was there already"
	default:
		more = fmt.Sprintf(", %d were there already", done.Existing)
	}
	if n := len(done.Refused); n > 0 {
		more += fmt.Sprintf(", %d refused", n)
	}
	if err := c.printf("imported %s for account %s%s\n", count(len(done.Keys), "key"), x.Account, more); err != nil {
		return err
	}
	for i, r := range done.Refused[min(1, len(done.Refused)):] { // the first is the error that is told at the end
		if i == mostRefused {
			c.notef("and %d more; --json lists them", len(done.Refused)-1-i)
			break
		}
		what, _, _ := strings.Cut(r.What, "; ")
		c.notef("line %d: %s", r.Line, what)
	}
	return nil
}

// maxImport bounds the file of keys in bytes.
const maxImport = 64 << 20

var errTooManyKeys = errors.New("the file of keys is longer than 64 MiB")

func (x *keysImportCmd) lines(c *console) (list []importLine, hashed bool, err error) {
	if len(x.Hash) > 0 {
		if x.File != "" {
			return nil, false, usage("leave one of them out", "--hash and a file are two sources of keys")
		}
		for i, hash := range x.Hash {
			list = append(list, importLine{i + 1, hash})
		}
		return list, true, nil
	}
	in := c.stdin
	if x.File != "" && x.File != "-" {
		f, err := os.Open(x.File)
		if err != nil {
			return nil, false, hinted(fmt.Errorf("keys: %w", err), "name a file with one key on a line")
		}
		defer func() { _ = f.Close() }() // nothing was written
		in = f
	} else if isTerminal(in) {
		return nil, false, usage("name a file, pipe keys in, or use --hash HEX", "there are no keys to import")
	}
	bounded := &io.LimitedReader{R: in, N: maxImport + 1}
	scanner := bufio.NewScanner(bounded)
	for number := 1; scanner.Scan(); number++ {
		if line := strings.TrimSpace(scanner.Text()); line != "" {
			list = append(list, importLine{number, line})
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, false, fmt.Errorf("reading keys: %w", err)
	}
	if bounded.N == 0 {
		return nil, false, hinted(errTooManyKeys, "import it in parts")
	}
	if len(list) == 0 {
		return nil, false, usage("name a file with one key on a line", "there are no keys to import")
	}
	return list, x.Hashed, nil
}
