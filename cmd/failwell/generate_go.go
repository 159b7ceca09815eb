package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen"
)

type generateGoCmd struct {
	generateTo

	Package string `help:"What the package is called (the contract's api)." placeholder:"NAME"`
}

// Run writes the package.
func (x *generateGoCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, func(spec *contract.Contract) ([]gen.File, error) {
		source, err := x.source(spec)
		if err != nil {
			return nil, err
		}
		files, err := gen.Go(spec, source, gen.Options{Package: x.Package})
		if errors.Is(err, gen.ErrPackageName) {
			return nil, hinted(err, "choose another one with --package")
		}
		return files, err
	})
}

// source is the text of what was loaded.
func (x *generateGoCmd) source(spec *contract.Contract) (gen.GoSource, error) {
	if slices.Contains(builtin.Names(), x.Contract) {
		text, err := builtin.Source(x.Contract)
		return gen.GoSource{Contract: text}, err
	}
	if info, err := os.Stat(x.Contract); err == nil && !info.Mode().IsRegular() {
		return gen.GoSource{}, hinted(fmt.Errorf("%s can be read only once", x.Contract), "write the contract to a file first")
	}
	text, err := readFile("contract", x.Contract)
	if err != nil || spec.OpenAPI == "" {
		return gen.GoSource{Contract: text}, err
	}
	document, err := readFile("openapi", filepath.Join(filepath.Dir(x.Contract), filepath.FromSlash(spec.OpenAPI)))
	return gen.GoSource{Contract: text, OpenAPI: document}, err
}
