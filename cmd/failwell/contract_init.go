package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

//go:embed starter.yaml
var starter string

type contractInitCmd struct {
	File  string `arg:""                                  default:"contract.yaml" help:"Where to write it (contract.yaml); - for stdout." optional:""`
	From  string `help:"Start from a built-in contract."  placeholder:"NAME"`
	Force bool   `help:"Replace the file when it exists."`
	JSON  bool   `help:"Print JSON."`
}

// Run writes the file; it does not replace one that exists.
func (x *contractInitCmd) Run(_ context.Context, c *console) error {
	text := starter
	if x.From != "" {
		source, err := builtin.Source(x.From)
		if err != nil {
			return hinted(fmt.Errorf("there is no built-in contract %q", x.From), contract.DidYouMean(x.From, builtin.Names()))
		}
		text = string(source)
	}
	text = strings.ReplaceAll(text, "SCHEMA_ID", contract.SchemaID)
	if x.File == "-" {
		return c.print(text)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if x.Force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(x.File, flags, 0o644) //nolint:gosec // a contract is no secret
	switch {
	case errors.Is(err, fs.ErrExist):
		return hinted(fmt.Errorf("%s exists already", x.File), "choose another name, or replace it with --force")
	case err != nil:
		return hinted(fmt.Errorf("writing the contract: %w", err), "check that the folder exists and may be written to")
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the contract: %w", err)
	}
	if x.JSON {
		return c.json(map[string]string{"file": x.File})
	}
	return c.printf("wrote %s\nnext: failwell contract lint %s; then failwell serve --contract %s --upstream URL\n", x.File, x.File, x.File)
}
