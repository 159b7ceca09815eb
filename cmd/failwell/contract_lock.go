package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/failwell/failwell/contract/compat"
)

type contractLockCmd struct {
	Contract string `arg:""                                                                               help:"A built-in name or a file." name:"name|file"`
	File     string `help:"The lock file; beside the contract as NAME.lock.yaml when left out."           placeholder:"FILE"                short:"o"`
	Check    bool   `help:"Write nothing; end with status 1 unless the lock says what the contract does."`
	Break    bool   `help:"Break what was promised: write the lock although a change is breaking."`
	JSON     bool   `help:"Print JSON."`
}

func (*contractLockCmd) Help() string {
	return `The lock file goes into version control beside the contract. It follows changes
that are safe or risky; one that breaks a promise is refused without --break.`
}

type lockJSON struct {
	diffJSON
	File string `json:"file"`
	// Written is false where the lock was up to date, or is only checked.
	Written bool `json:"written"`
}

// Run compares the contract with its lock and brings the lock up to date.
func (x *contractLockCmd) Run(_ context.Context, c *console) error {
	spec, err := loadContract(x.Contract)
	if err != nil {
		return err
	}
	promised := compat.Of(spec)
	lock, err := promised.Lock()
	if err != nil {
		return err
	}
	file := x.File
	if file == "" {
		file = strings.TrimSuffix(x.Contract, filepath.Ext(x.Contract)) + ".lock.yaml"
	}
	old, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && x.Check:
		return hinted(fmt.Errorf("there is no lock file %s", file), "failwell contract lock "+x.Contract+" writes it")
	case errors.Is(err, fs.ErrNotExist):
		if err := replaceFile(file, lock); err != nil {
			return err
		}
		return x.report(c, lockJSON{diffView(spec.API, nil), file, true}, fmt.Sprintf("wrote %s: %s, %s, %s, %s\n", file,
			count(len(promised.Errors), "code"), count(len(promised.Envelopes), "envelope"), count(len(promised.Plans), "plan"), count(len(promised.Operations), "operation")))
	case err != nil:
		return hinted(fmt.Errorf("reading the lock: %w", err), "check the path and its permissions")
	}
	was, err := compat.Read(file, old)
	if err != nil {
		return err
	}
	return x.update(c, file, compat.Diff(was, promised), old, lock, spec.API)
}

func (x *contractLockCmd) update(c *console, file string, found []compat.Finding, old, lock []byte, api string) error {
	breaking := compat.Worst(found) == compat.Breaking
	write := !x.Check && (!breaking || x.Break) && !bytes.Equal(old, lock)
	if write {
		if err := replaceFile(file, lock); err != nil {
			return err
		}
	}
	if x.JSON {
		if err := x.report(c, lockJSON{diffView(api, found), file, write}, ""); err != nil {
			return err
		}
	} else if len(found) > 0 {
		if err := c.diff(found); err != nil {
			return err
		}
	}
	switch {
	case breaking && !write:
		return hinted(fmt.Errorf("%s breaks what %s promised", x.Contract, file), "take the change back, or break the promise: failwell contract lock --break "+x.Contract)
	case x.Check && !bytes.Equal(old, lock):
		return hinted(fmt.Errorf("%s is not up to date", file), "failwell contract lock "+x.Contract)
	case x.JSON:
		return nil
	case write:
		return c.printf("wrote %s\n", file)
	}
	return c.printf("%s is up to date\n", file)
}

func (x *contractLockCmd) report(c *console, view lockJSON, text string) error {
	if x.JSON {
		return c.json(view)
	}
	return c.print(text)
}

// replaceFile writes a file beside its place first, so that a full disk leaves
// the old one.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return hinted(fmt.Errorf("writing %s: %w", name, err), "check that the folder exists and may be written to")
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", name, err), os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", name, err), os.Remove(f.Name()))
	}
	return nil
}
