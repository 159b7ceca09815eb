package main

import (
	"context"

	"github.com/failwell/failwell/gen"
)

type generateJSONCmd struct {
	generateTo
}

// Run writes the file.
func (x *generateJSONCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, gen.JSON)
}
