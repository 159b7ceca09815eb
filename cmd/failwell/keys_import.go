package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
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

// Run imports keys in the order given and stops at the first that is refused.
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
	list := make([]admission.Imported, 0, len(lines))
	for _, line := range lines {
		n := admission.Imported{NewKey: base, Plain: line}
		if hashed {
			n.Plain, n.SHA256 = "", line
		}
		list = append(list, n)
	}
	return x.with(ctx, c, func(keys keyring) error {
		if x.Plan != "" {
			if _, err := keys.SetPlan(ctx, x.Account, x.Plan); err != nil {
				return err
			}
		}
		made, err := keys.ImportKeys(ctx, list)
		if err != nil {
			return err
		}
		if x.JSON {
			return c.json(map[string][]admission.Key{"keys": made})
		}
		return c.printf("imported %s for account %s\n", count(len(made), "key"), x.Account)
	})
}

// maxImport bounds the file of keys in bytes.
const maxImport = 64 << 20

func (x *keysImportCmd) lines(c *console) (list []string, hashed bool, err error) {
	if len(x.Hash) > 0 {
		if x.File != "" {
			return nil, false, usage("leave one of them out", "--hash and a file are two sources of keys")
		}
		return x.Hash, true, nil
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
	scanner := bufio.NewScanner(io.LimitReader(in, maxImport))
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" {
			list = append(list, line)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, false, fmt.Errorf("reading keys: %w", err)
	}
	if len(list) == 0 {
		return nil, false, usage("name a file with one key on a line", "there are no keys to import")
	}
	return list, x.Hashed, nil
}
