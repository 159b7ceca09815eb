package main

import (
	"context"

	"github.com/failwell/failwell/contract"
)

type contractCmd struct {
	Show   contractShowCmd   `cmd:"" help:"Show what a contract promises."`
	Lint   contractLintCmd   `cmd:"" help:"Check contracts and list all that is wrong."`
	Init   contractInitCmd   `cmd:"" help:"Write a first contract to start from."`
	Schema contractSchemaCmd `cmd:"" help:"Print the JSON Schema of the contract format, for editors."`
}

type contractSchemaCmd struct {
	JSON bool `help:"Print JSON, as is done anyway."`
}

// Run prints the schema.
func (*contractSchemaCmd) Run(_ context.Context, c *console) error {
	return c.print(string(contract.Schema()))
}
