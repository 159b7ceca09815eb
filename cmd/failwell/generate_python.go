package main

import (
	"context"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

type generatePythonCmd struct {
	generateTo
	generatePackage
}

// Run writes the package.
func (x *generatePythonCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, func(spec *contract.Contract) ([]gen.File, error) { return gen.Python(spec, x.options()) })
}
