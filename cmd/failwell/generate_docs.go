package main

import (
	"context"
	"slices"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/gen"
	"github.com/failwell/failwell/gen/docs"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
)

type generateDocsCmd struct {
	generateTo

	Format string `default:"html" enum:"html,markdown" help:"html, a site that needs no server; or markdown (${default}). JSON is beside either." placeholder:"FORMAT"`
}

// Run writes the reference.
func (x *generateDocsCmd) Run(_ context.Context, c *console) error {
	return x.writes(c, func(spec *contract.Contract) ([]gen.File, error) {
		site, err := reference(spec)
		if err != nil {
			return nil, err
		}
		return site.Files(x.Format), nil
	})
}

// reference is the error reference of a contract. APIs that have a stand-in are
// told with how to provoke each error at it.
func reference(spec *contract.Contract) (*docs.Site, error) {
	var o docs.Options
	if slices.Contains(sandbox.Names(), spec.API) {
		o.Sandbox = &docs.Sandbox{Command: "failwell sandbox " + spec.API, URL: "http://127.0.0.1:4010", Header: fault.Header}
	}
	return docs.New(spec, o)
}

// pagesOf is the reference as a gateway serves it.
func pagesOf(spec *contract.Contract) (gateway.Reference, error) { //nolint:ireturn // it is what the gateway asks for
	return reference(spec)
}
