package main

import (
	"context"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

type generateTypeScriptCmd struct {
	generateTo
	generatePackage
}

// Run writes the package.
func (x *generateTypeScriptCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, func(spec *contract.Contract) ([]gen.File, error) { return gen.TypeScript(spec, x.options()) })
}
