package main

import (
	"context"
	"errors"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

type generateTypeScriptCmd struct {
	generateTo
	generatePackage
}

// Run writes the package.
func (x *generateTypeScriptCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, func(spec *contract.Contract) ([]gen.File, error) {
		files, err := gen.TypeScript(spec, x.options())
		if errors.Is(err, gen.ErrPackageName) {
			return nil, hinted(err, "choose another one with --package")
		}
		return files, err
	})
}
