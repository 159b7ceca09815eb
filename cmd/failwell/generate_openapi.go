package main

import (
	"context"
	"path/filepath"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
	"github.com/failwell/failwell/gen/openapi"
)

type generateOpenAPICmd struct {
	generateTo

	Into string `help:"An OpenAPI 3.0 or 3.1 file to put the errors into; the result has its name. Without it, a document of the contract's operations is made." placeholder:"FILE"`
}

// Run writes the document.
func (x *generateOpenAPICmd) Run(_ context.Context, c *console) error {
	if x.Into == "" {
		return x.writes(c, openapi.New)
	}
	document, err := readFile("openapi", x.Into)
	if err != nil {
		return err
	}
	x.keeps = x.Into
	return x.writes(c, func(spec *contract.Contract) ([]gen.File, error) {
		merged, err := openapi.Merge(spec, x.Into, document)
		return []gen.File{{Name: filepath.Base(x.Into), Data: merged}}, err
	})
}

type generateSchemaCmd struct {
	generateTo
}

// Run writes the schemas.
func (x *generateSchemaCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, openapi.Schemas)
}
